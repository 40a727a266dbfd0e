import { FARTHEST } from "../morphology/distribution.js";
import { distanceToDistribution, HistogramBuilder } from "../morphology/prior_distance.js";
import type { RegionDistribution, RegionHistogram } from "../morphology/types.js";
import { Random } from "../network/random.js";

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
  /** Distance of all chunks together from the prior, 0..FARTHEST. */
  readonly distance: number;
  /** The middle 90 % of the distances of the resamplings; the distance twice when nothing was resampled. */
  readonly interval: readonly [number, number];
  /** Share of the resamplings in which it is the nearest; equal ones share. 0 when nothing was resampled. */
  readonly best: number;
  /** Share of the resamplings in which it is at least as near as the first. 1 for the first. */
  readonly beatsFirst: number;
}

export interface Ranking {
  /** Nearest first. */
  readonly models: readonly RankedModel[];
  readonly chunks: number;
  /** 0 when there are too few chunks to say how sure the order is. */
  readonly resamplings: number;
}

/** Below this many chunks a resampling says nothing of what other chunks would say. */
export const LEAST_CHUNKS = 4;
export const RESAMPLINGS = 100;

export interface RankingOptions {
  readonly resamplings?: number;
  readonly seed?: number;
}

/**
 * Ranks models by how far the morphology of what they find is from their source's, and says how sure that is: chunks are drawn with
 * replacement (Efron's bootstrap), the same ones for all models, so that what they have in common takes no part. The same input gives
 * the same ranking. Neighbouring chunks share objects, so the true uncertainty is larger than that of independent chunks.
 * @throws RangeError when candidates have other numbers of chunks, or there is none.
 */
export function rankModels(candidates: readonly Candidate[], options: RankingOptions = {}): Ranking {
  const [first] = candidates;
  if (first === undefined) throw new RangeError("no model to rank");
  const chunks = first.chunks.length;
  for (const candidate of candidates)
    if (candidate.chunks.length !== chunks)
      throw new RangeError(`${candidate.chunks.length} and ${chunks} chunks cannot be compared`);
  const once = new Uint32Array(chunks).fill(1);
  const distances = candidates.map((candidate) => distanceOf(candidate, once));
  const order = candidates.map((_, model) => model).sort((a, b) => distances[a] - distances[b] || a - b);
  const resamplings = chunks < LEAST_CHUNKS ? 0 : (options.resamplings ?? RESAMPLINGS);
  const drawn = resample(candidates, chunks, resamplings, options.seed ?? 1);
  const best = new Float64Array(candidates.length);
  for (const sample of drawn) {
    const least = Math.min(...sample);
    const nearest = sample.flatMap((distance, model) => (distance === least ? [model] : []));
    for (const model of nearest) best[model] += 1 / nearest.length / resamplings;
  }
  return {
    chunks,
    resamplings,
    models: order.map((model) => ({
      model,
      distance: distances[model],
      interval: intervalOf(
        drawn.map((sample) => sample[model]),
        distances[model],
      ),
      best: best[model],
      beatsFirst:
        resamplings === 0 ? Number(model === order[0]) : share(drawn, (s) => s[model] <= s[order[0]]),
    })),
  };
}

const share = (samples: readonly number[][], test: (sample: number[]) => boolean) =>
  samples.reduce((sum, sample) => (test(sample) ? sum + 1 : sum), 0) / samples.length;

/** Distances of each resampling, by candidate. */
function resample(
  candidates: readonly Candidate[],
  chunks: number,
  resamplings: number,
  seed: number,
): number[][] {
  const random = new Random(seed);
  return Array.from({ length: resamplings }, () => {
    const times = new Uint32Array(chunks);
    for (let i = 0; i < chunks; i++) times[random.integer(chunks)]++;
    return candidates.map((candidate) => distanceOf(candidate, times));
  });
}

function distanceOf({ chunks, prior, pixelRatio }: Candidate, times: Uint32Array): number {
  const sum = new HistogramBuilder();
  chunks.forEach((chunk, i) => {
    if (times[i] > 0) sum.add(chunk, times[i]);
  });
  return chunks.length === 0 ? FARTHEST : distanceToDistribution(sum.result(), prior, pixelRatio).distance;
}

function intervalOf(values: readonly number[], otherwise: number): readonly [number, number] {
  if (values.length === 0) return [otherwise, otherwise];
  const sorted = [...values].sort((a, b) => a - b);
  const at = (p: number) => sorted[Math.min(sorted.length - 1, Math.floor(p * sorted.length))];
  return [at(0.05), at(0.95)];
}
