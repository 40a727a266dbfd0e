import { describe, expect, it } from "vitest";
import { OBJECT_COLUMNS } from "../../../src/morphology/object_columns.js";
import type { Vec3 } from "../../../src/volume/types.js";
import golden from "../../golden/objects.json" with { type: "json" };
import {
  decodeRuns,
  differences,
  type GoldenMeasures,
  type GoldenShape,
  objectOf,
  sectionOf,
  surfaceTolerances,
} from "../../support/golden_objects.js";

type Golden = GoldenShape & GoldenMeasures;
const flat = golden.flat as unknown as Golden[];
const solid = golden.solid as unknown as Golden[];

it("has at least 300 shapes", () => {
  expect(golden.reference).toBe("scikit-image 0.26.0");
  expect(flat.length + solid.length).toBeGreaterThanOrEqual(300);
});

describe("measureSection, as scikit-image", () => {
  it.each(flat)("$name", (shape) => {
    const ours = sectionOf(decodeRuns(shape), shape.size, shape.spacing);
    expect(differences(ours, shape)).toEqual([]);
    for (const [name, value] of Object.entries(ours)) {
      if (shape[name] !== null) expect([value].flat().every(Number.isFinite), name).toBe(true);
    }
  });
});

describe("measureObject, as scikit-image", () => {
  it.each(solid)("$name", (shape) => {
    const size = shape.size as unknown as Vec3;
    const mask = decodeRuns(shape);
    const ours = objectOf(mask, size, shape.spacing as unknown as Vec3);
    expect(differences(ours, shape, surfaceTolerances(mask, size))).toEqual([]);
    for (const { id } of OBJECT_COLUMNS) {
      if (id === "sectionCircularity" && shape[id] === null) continue;
      expect(Number.isFinite(ours[id] as number), id).toBe(true);
    }
  });
});
