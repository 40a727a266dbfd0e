import {
  type AgreementFigures,
  agreementFigures,
  mergeAgreements,
  type OverlapScore,
  pairIou,
  referenceScore,
} from "../../src/evaluation/agreement.js";
import { type ChunkComparison, pairsOf } from "../../src/evaluation/compare_chunk.js";
import {
  MATCH_THRESHOLDS,
  type MatchCounts,
  matchScore,
  mergeMatches,
} from "../../src/evaluation/matching.js";
import { type Candidate, type Ranking, rankingSteps } from "../../src/evaluation/ranking.js";
import type { RegionDistribution } from "../../src/morphology/types.js";
import type { AgreementReport } from "../mito/agreement_protocol.js";

/** How two models compare in some chunks. */
export interface PairFigures {
  readonly a: number;
  readonly b: number;
  readonly iou: number;
  /** Of the objects of one against those of the other, at each of MATCH_THRESHOLDS. */
  readonly objects: readonly OverlapScore[];
}

/** How a model does against the reference in some chunks. */
export interface ReferenceFigures {
  readonly voxels: OverlapScore;
  readonly objects: readonly OverlapScore[];
}

/** What a panel says of some chunks together. */
export interface ComparisonFigures {
  /** Chunks that were compared, those of them with a reference, and those that could not be. */
  readonly chunks: number;
  readonly referenceChunks: number;
  readonly failed: number;
  readonly agreement: AgreementFigures;
  readonly pairs: readonly PairFigures[];
  /** By model; absent where no chunk has a reference. */
  readonly reference?: readonly ReferenceFigures[];
}

/** @returns undefined while no chunk has been compared. */
export function comparisonFigures(reports: readonly AgreementReport[]): ComparisonFigures | undefined {
  const parts = comparisonsOf(reports);
  if (parts.length === 0) return undefined;
  const agreement = mergeAgreements(parts.map((part) => part.agreement));
  const { models } = agreement;
  const scored = parts.filter(({ reference }) => reference !== undefined);
  return {
    chunks: parts.length,
    referenceChunks: scored.length,
    failed: reports.filter(({ error }) => error !== undefined).length,
    agreement: agreementFigures(agreement),
    pairs: pairsOf(models).map(([a, b], i) => ({
      a,
      b,
      iou: pairIou(agreement, a, b),
      objects: objectScores(parts.map((part) => part.pairs[i])),
    })),
    ...(scored.length > 0 && { reference: referenceFigures(scored, models) }),
  };
}

function referenceFigures(scored: readonly ChunkComparison[], models: number): ReferenceFigures[] {
  const agreement = mergeAgreements(scored.map((part) => part.agreement));
  return Array.from({ length: models }, (_, k) => ({
    // All of these chunks have a reference.
    voxels: referenceScore(agreement, k)!,
    objects: objectScores(scored.map((part) => part.reference![k])),
  }));
}

function objectScores(parts: readonly (readonly MatchCounts[])[]): OverlapScore[] {
  return MATCH_THRESHOLDS.map((_, t) => matchScore(mergeMatches(parts.map((counts) => counts[t]))));
}

const comparisonsOf = (reports: readonly AgreementReport[]) =>
  reports.flatMap(({ comparison }) => comparison ?? []);

/** What a model's regions are compared with. */
export interface ModelPrior {
  readonly distribution: RegionDistribution | null;
  /** Area of a pixel of the predicted scale in pixels of the model's grid. */
  readonly pixelRatio: number;
}

/** Chunks that take part in a ranking: resampling more would cost time and say no more. The latest are taken. */
export const RANKED_CHUNKS = 200;

/** @returns the ranking in steps, for `Pump`; undefined when a model's package says nothing of its source's morphology. */
export function rankingOf(
  reports: readonly AgreementReport[],
  priors: readonly ModelPrior[],
): Generator<undefined, Ranking> | undefined {
  // In one order, whatever the order in which chunks arrived: the same chunks give the same resamplings.
  const latest = reports.filter(({ comparison }) => comparison !== undefined).slice(-RANKED_CHUNKS);
  const parts = comparisonsOf([...latest].sort((a, b) => (a.key < b.key ? -1 : 1)));
  const candidates: Candidate[] = [];
  for (const [k, { distribution, pixelRatio }] of priors.entries()) {
    if (distribution === null) return undefined;
    candidates.push({
      prior: distribution,
      pixelRatio,
      chunks: parts.map(({ histograms }) => histograms[k]),
    });
  }
  return rankingSteps(candidates, { agreements: parts.map(({ agreement }) => agreement) });
}

/**
 * Names of models as short as they can be told apart by: from the strategy on ("self-training" of "lucchi-to-vnc-self-training"), or else
 * the ids.
 */
export function shortNames(models: readonly { readonly id: string; readonly strategy: string }[]): string[] {
  const short = models.map(({ id, strategy }) => {
    const at = strategy === "" ? -1 : id.indexOf(strategy);
    return at === -1 ? id : id.slice(at);
  });
  return new Set(short).size === short.length ? short : models.map(({ id }) => id);
}
