import { describe, expect, it } from "vitest";
import {
  ADDITIVE_WIDTH,
  additiveColumns,
  measurePieces,
  mergeMeasures,
  type PlacedSums,
} from "../../../src/morphology/additive.js";
import { placeMask } from "../../../src/morphology/object_runs.js";
import { ADDITIVE, OBJECT_COLUMN_IDS, type ObjectColumnId } from "../../../src/morphology/object_types.js";
import { principalAxes } from "../../../src/morphology/principal_axes.js";
import type { LabelRuns } from "../../../src/segmentation/types.js";
import type { Vec3 } from "../../../src/volume/types.js";

const FRAME = { voxelSize: [4.6, 4.6, 45] as Vec3, sliceAxis: 2 } as const;

function random(seed: number) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Labels 1..count at random, background in between. */
function randomLabels(size: Vec3, count: number, seed: number): Uint32Array {
  const next = random(seed);
  return Uint32Array.from({ length: size[0] * size[1] * size[2] }, () => Math.floor(next() * (count + 1)));
}

function runsOf(labels: Uint32Array, size: Vec3, count: number): LabelRuns {
  const rows = new Uint32Array(size[1] * size[2] + 1);
  const runs: [number, number, number][] = [];
  for (let row = 0; row + 1 < rows.length; ++row) {
    for (let x = 0; x < size[0]; ) {
      const label = labels[row * size[0] + x];
      const start = x;
      while (x < size[0] && labels[row * size[0] + x] === label) ++x;
      if (label !== 0) runs.push([label, start, x]);
    }
    rows[row + 1] = runs.length;
  }
  return {
    size,
    count,
    rows,
    starts: Uint16Array.from(runs, ([, start]) => start),
    ends: Uint16Array.from(runs, ([, , end]) => end),
    labels: Uint32Array.from(runs, ([label]) => label),
  };
}

/** Sums by their definition, voxel by voxel. */
function sumsByVoxel(
  labels: Uint32Array,
  [w, h]: Vec3,
  label: number,
  em: Uint8Array | Uint16Array,
): number[] {
  const sums = new Array<number>(ADDITIVE_WIDTH).fill(0);
  const low = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  const high = low.map((value) => -value);
  labels.forEach((value, i) => {
    if (value !== label) return;
    const [x, y, z] = [i % w, Math.floor(i / w) % h, Math.floor(i / (w * h))];
    const v = em[i];
    [1, x, y, z, x * x, y * y, z * z, x * y, x * z, y * z].forEach((term, k) => {
      sums[k] += term;
    });
    [x, y, z].forEach((c, axis) => {
      low[axis] = Math.min(low[axis], c);
      high[axis] = Math.max(high[axis], c + 1);
    });
    [1, v, v * v].forEach((term, k) => {
      sums[16 + k] += term;
    });
  });
  sums.splice(10, 6, ...low, ...high);
  return sums;
}

describe("measurePieces", () => {
  it.each([Uint8Array, Uint16Array])("sums what the definition says (%o)", (Type) => {
    const size: Vec3 = [37, 9, 5];
    const labels = randomLabels(size, 4, 1);
    const em = new Type(labels.map((_, i) => (i * 7919) % 60_000));
    const { count, values } = measurePieces(runsOf(labels, size, 5), { data: em });
    expect(count).toBe(5);
    expect(values.length).toBe(5 * ADDITIVE.length);
    for (let label = 1; label <= 5; ++label) {
      const own = [...values.subarray((label - 1) * ADDITIVE_WIDTH, label * ADDITIVE_WIDTH)];
      expect(own).toEqual(sumsByVoxel(labels, size, label, em));
    }
  });

  it("goes without EM", () => {
    const { values } = measurePieces(placeMask(Uint8Array.of(0, 1, 1), [3, 1, 1]).runs);
    expect([...values]).toEqual([2, 3, 0, 0, 5, 0, 0, 0, 0, 0, 1, 0, 0, 3, 1, 1, 0, 0, 0]);
  });

  it("says what does not fit", () => {
    const { runs } = placeMask(Uint8Array.of(0, 1, 1), [3, 1, 1]);
    expect(() => measurePieces(runs, { data: new Uint8Array(2) })).toThrow(/2 voxels of EM .* 3 x 1 x 1/);
    expect(() => measurePieces({ ...runs, count: 0 })).toThrow(/label 1 is not in 1..0/);
  });
});

describe("mergeMeasures", () => {
  it("is exact, whatever chunks cut the object into and in whatever order", () => {
    const next = random(3);
    for (let round = 0; round < 60; ++round) {
      const size: Vec3 = [
        2 + Math.floor(next() * 30),
        2 + Math.floor(next() * 20),
        1 + Math.floor(next() * 9),
      ];
      const mask = Uint8Array.from({ length: size[0] * size[1] * size[2] }, () => (next() < 0.4 ? 1 : 0));
      mask[Math.floor(next() * mask.length)] = 1;
      const em = Uint8Array.from(mask, () => next() * 256);
      const at: Vec3 = [Math.floor(next() * 1e5), Math.floor(next() * 1e5), Math.floor(next() * 1e4)];
      const whole = mergeMeasures([
        { lower: at, values: measurePieces(placeMask(mask, size).runs, { data: em }).values },
      ]);
      const chunk = size.map((n) => 1 + Math.floor(next() * n));
      const parts: PlacedSums[] = [];
      for (let z = 0; z < size[2]; z += chunk[2]) {
        for (let y = 0; y < size[1]; y += chunk[1]) {
          for (let x = 0; x < size[0]; x += chunk[0]) {
            const box = [x, y, z].map((from, axis) =>
              Math.min(chunk[axis], size[axis] - from),
            ) as unknown as Vec3;
            const take = (all: Uint8Array) =>
              Uint8Array.from({ length: box[0] * box[1] * box[2] }, (_, i) => {
                const [cx, cy, cz] = [
                  i % box[0],
                  Math.floor(i / box[0]) % box[1],
                  Math.floor(i / (box[0] * box[1])),
                ];
                return all[x + cx + size[0] * (y + cy + size[1] * (z + cz))];
              });
            const { values } = measurePieces(placeMask(take(mask), box).runs, { data: take(em) });
            parts.push({ lower: [at[0] + x, at[1] + y, at[2] + z], values });
          }
        }
      }
      parts.sort(() => next() - 0.5);
      const merged = mergeMeasures(parts);
      expect(merged.origin).toEqual(whole.origin);
      expect(merged.values).toEqual(whole.values);
      const columns = additiveColumns(merged.values, merged.origin, FRAME);
      expect(columns).toEqual(additiveColumns(whole.values, whole.origin, FRAME));
      OBJECT_COLUMN_IDS.forEach((id, i) => {
        if (id.startsWith("lower")) expect(columns[i]).toBe(merged.origin["XYZ".indexOf(id[5])]);
      });
    }
  });

  it("of nothing is nothing", () => {
    const { origin, values } = mergeMeasures([]);
    expect(origin).toEqual([0, 0, 0]);
    expect([...values]).toEqual(new Array(ADDITIVE_WIDTH).fill(0));
    const columns = additiveColumns(values, origin, FRAME);
    OBJECT_COLUMN_IDS.slice(0, OBJECT_COLUMN_IDS.indexOf("intensityMean")).forEach((id, i) => {
      expect(columns[i], id).toBe(0);
    });
  });
});

describe("additiveColumns", () => {
  const columns = (mask: Uint8Array, size: Vec3, em?: Uint8Array) => {
    const { values } = measurePieces(placeMask(mask, size).runs, em && { data: em });
    const row = additiveColumns(values, [0, 0, 0], FRAME);
    return (id: ObjectColumnId) => row[OBJECT_COLUMN_IDS.indexOf(id)];
  };

  it("leaves what is not additive, and intensity without EM, empty", () => {
    const value = columns(Uint8Array.of(1), [1, 1, 1]);
    expect(value("intensityMean")).toBeNaN();
    expect(value("intensityDeviation")).toBeNaN();
    expect(value("solidity")).toBeNaN();
    expect(value("volume")).toBeCloseTo(4.6 * 4.6 * 45, 9);
    expect(value("centroidZ")).toBe(0.5);
  });

  it("knows the intensity of one voxel", () => {
    const value = columns(Uint8Array.of(1), [1, 1, 1], Uint8Array.of(7));
    expect([value("intensityMean"), value("intensityDeviation")]).toEqual([7, 0]);
  });

  it.each([
    ["along x", [9, 1, 1], 0, 0],
    ["along y", [1, 9, 1], 90, 0],
    ["along z", [1, 1, 9], 0, 90],
  ] as const)("gives the direction of a line %s", (_, size, azimuth, inclination) => {
    const value = columns(new Uint8Array(9).fill(1), size);
    expect(value("azimuth")).toBeCloseTo(azimuth, 9);
    expect(value("inclination")).toBeCloseTo(inclination, 9);
    expect(value("elongation")).toBe(1);
    expect(value("middleAxis")).toBe(0);
    expect(value("minorAxis")).toBe(0);
  });
});

describe("principalAxes", () => {
  it("finds axes that it was given, in any direction", () => {
    const next = random(5);
    for (let round = 0; round < 200; ++round) {
      const [a, b] = [next() * 2 * Math.PI, next() * Math.PI];
      // Rotation by a about z after b about y.
      const [ca, sa, cb, sb] = [Math.cos(a), Math.sin(a), Math.cos(b), Math.sin(b)];
      const axes = [
        [ca * cb, sa * cb, -sb],
        [-sa, ca, 0],
        [ca * sb, sa * sb, cb],
      ];
      const variances = [1 + next(), 0.1 + next() / 2, round % 3 === 0 ? 0 : next() * 1e-4];
      const moment = (i: number, j: number) =>
        axes.reduce((sum, axis, k) => sum + variances[k] * axis[i] * axis[j], 0);
      const found = principalAxes(
        moment(0, 0),
        moment(1, 1),
        moment(2, 2),
        moment(0, 1),
        moment(0, 2),
        moment(1, 2),
      );
      found.lengths.forEach((length, i) => {
        expect(Math.abs(length - Math.sqrt(20 * variances[i]))).toBeLessThan(1e-7);
      });
      const degrees = Math.PI / 180;
      const [azimuth, inclination] = [found.azimuth * degrees, found.inclination * degrees];
      const along =
        Math.cos(inclination) * (Math.cos(azimuth) * axes[0][0] + Math.sin(azimuth) * axes[0][1]) +
        Math.sin(inclination) * axes[0][2];
      expect(Math.abs(along)).toBeCloseTo(1, 9);
      expect(found.inclination).toBeGreaterThanOrEqual(0);
      expect(found.azimuth).toBeGreaterThanOrEqual(0);
      expect(found.azimuth).toBeLessThan(360);
    }
  });

  it("has no direction where no axis is longest", () => {
    expect(principalAxes(2, 2, 2, 0, 0, 0)).toEqual({
      lengths: [Math.sqrt(40), Math.sqrt(40), Math.sqrt(40)],
      azimuth: 0,
      inclination: 0,
    });
    expect(principalAxes(0, 0, 0, 0, 0, 0)).toEqual({ lengths: [0, 0, 0], azimuth: 0, inclination: 0 });
  });
});
