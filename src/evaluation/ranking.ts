import { FARTHEST } from "../morphology/distribution.js";
import { distanceToDistribution, HistogramBuilder } from "../morphology/prior_distance.js";
import type { RegionDistribution, RegionHistogram } from "../morphology/types.js";
import { Random } from "../network/random.js";
import { type Agreement, meanAgreement } from "./agreement.js";

/** What a model is ranked by. */
export interface Candidate {
  /** Of the regions of each chunk, one entry a chunk; the same chunks in the same order for all candidates. */
  readonly chunks: readonly RegionHistogram[];
  /** The morphology that the model's source has. */
  readonly prior: RegionDistribution;
  /** Area of a pixel of the histograms in pixels of the prior's grid. */
  readonly pixelRatio: number;
}

export interface RankedModel {
  /** Index among the candidates. */
  readonly model: number;
  /** What models are ranked by, of all chunks together; the smaller, the better. See `rankModels`. */
  readonly score: number;
  /** Distance from the prior alone, 0..FARTHEST. */
  readonly distance: number;
  /** Mean IoU with the other models; 1 when agreement takes no part. */
  readonly agreement: number;
  /** The middle 90 % of the scores of the resamplings; the score twice when nothing was resampled. */
  readonly interval: readonly [number, number];
  /** Share of the resamplings in which it is the best; equal ones share. 0 when nothing was resampled. */
  readonly best: number;
  /** Share of the resamplings in which it is at least as good as the first. 1 for the first. */
  readonly beatsFirst: number;
}

export interface Ranking {
  /** Best first. */
  readonly models: readonly RankedModel[];
  readonly chunks: number;
  /** 0 when there are too few chunks to say how sure the order is. */
  readonly resamplings: number;
}

/** Below this many chunks a resampling says nothing of what other chunks would say. */
export const LEAST_CHUNKS = 4;
export const RESAMPLINGS = 100;

/**
 * What disagreement with all other models counts, in units of the distance. Chosen on Lucchi++ -> VNC and VNC -> Lucchi++
 * (docs/comparison.md): both are ordered better than by the distance alone. With more, pairs are ordered better still, but the best comes first
 * less often: the model in the middle of the others does.
 */
export const DISAGREEMENT_WEIGHT = 1;

export interface RankingOptions {
  /** How the candidates agree in each chunk; without it the distance alone counts. */
  readonly agreements?: readonly Agreement[];
  readonly resamplings?: number;
  readonly seed?: number;
}

/** Scores of all candidates over chunks that each count so many times. */
interface Scores {
  readonly score: number[];
  readonly distance: number[];
  readonly agreement: number[];
}

/**
 * Ranks models by how far the morphology of what they find is from their source's (`distanceToDistribution`) plus, where it is given, how
 * little they agree with the others: DISAGREEMENT_WEIGHT x (1 - mean IoU with them). The prior alone is kind to a cautious model that finds a
 * few well-shaped mitochondria; the others tell that it misses the rest. Two models agree equally with each other, so for two only the
 * prior counts.
 *
 * How sure that is: chunks are drawn with replacement (Efron's bootstrap), the same ones for all models, so that what they have in common
 * takes no part. The same input gives the same ranking. Neighbouring chunks share objects, so the true uncertainty is larger than that of
 * independent chunks.
 * @throws RangeError when there are other numbers of chunks, or no candidate.
 */
export function rankModels(candidates: readonly Candidate[], options: RankingOptions = {}): Ranking {
  const steps = rankingSteps(candidates, options);
  while (true) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}

/** `rankModels` in steps of about a millisecond, for a thread that must answer in between. @throws as it. */
export function* rankingSteps(
  candidates: readonly Candidate[],
  options: RankingOptions = {},
): Generator<undefined, Ranking> {
  const [first] = candidates;
  if (first === undefined) throw new RangeError("no model to rank");
  const chunks = first.chunks.length;
  for (const { length } of [...candidates.map((one) => one.chunks), options.agreements ?? first.chunks])
    if (length !== chunks) throw new RangeError(`${length} and ${chunks} chunks cannot be compared`);
  const scores = (times: Uint32Array) => scoresOf(candidates, options.agreements, times);
  const whole = scores(new Uint32Array(chunks).fill(1));
  const order = candidates.map((_, model) => model).sort((a, b) => whole.score[a] - whole.score[b] || a - b);
  const resamplings = chunks < LEAST_CHUNKS ? 0 : (options.resamplings ?? RESAMPLINGS);
  const random = new Random(options.seed ?? 1);
  const drawn: number[][] = [];
  while (drawn.length < resamplings) {
    yield;
    const times = new Uint32Array(chunks);
    for (let i = 0; i < chunks; i++) times[random.integer(chunks)]++;
    drawn.push(scores(times).score);
  }
  const best = new Float64Array(candidates.length);
  for (const sample of drawn) {
    const least = Math.min(...sample);
    const winners = sample.flatMap((score, model) => (score === least ? [model] : []));
    for (const model of winners) best[model] += 1 / winners.length;
  }
  return {
    chunks,
    resamplings,
    models: order.map((model) => ({
      model,
      score: whole.score[model],
      distance: whole.distance[model],
      agreement: whole.agreement[model],
      interval: intervalOf(
        drawn.map((sample) => sample[model]),
        whole.score[model],
      ),
      best: resamplings === 0 ? 0 : best[model] / resamplings,
      beatsFirst:
        resamplings === 0
          ? Number(model === order[0])
          : drawn.filter((sample) => sample[model] <= sample[order[0]]).length / resamplings,
    })),
  };
}

function scoresOf(
  candidates: readonly Candidate[],
  agreements: readonly Agreement[] | undefined,
  times: Uint32Array,
): Scores {
  const distance = candidates.map((candidate) => distanceOf(candidate, times));
  const agreement =
    agreements === undefined || times.length === 0
      ? candidates.map(() => 1)
      : meanAgreement(sumOf(agreements, times));
  return {
    distance,
    agreement,
    score: distance.map((value, k) => value + DISAGREEMENT_WEIGHT * (1 - agreement[k])),
  };
}

function distanceOf({ chunks, prior, pixelRatio }: Candidate, times: Uint32Array): number {
  const sum = new HistogramBuilder();
  chunks.forEach((chunk, i) => {
    if (times[i] > 0) sum.add(chunk, times[i]);
  });
  return chunks.length === 0 ? FARTHEST : distanceToDistribution(sum.result(), prior, pixelRatio).distance;
}

/** Agreement of the models over the chunks; a reference takes no part. */
function sumOf(agreements: readonly Agreement[], times: Uint32Array): Agreement {
  const [{ models }] = agreements;
  const counts = new Array<number>(2 ** models).fill(0);
  agreements.forEach((part, i) => {
    part.counts.forEach((count, code) => {
      counts[code % counts.length] += times[i] * count;
    });
  });
  return { models, reference: false, counts };
}

function intervalOf(values: readonly number[], otherwise: number): readonly [number, number] {
  if (values.length === 0) return [otherwise, otherwise];
  const sorted = [...values].sort((a, b) => a - b);
  const at = (p: number) => sorted[Math.min(sorted.length - 1, Math.floor(p * sorted.length))];
  return [at(0.05), at(0.95)];
}
