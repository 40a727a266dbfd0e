import { describe, expect, it } from "vitest";
import { countAgreement } from "../../../src/evaluation/agreement.js";
import {
  type Candidate,
  type RankedModel,
  type Ranking,
  rankModels,
} from "../../../src/evaluation/ranking.js";
import { rankingWords } from "../../../src/evaluation/ranking_words.js";
import { FARTHEST, measureDistribution } from "../../../src/morphology/distribution.js";
import { regionHistogram } from "../../../src/morphology/prior_distance.js";
import type { Region } from "../../../src/morphology/regions.js";
import { Random } from "../../../src/network/random.js";

const SIZE = 64;

/** A slice of discs of about this radius. */
function discs(random: Random, radius: number): Uint8Array {
  const slice = new Uint8Array(SIZE * SIZE);
  for (let i = 0; i < 3; i++) {
    const [cx, cy, r] = [random.uniform(8, 56), random.uniform(8, 56), radius * random.uniform(0.8, 1.2)];
    for (let y = 0; y < SIZE; y++)
      for (let x = 0; x < SIZE; x++) if (Math.hypot(x - cx, y - cy) < r) slice[x + SIZE * y] = 255;
  }
  return slice;
}

const prior = measureDistribution(
  Array.from({ length: 20 }, (_, i) => discs(new Random(i), 7)),
  SIZE,
  SIZE,
)!;

const regions = (random: Random, area: number, count: number, solidity = 0.97): Region[] =>
  Array.from({ length: count }, (_, i) => {
    const pixels = Math.round(area * random.uniform(0.7, 1.3));
    return {
      label: i + 1,
      slice: 0,
      area: pixels,
      convexArea: pixels / (solidity * random.uniform(0.97, 1)),
      eccentricity: random.uniform(0, 0.3),
    };
  });

const candidate = (seed: number, chunks: number, area: number, count = 3): Candidate => {
  const random = new Random(seed);
  return {
    prior,
    pixelRatio: 1,
    chunks: Array.from({ length: chunks }, () => regionHistogram(regions(random, area, count), SIZE * SIZE)),
  };
};

describe("ranking by the prior", () => {
  const near = candidate(1, 12, 150);
  const far = candidate(2, 12, 25);
  const empty = candidate(3, 12, 150, 0);

  it("puts first what looks like the source, and says how sure that is", () => {
    const ranking = rankModels([far, empty, near]);
    expect(ranking.models.map(({ model }) => model)).toEqual([2, 0, 1]);
    expect(ranking.chunks).toBe(12);
    expect(ranking.resamplings).toBe(100);
    const [first, second, last] = ranking.models;
    expect(first.best).toBe(1);
    expect(second.beatsFirst).toBe(0);
    expect(last.distance).toBe(FARTHEST);
    for (const { score, interval } of [first, second]) {
      expect(interval[0]).toBeLessThanOrEqual(score * 1.05);
      expect(interval[1]).toBeGreaterThanOrEqual(score * 0.95);
      expect(interval[1]).toBeGreaterThan(interval[0]);
    }
  });

  it("gives the same ranking for the same chunks, and another one for another seed", () => {
    const like = candidate(7, 12, 150);
    expect(rankModels([near, like])).toEqual(rankModels([near, like]));
    expect(rankModels([near, like], { seed: 2 })).not.toEqual(rankModels([near, like]));
  });

  it("lets equal models share the first place", () => {
    const { models } = rankModels([near, near]);
    expect(models.map(({ best }) => best)).toEqual([0.5, 0.5]);
    expect(models[1].beatsFirst).toBe(1);
  });

  it("says nothing of how sure it is with fewer than four chunks", () => {
    const ranking = rankModels([candidate(1, 3, 150), candidate(2, 3, 25)]);
    expect(ranking.resamplings).toBe(0);
    expect(ranking.models[0].interval[0]).toBe(ranking.models[0].score);
    expect(rankModels([candidate(1, 0, 1), candidate(2, 0, 1)]).models[0].distance).toBe(FARTHEST);
  });

  it("counts how little a model agrees with the others", () => {
    // Three models; the last finds one voxel of the four that the others agree on.
    const vote = (...values: number[]) => ({ values: Uint8Array.from(values), minimum: 1 });
    const agreement = countAgreement([vote(1, 1, 1, 1), vote(1, 1, 1, 1), vote(1, 0, 0, 0)]);
    const { models } = rankModels([near, near, near], { agreements: near.chunks.map(() => agreement) });
    expect(models.map(({ model }) => model)).toEqual([0, 1, 2]);
    expect(models[0].agreement).toBeCloseTo((1 + 0.25) / 2, 12);
    expect(models[2].agreement).toBeCloseTo(0.25, 12);
    expect(models[2].score - models[2].distance).toBeCloseTo(0.75, 12);
  });

  it("refuses chunks that are not the same", () => {
    expect(() => rankModels([near, candidate(1, 3, 150)])).toThrow("3 and 12 chunks");
    expect(() => rankModels([near], { agreements: [] })).toThrow("0 and 12 chunks");
    expect(() => rankModels([])).toThrow("no model");
  });
});

describe("the ranking in words", () => {
  const ranked = (model: number, best: number, more: Partial<RankedModel> = {}): RankedModel => ({
    model,
    score: 1 + model,
    distance: 1 + model,
    agreement: 0.5,
    interval: [1, 2],
    best,
    beatsFirst: 0,
    ...more,
  });
  const ranking = (models: RankedModel[], chunks = 20): Ranking => ({
    models,
    chunks,
    resamplings: chunks < 4 ? 0 : 100,
  });
  const names = ["A", "B", "C", "D"];

  it.each([
    [
      ranking([ranked(0, 0.97), ranked(1, 0.03), ranked(2, 0)]),
      [100, 90, 5],
      "A looks most like real mitochondria here (97 of 100 resamplings); B is further from it; C finds hardly anything.",
    ],
    [
      ranking([ranked(1, 0.87), ranked(0, 0.13, { beatsFirst: 0.13 }), ranked(2, 0), ranked(3, 0)]),
      [100, 90, 100, 90],
      "B probably looks most like real mitochondria here (87 of 100 resamplings); A is close; C and D are further from it.",
    ],
    [
      ranking([ranked(0, 0.48), ranked(1, 0.46, { beatsFirst: 0.5 }), ranked(2, 0.06)]),
      [100, 90, 100],
      "Cannot tell which looks most like real mitochondria here: A in 48 and B in 46 of 100 resamplings; C is further from it.",
    ],
    [
      ranking([ranked(0, 0), ranked(1, 0)], 1),
      [100, 90],
      "A looks most like real mitochondria here, but one chunk is too few to say how sure that is; B comes after it.",
    ],
    [
      ranking([ranked(2, 1), ranked(0, 0), ranked(1, 0)]),
      [100, 90, 20],
      "C looks most like real mitochondria here (100 of 100 resamplings); A and B are further from it." +
        " But C finds much less than the others (22 % of their median): look at what it misses.",
    ],
    [
      ranking([ranked(0, 0.5, { distance: FARTHEST }), ranked(1, 0.5, { distance: FARTHEST })]),
      [0, 0],
      "None of them finds a mitochondrion here.",
    ],
    [ranking([ranked(0, 0), ranked(1, 0)], 0), [0, 0], "Nothing is computed here yet."],
  ])("says which looks best, or that it cannot be told", (given, foreground, text) => {
    expect(rankingWords(given, names, foreground)).toBe(text);
  });
});
