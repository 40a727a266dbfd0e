import { additiveColumns, measurePieces } from "../../src/morphology/additive.js";
import { joinColumns, measureObject } from "../../src/morphology/object_properties.js";
import { placeMask } from "../../src/morphology/object_runs.js";
import { OBJECT_COLUMN_IDS, type ObjectColumnId } from "../../src/morphology/object_types.js";
import { measureSection } from "../../src/morphology/section.js";
import type { Vec3 } from "../../src/volume/types.js";

/** One shape of test/golden/objects.json or objects_real.json; null where scikit-image has no value. */
export type GoldenMeasures = Readonly<Record<string, number | readonly number[] | null>>;

export interface GoldenShape {
  readonly name: string;
  readonly size: readonly number[];
  /** nm along x, y (, z). */
  readonly spacing: readonly number[];
  readonly runs: readonly number[];
}

/** Run lengths of 0, 1, 0, ... -> voxels. */
export function decodeRuns({ size, runs }: GoldenShape): Uint8Array {
  const mask = new Uint8Array(size.reduce((product, n) => product * n, 1));
  let at = 0;
  runs.forEach((length, i) => {
    mask.fill(i % 2, at, at + length);
    at += length;
  });
  return mask;
}

/**
 * Differences that cannot be put down to rounding, as text; none when the measures are those of scikit-image. Relative to the greater of the
 * values and, for lengths that may be 0, to the object.
 * @param tolerances of single measures; 1e-6 where not named.
 */
export function differences(
  ours: Readonly<Record<string, number | readonly number[]>>,
  golden: GoldenMeasures,
  tolerances: Readonly<Record<string, number>> = {},
): string[] {
  const found: string[] = [];
  // What is 0 but for rounding in one of the two: axes across flat objects, angles, eccentricity of round regions (a root).
  const scales: Record<string, number> = {
    minorAxis: ours.majorAxis as number,
    middleAxis: ours.majorAxis as number,
    orientation: 90,
    azimuth: 360,
    inclination: 90,
    eccentricity: 1,
    sectionEccentricity: 1,
  };
  for (const [name, expected] of Object.entries(golden)) {
    if (expected === null || !(name in ours)) continue;
    const a = [ours[name]].flat() as number[];
    const b = [expected].flat() as number[];
    a.forEach((value, i) => {
      const scale = Math.max(Math.abs(value), Math.abs(b[i]), scales[name] ?? 0);
      const off = Math.abs(value - b[i]);
      // Angles at the end of their range may come out at the other end.
      const period = name === "orientation" ? 180 : name === "azimuth" ? 180 : Number.POSITIVE_INFINITY;
      if (Math.min(off, Math.abs(off - period)) <= (tolerances[name] ?? 1e-6) * scale) return;
      found.push(`${name}: ${value}, not ${b[i]}`);
    });
  }
  return found;
}

/** Measures of a mask by `measureSection`, by name. */
export function sectionOf(mask: Uint8Array, size: readonly number[], spacing: readonly number[]) {
  const measures = measureSection(mask, size[0], size[1], [spacing[0], spacing[1]]);
  if (measures === null) throw new Error("there is nothing in the mask");
  return measures as unknown as Readonly<Record<string, number | readonly number[]>>;
}

/** EM that test/golden/objects.py gives the shapes. */
function emOf(voxels: number): Uint8Array {
  return Uint8Array.from({ length: voxels }, (_, i) => (i * 7919) % 251);
}

/** Measures of a mask by `measureObject` and of its intensity by `measurePieces`, by name; centroid and box as lists. */
export function objectOf(mask: Uint8Array, size: Vec3, spacing: Vec3) {
  const frame = { voxelSize: spacing, sliceAxis: 2 } as const;
  const piece = placeMask(mask, size);
  const sums = measurePieces(piece.runs, { data: emOf(mask.length) }).values;
  const values = joinColumns(additiveColumns(sums, [0, 0, 0], frame), measureObject([piece], frame));
  return namedColumns(values);
}

/** A row of the object table by name; centroid and box as lists. */
export function namedColumns(values: Float64Array): Readonly<Record<string, number | readonly number[]>> {
  const value = (id: ObjectColumnId) => values[OBJECT_COLUMN_IDS.indexOf(id)];
  return {
    ...Object.fromEntries(OBJECT_COLUMN_IDS.map((id) => [id, value(id)])),
    centroid: [value("centroidX"), value("centroidY"), value("centroidZ")],
    box: (["lowerX", "lowerY", "lowerZ", "upperX", "upperY", "upperZ"] as const).map(value),
  };
}

/**
 * Tolerances of what comes from the surface. scikit-image's marching cubes (Lewiner's) and ours are the same but where, in a cube of 2 x 2 x 2 voxels,
 * voxels of the object (or of what is outside) touch over edges or corners only: there theirs may run as a tunnel. For such objects the area may be
 * a fifth off, which is cubed in the complexity index.
 */
export function surfaceTolerances(mask: Uint8Array, [width, height, depth]: Vec3): Record<string, number> {
  const inside = (x: number, y: number, z: number) =>
    x >= 0 &&
    y >= 0 &&
    z >= 0 &&
    x < width &&
    y < height &&
    z < depth &&
    mask[x + width * (y + height * z)] !== 0;
  for (let z = -1; z < depth; ++z) {
    for (let y = -1; y < height; ++y) {
      for (let x = -1; x < width; ++x) {
        let cube = 0;
        for (let corner = 0; corner < 8; ++corner) {
          if (inside(x + (corner & 1), y + ((corner >> 1) & 1), z + (corner >> 2))) cube |= 1 << corner;
        }
        if (!joinedByFaces(cube) || !joinedByFaces(255 & ~cube))
          return { surfaceArea: 0.2, sphericity: 0.2, complexityIndex: 0.6 };
      }
    }
  }
  return {};
}

/** Whether the corners of a cube that are inside are one part over the cube's edges. */
function joinedByFaces(cube: number): boolean {
  let part = cube & -cube;
  for (let before = 0; before !== part; ) {
    before = part;
    for (let corner = 0; corner < 8; ++corner) {
      if ((part & (1 << corner)) === 0) continue;
      for (const bit of [1, 2, 4]) part |= (1 << (corner ^ bit)) & cube;
    }
  }
  return part === cube;
}
