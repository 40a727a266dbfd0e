import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { caseAreas } from "../../../src/mesh/cube_cases.js";
import { surfaceArea } from "../../../src/mesh/surface_area.js";
import type { Vec3 } from "../../../src/volume/types.js";
import { ball, mask, pieces } from "./masks.js";

interface Golden {
  readonly spacings: Vec3[];
  readonly shapes: { name: string; size: Vec3; bits: string; areas: number[] }[];
  readonly cubes: { spacing: Vec3; areas: number[] };
}
const golden = JSON.parse(
  readFileSync(new URL("../../golden/surface.json", import.meta.url), "utf8"),
) as Golden;

/** The reference takes single precision. */
const EXACT = 2e-6;
/** Ambiguous cubes are cut otherwise than by Lewiner: hardly any in smooth shapes, some in noise. */
const SMOOTH = 5e-3;
const ROUGH = 2e-2;

function shapeOf({ size, bits }: { size: Vec3; bits: string }) {
  const bytes = Buffer.from(bits, "base64");
  return mask(size, (x, y, z) => {
    const at = x + size[0] * (y + size[1] * z);
    return ((bytes[at >> 3] >> (at & 7)) & 1) === 1;
  });
}

describe("surface area", () => {
  it("is scikit-image's in each cube that is not ambiguous, and near it in the others", () => {
    const areas = caseAreas(golden.cubes.spacing);
    const off = golden.cubes.areas.filter((area, i) => Math.abs(area - areas[i + 1]) > EXACT * area);
    expect(off.length).toBe(56);
    expect(areas[0]).toBe(0);
    expect(areas[255]).toBe(0);
  });

  it.each(golden.shapes)("is scikit-image's for: $name", ({ areas, ...shape }) => {
    const tolerance = shape.name.startsWith("rough")
      ? ROUGH
      : shape.name.startsWith("smooth")
        ? SMOOTH
        : EXACT;
    const found = golden.spacings.map((spacing) => surfaceArea(pieces(shapeOf(shape)), spacing));
    found.forEach((area, i) => {
      expect(Math.abs(area / areas[i] - 1), `${golden.spacings[i]}: ${area}, not ${areas[i]}`).toBeLessThan(
        tolerance,
      );
    });
  });

  it("is that of an octahedron for one voxel and 0 for none", () => {
    expect(surfaceArea(pieces(mask([1, 1, 1], () => true)), [1, 1, 1])).toBeCloseTo(Math.sqrt(3), 12);
    expect(surfaceArea(pieces(mask([3, 3, 3], () => false)), [1, 1, 1])).toBe(0);
    expect(surfaceArea([], [1, 1, 1])).toBe(0);
  });

  it("is the same in one chunk and in many, wherever they are", () => {
    const shape = ball(9.3, [1, 1, 3]);
    const whole = surfaceArea(pieces(shape), [5, 5, 15]);
    expect(surfaceArea(pieces(shape, [70_001, 3, 512], [4, 7, 2]), [5, 5, 15])).toBe(whole);
    expect(surfaceArea(pieces(shape, [1, 1, 1], [3, 50, 1]).reverse(), [5, 5, 15])).toBe(whole);
  });

  it("leaves out what else is in the chunks", () => {
    const [placed] = pieces(ball(3));
    expect(surfaceArea([{ ...placed, labels: [] }], [1, 1, 1])).toBe(0);
  });

  it("stops when it is told to", () => {
    expect(() => surfaceArea(pieces(ball(3)), [1, 1, 1], AbortSignal.abort())).toThrow(/abort/i);
  });
});
