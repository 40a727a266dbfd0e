import { surfaceArea } from "../mesh/surface_area.js";
import type { PlacedRuns } from "../segmentation/types.js";
import type { Vec3 } from "../volume/types.js";
import { ADDITIVE_WIDTH, additiveColumns, addRun, clearSums } from "./additive.js";
import { eulerNumber3d } from "./euler.js";
import { feretDiameter } from "./feret.js";
import { convexRows, MAX_HULL_EDGE } from "./hull3d.js";
import { OBJECT_COLUMNS } from "./object_columns.js";
import { assemble, boundsOf, type ObjectRuns, paint, visitRuns } from "./object_runs.js";
import {
  FLAG_FAILED,
  FLAG_MEASURED,
  type MeasureFrame,
  OBJECT_COLUMN_IDS,
  type ObjectColumnId,
} from "./object_types.js";
import { SMALLEST_AREA } from "./regions.js";
import { SectionMeter, type SectionShape } from "./section.js";
import { skeletonMeasures } from "./skeleton.js";

export interface MeasureLimits {
  /**
   * Most voxels of the bounding box of an object whose surface, Euler number and skeleton are measured: they need every voxel of it
   * (64 M: 130 MB for a moment).
   */
  readonly boxVoxels: number;
}

export const MEASURE_LIMITS: MeasureLimits = { boxVoxels: 2 ** 26 };

const WIDTH = OBJECT_COLUMN_IDS.length;
type Columns = Partial<Record<ObjectColumnId, number>>;

/**
 * Measures a whole object from the runs of all its pieces: every column of the object table but the intensity (NaN: it comes with the sums of
 * the pieces, see `joinColumns`). Numbers are finite in every degenerate case; an object without a voxel has zeros. NaN are those
 * columns that could not be measured within the limits (`measuredFlag` tells), and the circularity where pixels are not square.
 *
 * @param frame voxel size and the axis across which sections are taken.
 * @returns one value for each of OBJECT_COLUMN_IDS.
 */
export function measureObject(
  pieces: readonly PlacedRuns[],
  frame: MeasureFrame,
  limits: MeasureLimits = MEASURE_LIMITS,
): Float64Array {
  const { lower } = boundsOf(pieces);
  const sums = new Float64Array(ADDITIVE_WIDTH);
  clearSums(sums, 0);
  visitRuns(pieces, (y, z, start, end) =>
    addRun(sums, 0, y - lower[1], z - lower[2], start - lower[0], end - lower[0]),
  );
  const out = additiveColumns(sums, lower, frame);
  const voxels = out[OBJECT_COLUMN_IDS.indexOf("voxels")];
  const volume = out[OBJECT_COLUMN_IDS.indexOf("volume")];
  if (voxels === 0) return zeros();
  const object = assemble(pieces, frame.sliceAxis, limits.boxVoxels);
  if (object === null) return out;
  const edges = object.axes.map((axis) => frame.voxelSize[axis]) as unknown as Vec3;
  const columns: Columns = { ...sectionColumns(object, edges), ...hullColumns(object, edges, voxels) };
  if (object.size[0] * object.size[1] * object.size[2] <= limits.boxVoxels) {
    const mask = paint(object);
    const skeleton = skeletonMeasures(mask, object.size, edges);
    Object.assign(columns, roundness(volume, surfaceArea(pieces, frame.voxelSize)), {
      eulerNumber: eulerNumber3d(mask, object.size),
      skeletonLength: skeleton.length,
      branches: skeleton.branches,
    });
  }
  OBJECT_COLUMN_IDS.forEach((id, i) => {
    out[i] = columns[id] ?? out[i];
  });
  return out;
}

/** Nothing measures 0; there is no intensity of it. */
function zeros(): Float64Array {
  return Float64Array.from(OBJECT_COLUMN_IDS, (id) => (id.startsWith("intensity") ? Number.NaN : 0));
}

/** Means over the sections of more than SMALLEST_AREA pixels, as the paper; over all where none is larger. */
function sectionColumns(object: ObjectRuns, edges: Vec3): Columns {
  const meter = new SectionMeter([edges[0], edges[1]]);
  const shapes: SectionShape[] = [];
  for (let slice = 0; slice < object.size[2]; ++slice) {
    const shape = meter.measure(object, slice);
    if (shape !== null) shapes.push(shape);
  }
  const large = shapes.filter(({ pixels }) => pixels > SMALLEST_AREA);
  const counted = large.length > 0 ? large : shapes;
  const mean = (pick: (shape: SectionShape) => number) =>
    counted.reduce((sum, shape) => sum + pick(shape), 0) / counted.length;
  return {
    sections: shapes.length,
    sectionSolidity: mean(({ solidity }) => solidity),
    sectionEccentricity: mean(({ eccentricity }) => eccentricity),
    sectionArea: mean(({ area }) => area),
    sectionCircularity: mean(({ circularity }) => circularity),
  };
}

function hullColumns(object: ObjectRuns, edges: Vec3, voxels: number): Columns {
  if (Math.max(...object.size) > MAX_HULL_EDGE) return {};
  const convex = convexRows(object);
  return { solidity: voxels / convex.volume, feretDiameter: feretDiameter(convex, edges) };
}

/**
 * Surface, sphericity (Wadell 1935: surface of the ball of the same volume / surface) and mitochondrial complexity index (Vincent et al. 2019, as in
 * MicronsBinder and Mito-SegEM): surface³ / (16 pi² volume²) = 9 / (4 pi sphericity³). The surface cuts corners, so that tiny objects would come out rounder
 * than a ball: they count as balls.
 */
function roundness(volume: number, surface: number): Columns {
  const sphericity = Math.min(1, (Math.cbrt(Math.PI) * Math.cbrt(6 * volume) ** 2) / surface);
  return { surfaceArea: surface, sphericity, complexityIndex: 9 / (4 * Math.PI * sphericity ** 3) };
}

/** FLAG_MEASURED when `measureObject` could give all, FLAG_FAILED when the object was too large. */
export function measuredFlag(values: Float64Array): number {
  const failed = OBJECT_COLUMNS.some(
    ({ id, kind }, i) => kind === "whole" && id !== "sectionCircularity" && Number.isNaN(values[i]),
  );
  return failed ? FLAG_FAILED : FLAG_MEASURED;
}

/** A row of the table: the "additive" columns of one (`additiveColumns`, as new as the pieces), the "whole" ones of another. */
export function joinColumns(additive: Float64Array, whole: Float64Array): Float64Array {
  if (additive.length !== WIDTH || whole.length !== WIDTH)
    throw new RangeError(`a row of the object table has ${WIDTH} values`);
  return Float64Array.from(OBJECT_COLUMNS, ({ kind }, i) => (kind === "additive" ? additive[i] : whole[i]));
}
