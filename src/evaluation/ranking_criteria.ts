import { distributionDistance, FARTHEST } from "../morphology/distribution.js";
import type { RegionDistribution } from "../morphology/types.js";
import { agreementFigures, meanAgreement, referenceScore } from "./agreement.js";
import { DISAGREEMENT_WEIGHT } from "./ranking.js";
import type { BlockEvidence } from "./ranking_blocks.js";

/** By what the models' predictions of a block are ranked, without labels. */
export const RANK_CRITERIA = [
  {
    id: "prior and agreement",
    description: "what the viewer ranks by: distribution, plus 1 - mean IoU with the others",
  },
  { id: "distribution", description: "distance of the regions' distributions from the source's" },
  { id: "solidity", description: "distance of mean solidities: the published criterion" },
  { id: "coverage", description: "distance of the foreground's share alone" },
  { id: "agreement", description: "mean IoU with the other models alone" },
  { id: "most foreground", description: "the more, the better: no prior at all" },
] as const;
export type RankCriterion = (typeof RANK_CRITERIA)[number]["id"];

/** What the source looks like, as the models' packages say. */
export interface SourceMorphology {
  readonly regions: RegionDistribution;
  readonly solidity: number;
  /** Area of a pixel of the samples in pixels of the source's grid. */
  readonly pixelRatio: number;
}

/** One block's ranking by each criterion (the smaller, the better), and the truth. */
export interface RankedBlock {
  readonly scores: Readonly<Record<RankCriterion, readonly number[]>>;
  /** IoU with the labels, by model. */
  readonly iou: readonly number[];
}

/** @param sources by model. */
export function rankBlock(block: BlockEvidence, sources: readonly SourceMorphology[]): RankedBlock {
  const { agreement, samples } = block;
  const distances = samples.map((sample, k) =>
    distributionDistance(sample, sources[k].regions, sources[k].pixelRatio),
  );
  const common = meanAgreement(agreement);
  const { foreground } = agreementFigures(agreement);
  return {
    scores: {
      "prior and agreement": distances.map(
        ({ distance }, k) => distance + DISAGREEMENT_WEIGHT * (1 - common[k]),
      ),
      distribution: distances.map(({ distance }) => distance),
      solidity: samples.map(({ solidity }, k) =>
        solidity.length === 0
          ? FARTHEST
          : Math.abs(solidity.reduce((sum, value) => sum + value, 0) / solidity.length - sources[k].solidity),
      ),
      coverage: distances.map(({ terms }) => terms.coverage),
      agreement: common.map((value) => 1 - value),
      "most foreground": foreground.map((voxels) => -voxels),
    },
    // The labels are the agreement's reference.
    iou: foreground.map((_, k) => referenceScore(agreement, k)!.iou),
  };
}

/** How often a criterion was right, with the counts. */
export interface RankingSuccess {
  readonly criterion: RankCriterion;
  /** Blocks, and those in which its first is the model of the highest IoU. */
  readonly blocks: number;
  readonly first: number;
  /** Pairs of models with different IoU in a block, and those that it puts in the right order; ties of the criterion count half. */
  readonly pairs: number;
  readonly rightPairs: number;
  /** Mean IoU lost by taking its first in place of the best. */
  readonly lost: number;
}

/** Blocks in which any model overlaps with the labels: in the others none is better. */
export function comparable(blocks: readonly RankedBlock[]): RankedBlock[] {
  return blocks.filter(({ iou }) => Math.max(...iou) > 0 && new Set(iou).size > 1);
}

export function rankingSuccess(blocks: readonly RankedBlock[], criterion: RankCriterion): RankingSuccess {
  let first = 0;
  let pairs = 0;
  let rightPairs = 0;
  let lost = 0;
  for (const { scores, iou } of blocks) {
    const score = scores[criterion];
    const chosen = score.indexOf(Math.min(...score));
    const best = Math.max(...iou);
    if (iou[chosen] === best) first++;
    lost += best - iou[chosen];
    for (let a = 0; a < iou.length; a++)
      for (let b = a + 1; b < iou.length; b++) {
        if (iou[a] === iou[b]) continue;
        pairs++;
        if (score[a] === score[b]) rightPairs += 0.5;
        else if (score[a] < score[b] === iou[a] > iou[b]) rightPairs++;
      }
  }
  return {
    criterion,
    blocks: blocks.length,
    first,
    pairs,
    rightPairs,
    lost: lost / Math.max(1, blocks.length),
  };
}
