import { describe, expect, it } from "vitest";
import { OBJECT_COLUMNS, objectColumn } from "../../../src/morphology/object_columns.js";
import { joinColumns, measuredFlag, measureObject } from "../../../src/morphology/object_properties.js";
import { assemble, paint, placeMask } from "../../../src/morphology/object_runs.js";
import {
  FLAG_FAILED,
  FLAG_MEASURED,
  OBJECT_COLUMN_IDS,
  type ObjectColumnId,
} from "../../../src/morphology/object_types.js";
import { measureSection } from "../../../src/morphology/section.js";
import type { PlacedRuns } from "../../../src/segmentation/types.js";
import type { Vec3 } from "../../../src/volume/types.js";

type Axis = 0 | 1 | 2;
const CUBES: Vec3 = [1, 1, 1];

function random(seed: number) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

const at = (values: Float64Array, id: ObjectColumnId) => values[OBJECT_COLUMN_IDS.indexOf(id)];

function columns(values: Float64Array): Partial<Record<ObjectColumnId, number>> {
  return Object.fromEntries(OBJECT_COLUMN_IDS.map((id, i) => [id, values[i]]));
}

const full = (size: Vec3) => new Uint8Array(size[0] * size[1] * size[2]).fill(1);

/** A mask cut into chunks, in any order; other labels of the chunks are not of the object. */
function pieces(mask: Uint8Array, size: Vec3, chunk: Vec3, lower: Vec3, next: () => number): PlacedRuns[] {
  const parts: PlacedRuns[] = [];
  for (let z = 0; z < size[2]; z += chunk[2]) {
    for (let y = 0; y < size[1]; y += chunk[1]) {
      for (let x = 0; x < size[0]; x += chunk[0]) {
        const box = [x, y, z].map((from, axis) =>
          Math.min(chunk[axis], size[axis] - from),
        ) as unknown as Vec3;
        const part = Uint8Array.from({ length: box[0] * box[1] * box[2] }, (_, i) => {
          const [cx, cy, cz] = [
            i % box[0],
            Math.floor(i / box[0]) % box[1],
            Math.floor(i / (box[0] * box[1])),
          ];
          return mask[x + cx + size[0] * (y + cy + size[1] * (z + cz))];
        });
        parts.push(placeMask(part, box, [lower[0] + x, lower[1] + y, lower[2] + z]));
      }
    }
  }
  return parts.sort(() => next() - 0.5);
}

describe("measureObject", () => {
  // One voxel, a line, a plate: what does not follow from the definition alone is stated in OBJECT_COLUMNS.
  const ball = 9 / (4 * Math.PI);
  const cases: readonly [string, Vec3, Partial<Record<ObjectColumnId, number>>][] = [
    [
      "one voxel",
      [1, 1, 1],
      {
        voxels: 1,
        extent: 1,
        majorAxis: 0,
        middleAxis: 0,
        minorAxis: 0,
        elongation: 0,
        azimuth: 0,
        inclination: 0,
        radiusOfGyration: 0,
        sections: 1,
        sectionSolidity: 1,
        sectionEccentricity: 0,
        sectionArea: 1,
        sectionCircularity: 1,
        surfaceArea: Math.sqrt(3),
        sphericity: 1,
        complexityIndex: ball,
        solidity: 1,
        feretDiameter: 1,
        eulerNumber: 1,
        skeletonLength: 0,
        branches: 0,
      },
    ],
    [
      "a line along x",
      [7, 1, 1],
      {
        extent: 1,
        majorAxis: Math.sqrt(20 * 4),
        middleAxis: 0,
        minorAxis: 0,
        elongation: 1,
        radiusOfGyration: 2,
        sections: 1,
        sectionSolidity: 1,
        sectionEccentricity: 1,
        solidity: 1,
        feretDiameter: 7,
        eulerNumber: 1,
        skeletonLength: 6,
        branches: 1,
      },
    ],
    [
      "a line along z",
      [1, 1, 7],
      {
        inclination: 90,
        azimuth: 0,
        sections: 7,
        sectionSolidity: 1,
        sectionEccentricity: 0,
        sectionArea: 1,
        sectionCircularity: 1,
        solidity: 1,
        feretDiameter: 7,
      },
    ],
    [
      "a plate",
      [5, 5, 1],
      {
        minorAxis: 0,
        elongation: 0,
        sections: 1,
        sectionSolidity: 1,
        sectionArea: 25,
        solidity: 1,
        // From (0, -0.5) to (4, 4.5): the corners of the surface are cut.
        feretDiameter: Math.hypot(4, 5),
        eulerNumber: 1,
      },
    ],
    [
      "a plate across y",
      [5, 1, 5],
      { minorAxis: 0, sections: 5, sectionArea: 5, solidity: 1, feretDiameter: Math.hypot(4, 5) },
    ],
  ];
  it.each(cases)("has stated values for %s", (_, size, expected) => {
    const values = measureObject([placeMask(full(size), size)], { voxelSize: CUBES, sliceAxis: 2 });
    for (const [id, value] of Object.entries(expected)) {
      expect(at(values, id as ObjectColumnId), id).toBeCloseTo(value, 12);
    }
    expect(measuredFlag(values)).toBe(FLAG_MEASURED);
    OBJECT_COLUMN_IDS.forEach((id, i) => {
      expect(Number.isFinite(values[i]), id).toBe(!id.startsWith("intensity"));
    });
  });

  it("of no voxel gives zeros", () => {
    for (const none of [[], [{ ...placeMask(full([3, 3, 3]), [3, 3, 3]), labels: [] }]]) {
      const values = measureObject(none, { voxelSize: CUBES, sliceAxis: 2 });
      OBJECT_COLUMN_IDS.forEach((id, i) => {
        expect(values[i], id).toBe(id.startsWith("intensity") ? Number.NaN : 0);
      });
    }
  });

  it("gives a flat object the solidity and the Feret diameter of its section", () => {
    const next = random(11);
    for (let round = 0; round < 40; ++round) {
      const [w, h] = [1 + Math.floor(next() * 12), 1 + Math.floor(next() * 12)];
      const mask = Uint8Array.from({ length: w * h }, () => (next() < 0.4 ? 1 : 0));
      mask[Math.floor(next() * mask.length)] = 1;
      const section = measureSection(mask, w, h, [4, 6]);
      for (const [size, voxelSize] of [
        [
          [w, h, 1],
          [4, 6, 1],
        ],
        [
          [w, 1, h],
          [4, 1, 6],
        ],
        [
          [1, w, h],
          [1, 4, 6],
        ],
      ] as [Vec3, Vec3][]) {
        const values = measureObject([placeMask(mask, size)], { voxelSize, sliceAxis: 2 });
        expect(at(values, "solidity")).toBe(section?.solidity);
        expect(at(values, "feretDiameter")).toBeCloseTo(section?.feretDiameter as number, 9);
      }
    }
  });

  it("is the same whatever chunks cut the object into", () => {
    const next = random(7);
    for (let round = 0; round < 30; ++round) {
      const size: Vec3 = [
        3 + Math.floor(next() * 14),
        3 + Math.floor(next() * 12),
        1 + Math.floor(next() * 9),
      ];
      const share = 0.2 + 0.7 * next();
      const mask = Uint8Array.from(full(size), () => (next() < share ? 1 : 0));
      mask[Math.floor(next() * mask.length)] = 1;
      const lower: Vec3 = [Math.floor(next() * 900), Math.floor(next() * 900), Math.floor(next() * 900)];
      const chunk = size.map((n) => 1 + Math.floor(next() * n)) as unknown as Vec3;
      for (const sliceAxis of [0, 1, 2] as Axis[]) {
        const frame = { voxelSize: [5, 5, 11] as Vec3, sliceAxis };
        const whole = measureObject([placeMask(mask, size, lower)], frame);
        const cut = measureObject(pieces(mask, size, chunk, lower, next), frame);
        expect(columns(cut)).toEqual(columns(whole));
      }
    }
  });

  it("takes sections across any axis", () => {
    const next = random(9);
    const size: Vec3 = [9, 7, 5];
    const mask = Uint8Array.from(full(size), () => (next() < 0.6 ? 1 : 0));
    const values = (m: Uint8Array, s: Vec3, sliceAxis: Axis) =>
      measureObject([placeMask(m, s)], { voxelSize: [5, 5, 5], sliceAxis });
    // Turned so that the old axis is z: the sections, column for column and row for row, are the same.
    for (const [axis, axes] of [
      [0, [1, 2, 0]],
      [1, [0, 2, 1]],
    ] as [Axis, Vec3][]) {
      const turned = axes.map((a) => size[a]) as unknown as Vec3;
      const strides = [1, size[0], size[0] * size[1]];
      const other = Uint8Array.from(mask, (_, i) => {
        const c = [
          i % turned[0],
          Math.floor(i / turned[0]) % turned[1],
          Math.floor(i / (turned[0] * turned[1])),
        ];
        return mask[c[0] * strides[axes[0]] + c[1] * strides[axes[1]] + c[2] * strides[axes[2]]];
      });
      const ours = values(mask, size, axis);
      const theirs = values(other, turned, 2);
      for (const id of [
        "sections",
        "sectionSolidity",
        "sectionEccentricity",
        "sectionArea",
        "solidity",
      ] as const)
        expect(at(ours, id), `${axis}, ${id}`).toBe(at(theirs, id));
      expect(at(ours, "sectionCircularity")).toBe(at(theirs, "sectionCircularity"));
      expect(at(ours, "feretDiameter")).toBeCloseTo(at(theirs, "feretDiameter"), 10);
    }
  });

  it("has no circularity where pixels are not square", () => {
    const size: Vec3 = [4, 4, 4];
    const values = measureObject([placeMask(full(size), size)], { voxelSize: [5, 5, 30], sliceAxis: 0 });
    expect(at(values, "sectionCircularity")).toBeNaN();
    expect(measuredFlag(values)).toBe(FLAG_MEASURED);
  });

  it("gives of a large object what needs no box, and says so", () => {
    const size: Vec3 = [40, 40, 3];
    for (const sliceAxis of [2, 1, 0] as Axis[]) {
      const frame = { voxelSize: CUBES, sliceAxis };
      const whole = measureObject([placeMask(full(size), size)], frame);
      const bounded = measureObject([placeMask(full(size), size)], frame, { boxVoxels: 100 });
      expect(measuredFlag(bounded)).toBe(FLAG_FAILED);
      expect(at(bounded, "volume")).toBe(at(whole, "volume"));
      expect(at(bounded, "surfaceArea")).toBeNaN();
      expect(at(bounded, "eulerNumber")).toBeNaN();
      // Across x even the sections need the box.
      const known = sliceAxis !== 0;
      expect(at(bounded, "solidity")).toBe(known ? 1 : Number.NaN);
      expect(at(bounded, "sections")).toBe(known ? at(whole, "sections") : Number.NaN);
    }
  });

  it("is quick, and right, for pieces that are far apart", () => {
    const voxel = (lower: Vec3) => placeMask(Uint8Array.of(1), [1, 1, 1], lower);
    const apart = [voxel([0, 0, 0]), voxel([100_000, 100_000, 100_000])];
    const values = measureObject(apart, { voxelSize: CUBES, sliceAxis: 2 });
    expect(at(values, "voxels")).toBe(2);
    expect(measuredFlag(values)).toBe(FLAG_FAILED);
    expect(at(values, "majorAxis")).toBeCloseTo(Math.sqrt(20 * 3 * 50_000 ** 2), 3);
  });
});

describe("joinColumns", () => {
  it("takes each column from where it is right", () => {
    const additive = new Float64Array(OBJECT_COLUMN_IDS.length).fill(1);
    const whole = new Float64Array(OBJECT_COLUMN_IDS.length).fill(2);
    joinColumns(additive, whole).forEach((value, i) => {
      expect(value).toBe(OBJECT_COLUMNS[i].kind === "additive" ? 1 : 2);
    });
    expect(() => joinColumns(additive, new Float64Array(3))).toThrow(RangeError);
  });
});

describe("OBJECT_COLUMNS", () => {
  it("defines every column in one sentence", () => {
    expect(OBJECT_COLUMNS.map(({ id }) => id)).toEqual([...OBJECT_COLUMN_IDS]);
    for (const { title, description } of OBJECT_COLUMNS) {
      expect(title.length).toBeGreaterThan(3);
      expect(description).toMatch(/^[A-Z0-9].*\.$/);
    }
    expect(objectColumn("volume").unit).toBe("nm³");
  });
});

describe("assemble", () => {
  it("joins runs over chunk faces", () => {
    const row = (lower: Vec3) => placeMask(full([4, 1, 1]), [4, 1, 1], lower);
    const object = assemble([row([8, 0, 0]), row([4, 0, 0]), row([20, 0, 0])], 2, 0);
    expect(object?.size).toEqual([20, 1, 1]);
    expect([...(object?.starts ?? [])]).toEqual([0, 16]);
    expect([...(object?.ends ?? [])]).toEqual([8, 20]);
    expect(object && paint(object).reduce((sum, v) => sum + v)).toBe(12);
  });

  it("takes the same chunk twice as once", () => {
    const piece = placeMask(Uint8Array.of(1, 0, 1, 1), [4, 1, 1]);
    const once = assemble([piece], 2, 0);
    expect(assemble([piece, piece], 2, 0)).toEqual(once);
  });
});
