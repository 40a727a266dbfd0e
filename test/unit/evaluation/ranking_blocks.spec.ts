import { describe, expect, it } from "vitest";
import { blocksOf, cutBox, measureBlocks } from "../../../src/evaluation/ranking_blocks.js";
import { comparable, rankBlock, rankingSuccess } from "../../../src/evaluation/ranking_criteria.js";
import { measureDistribution } from "../../../src/morphology/distribution.js";
import type { Box } from "../../../src/volume/types.js";

const bounds: Box = { lower: [10, 0, 0], upper: [74, 48, 2] };

/** A volume with discs of this radius in each 32 x 24 cell. */
function discs(radius: number): Uint8Array {
  const out = new Uint8Array(64 * 48 * 2);
  for (let i = 0; i < out.length; i++) {
    const x = i % 64;
    const y = Math.floor(i / 64) % 48;
    if (Math.hypot((x % 32) - 16, (y % 24) - 12) < radius) out[i] = 255;
  }
  return out;
}

describe("ranking by blocks", () => {
  it("cuts whole blocks, x fastest", () => {
    const boxes = blocksOf(bounds, [32, 24, 2]);
    expect(boxes.map(({ lower }) => lower)).toEqual([
      [10, 0, 0],
      [42, 0, 0],
      [10, 24, 0],
      [42, 24, 0],
    ]);
    expect(blocksOf(bounds, [40, 24, 2])).toHaveLength(2);
    const numbers = Uint8Array.from({ length: 64 * 48 * 2 }, (_, i) => i % 64);
    const cut = cutBox(numbers, bounds, boxes[1]);
    expect(cut).toHaveLength(32 * 24 * 2);
    expect([cut[0], cut[31], cut[32]]).toEqual([32, 63, 32]);
  });

  it("says how often the best is put first", () => {
    const truth = discs(8);
    const evidence = measureBlocks([discs(8), discs(5), discs(2.5)], truth, {
      bounds,
      block: [32, 24, 2],
      threshold: 0.5,
      factor: [2, 2],
    });
    expect(evidence).toHaveLength(4);
    expect(evidence[0].samples[0].counts).toEqual(Float64Array.of(1, 1));
    const slice = truth.subarray(0, 64 * 48);
    const half = Uint8Array.from(
      { length: 32 * 24 },
      (_, i) => slice[2 * (i % 32) + 128 * Math.floor(i / 32)],
    );
    const source = {
      regions: measureDistribution([half], 32, 24)!,
      solidity: 0.95,
      pixelRatio: 1,
    };
    const blocks = evidence.map((one) => rankBlock(one, [source, source, source]));
    expect(blocks[0].iou[0]).toBe(1);
    expect(comparable(blocks)).toHaveLength(4);
    expect(rankingSuccess(blocks, "distribution")).toEqual({
      criterion: "distribution",
      blocks: 4,
      first: 4,
      pairs: 12,
      rightPairs: 12,
      lost: 0,
    });
    // The middle one is the most alike to the others.
    expect(rankingSuccess(blocks, "agreement")).toMatchObject({ first: 0, pairs: 12 });
    expect(rankingSuccess(blocks, "agreement").lost).toBeGreaterThan(0.3);
  });

  it("leaves out blocks where no model is better than another", () => {
    const block = (iou: number[]) => ({ scores: {} as never, iou });
    expect(comparable([block([0, 0]), block([0.5, 0.5]), block([0.5, 0])])).toHaveLength(1);
  });
});
