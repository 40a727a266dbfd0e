import { describe, expect, it } from "vitest";
import { formatOperation, parseOperation } from "../../../src/proofreading/json_lines.js";
import { Replay } from "../../../src/proofreading/replay.js";
import { strokeBox, strokeRegion } from "../../../src/proofreading/stroke_region.js";
import type { Strokes } from "../../../src/proofreading/types.js";
import type { Vec3 } from "../../../src/volume/types.js";
import { Scribe, viewOf } from "./scene.js";

const SIZE: Vec3 = [40, 30, 9];
const cone: Strokes = { axis: 2, lines: [[[10, 15, 2, 4]], [[18, 15, 6, 8]]] };

/** The definition, voxel by voxel: discs at both ends, between them their distances mixed. */
function inCone(x: number, y: number, z: number): boolean {
  if (z < 2 || z > 6) return false;
  const t = (z - 2) / 4;
  const first = Math.hypot(x - 10, y - 15) - 4;
  const last = Math.hypot(x - 18, y - 15) - 8;
  return first * (1 - t) + last * t <= 1e-5;
}

describe("strokes", () => {
  it("interpolate between sections by the distances to their borders", () => {
    const box = { lower: [0, 0, 0] as Vec3, upper: SIZE };
    const mask = strokeRegion(cone, box);
    let at = 0;
    let inside = 0;
    for (let z = 0; z < SIZE[2]; ++z)
      for (let y = 0; y < SIZE[1]; ++y)
        for (let x = 0; x < SIZE[0]; ++x, ++at) {
          expect(mask[at]).toBe(inCone(x, y, z) ? 1 : 0);
          inside += mask[at];
        }
    expect(inside).toBeGreaterThan(400);
  });

  it("give the same in a part of the box, across any axis", () => {
    const whole = strokeRegion(cone, { lower: [0, 0, 0], upper: SIZE });
    const part = strokeRegion(cone, { lower: [12, 11, 3], upper: [25, 20, 5] });
    let at = 0;
    for (let z = 3; z < 5; ++z)
      for (let y = 11; y < 20; ++y)
        for (let x = 12; x < 25; ++x) expect(part[at++]).toBe(whole[x + 40 * (y + 30 * z)]);
    const turned = strokeRegion(
      {
        axis: 0,
        lines: cone.lines.map((line) => line.map(([x, y, z, r]) => [z, y, x, r] as const)),
      },
      { lower: [0, 0, 0], upper: [9, 30, 40] },
    );
    for (let z = 0; z < 9; ++z)
      for (let y = 0; y < 30; ++y)
        for (let x = 0; x < 40; ++x) expect(turned[z + 9 * (y + 30 * x)]).toBe(whole[x + 40 * (y + 30 * z)]);
    expect(strokeBox(cone)).toEqual({ lower: [6, 7, 2], upper: [27, 24, 7] });
  });

  it("add an object that the model does not see, and not over others", async () => {
    const probability = new Uint8Array(SIZE[0] * SIZE[1] * SIZE[2]);
    // A predicted object in the way.
    for (let y = 0; y < 30; ++y) for (let x = 20; x < 23; ++x) probability[x + 40 * (y + 30 * 6)] = 255;
    const view = await viewOf(probability, SIZE);
    const scribe = new Scribe();
    const replay = new Replay(view);
    const add = scribe.write({
      kind: "add",
      seed: [10, 15, 2],
      threshold: 0,
      radius: [50, 50, 50],
      strokes: cone,
    });
    expect(parseOperation(formatOperation(add), "line")).toEqual(add);
    await replay.add([add]);
    expect(replay.conflicts()).toEqual([]);
    const object = replay.objectAt([14, 15, 4]);
    expect(object).toBeDefined();
    expect(replay.objectAt([21, 15, 6])?.id).not.toBe(object?.id);
    expect(replay.objectAt([17, 15, 6])?.id).toBe(object?.id);
  });

  it("refuse a line that leaves its section, and work without end", () => {
    const add = new Scribe().write({
      kind: "add",
      seed: [1, 1, 1],
      threshold: 0,
      radius: [5, 5, 5],
      strokes: cone,
    });
    const line = formatOperation(add).replace("[18,15,6,8]", "[18,15,6,8],[18,15,7,8]");
    expect(() => parseOperation(line, "log:1")).toThrow(/log:1.*leaves its section/);
    const endless = { axis: 2 as const, lines: Array.from({ length: 1000 }, () => cone.lines[0]) };
    const box = { lower: [0, 0, 0] as Vec3, upper: [2000, 2000, 9] as Vec3 };
    expect(() => strokeRegion({ axis: 2, lines: [...endless.lines, [[10, 15, 2, 1000]]] }, box)).toThrow(
      /fit into memory|clicks/,
    );
  });
});
