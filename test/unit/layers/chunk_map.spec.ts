import { describe, expect, it } from "vitest";
import { COLOURS, cssColour, LEVELS, levelOf } from "../../../layers/chunk_map/colour_scale.js";
import {
  CellBuilder,
  cellAt,
  extentOf,
  type MapCells,
  nextCell,
} from "../../../layers/chunk_map/map_cells.js";
import { colourRange } from "../../../layers/chunk_map/range.js";
import type { Vec3 } from "../../../src/volume/types.js";

const plane = {
  columns: 0,
  rows: 1,
  across: 2,
  from: Number.NEGATIVE_INFINITY,
  to: Number.POSITIVE_INFINITY,
};

function build(
  chunks: readonly (readonly [lower: Vec3, value: number])[],
  change: Partial<typeof plane> = {},
): MapCells {
  const builder = new CellBuilder({ ...plane, ...change });
  for (const [index, [lower, value]] of chunks.entries()) {
    const upper = lower.map((v, axis) => v + [10, 10, 4][axis]) as unknown as Vec3;
    builder.add({ lower, upper }, value, index);
  }
  return builder.result();
}

describe("the map's cells", () => {
  it("join chunks that lie behind each other, and show the highest value", () => {
    const cells = build([
      [[0, 0, 0], 1],
      [[0, 0, 4], 3],
      [[0, 0, 8], Number.NaN],
      [[10, 0, 0], Number.NaN],
      [[10, 0, 4], 0.5],
    ]);
    expect(cells.count).toBe(2);
    expect([...cells.values]).toEqual([3, 0.5]);
    expect([...cells.chunks]).toEqual([1, 4]);
    expect([...cells.depths]).toEqual([3, 2]);
    expect(extentOf(cells)).toEqual([0, 0, 20, 10]);
  });

  it("leave out chunks that are not in the slices asked for", () => {
    const chunks: [Vec3, number][] = [
      [[0, 0, 0], 1],
      [[0, 0, 4], 3],
      [[10, 0, 8], 2],
    ];
    expect([...build(chunks, { from: 4, to: 5 }).values]).toEqual([3]);
    expect([...build(chunks, { from: 3, to: 9 }).values]).toEqual([3, 2]);
    expect(build(chunks, { from: 50 }).count).toBe(0);
    expect(extentOf(build(chunks, { from: 50 }))).toBeUndefined();
  });

  it("are laid in the plane of other slices, too", () => {
    const cells = build([[[5, 20, 30], 1]], { columns: 0, rows: 2, across: 1 });
    expect(extentOf(cells)).toEqual([5, 30, 15, 34]);
  });

  it("are found by place, and by direction from one to the next", () => {
    const cells = build([
      [[0, 0, 0], 1],
      [[10, 0, 0], 2],
      [[30, 10, 0], 3],
      [[0, 40, 0], 4],
    ]);
    expect(cellAt(cells, 9.9, 0)).toBe(0);
    expect(cellAt(cells, 10, 9)).toBe(1);
    expect(cellAt(cells, 25, 5)).toBe(-1);
    expect(nextCell(cells, 0, 1, 0)).toBe(1);
    expect(nextCell(cells, 1, 1, 0)).toBe(2);
    expect(nextCell(cells, 2, -1, 0)).toBe(1);
    expect(nextCell(cells, 0, 0, 1)).toBe(3);
    expect(nextCell(cells, 0, 0, -1)).toBe(0);
  });
});

describe("the colour scale", () => {
  it("rises in lightness from end to end, so that it orders without colour vision", () => {
    let before = -1;
    for (let level = 0; level < LEVELS; level += 5) {
      const [r, g, b] = COLOURS.subarray(3 * level, 3 * level + 3);
      const luminance = 0.2126 * (r / 255) ** 2.2 + 0.7152 * (g / 255) ** 2.2 + 0.0722 * (b / 255) ** 2.2;
      expect(luminance).toBeGreaterThan(before);
      before = luminance;
    }
    expect(cssColour(0)).toBe("rgb(68,1,84)");
    expect(cssColour(LEVELS - 1)).toBe("rgb(253,231,37)");
  });

  it("takes values outside of its range as its ends, also of an empty range", () => {
    expect(levelOf(-5, [0, 1])).toBe(0);
    expect(levelOf(9, [0, 1])).toBe(LEVELS - 1);
    expect(levelOf(1, [0, 2])).toBe(Math.round((LEVELS - 1) / 2));
    expect(levelOf(3, [3, 3])).toBe(0);
  });

  it("ends at a round number that few values exceed", () => {
    expect(colourRange(Float32Array.from({ length: 1000 }, (_, i) => (i === 0 ? 1e6 : i / 250)))).toEqual([
      0, 5,
    ]);
    expect(colourRange(Float32Array.of(Number.NaN, 0.013))).toEqual([0, 0.02]);
    expect(colourRange(Float32Array.of(0, 0))).toEqual([0, 1]);
    expect(colourRange(new Float32Array(0))).toEqual([0, 1]);
  });
});
