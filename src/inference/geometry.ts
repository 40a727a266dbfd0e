import type { Box, Vec3 } from "../volume/types.js";
import type { Axis, InferenceGeometry } from "./types.js";

/** The part of a volume's scale that the geometry depends on. */
export interface ScaleGeometry {
  readonly bounds: Box;
  /** nm */
  readonly voxelSize: Vec3;
}

/** A model cannot be laid over this volume; says why. */
export class GeometryError extends Error {
  override name = "GeometryError";
}

/** An axis counts as the coarse one from this ratio to both others on. */
const ANISOTROPY = 1.5;
/** Voxel sizes that differ by less are taken as the same: resampling would cost more than it mends. */
const TOLERANCE = 1.2;
/** Beyond these ratios of model to volume voxel size nothing is to be seen, or reading costs more than it gives. */
const LEAST_RATIO = 1 / 8;
const MOST_RATIO = 32;

/** The axis across which slices were cut: the coarse one of the finest scale, else z. */
export function chooseSliceAxis(voxelSize: Vec3): Axis {
  for (const axis of [0, 1, 2] as const) {
    const others = voxelSize.filter((_, i) => i !== axis);
    if (others.every((size) => voxelSize[axis] >= ANISOTROPY * size)) return axis;
  }
  return 2;
}

/**
 * Lays a 2-D model over a volume: across which axis slices are taken, which scale is read, and how far that is resampled.
 * @param scales Fine to coarse.
 * @param modelVoxelSize nm; its x and y are the columns and rows of the model's images.
 * @throws GeometryError when no scale is anywhere near the model.
 */
export function chooseGeometry(scales: readonly ScaleGeometry[], modelVoxelSize: Vec3): InferenceGeometry {
  if (scales.length === 0) throw new GeometryError("the volume has no scale");
  for (const { voxelSize } of scales)
    if (!voxelSize.every((size) => Number.isFinite(size) && size > 0))
      throw new GeometryError(`the volume's voxel size is ${voxelSize.join(" x ")} nm: give it one`);
  const sliceAxis = chooseSliceAxis(scales[0].voxelSize);
  const planeAxes: readonly [Axis, Axis] = sliceAxis === 0 ? [1, 2] : sliceAxis === 1 ? [0, 2] : [0, 1];
  const ratios = ({ voxelSize }: ScaleGeometry) =>
    [modelVoxelSize[0] / voxelSize[planeAxes[0]], modelVoxelSize[1] / voxelSize[planeAxes[1]]] as const;
  const distance = (scale: ScaleGeometry) =>
    ratios(scale).reduce((sum, ratio) => sum + Math.abs(Math.log(ratio)), 0);
  let best = 0;
  for (let i = 1; i < scales.length; i++)
    // Scales come fine to coarse: only a clearly nearer one takes the place of a finer one.
    if (distance(scales[i]) < distance(scales[best]) - 1e-6) best = i;
  const ratio = ratios(scales[best]);
  if (ratio.some((r) => r < LEAST_RATIO || r > MOST_RATIO)) {
    const size = planeAxes.map((axis) => scales[best].voxelSize[axis]).join(" x ");
    throw new GeometryError(
      `the nearest scale of the volume has ${size} nm pixels, the model needs about ${modelVoxelSize[0]} x ${modelVoxelSize[1]} nm`,
    );
  }
  const snap = (r: number) => (r <= TOLERANCE * (1 + 1e-9) && r >= (1 - 1e-9) / TOLERANCE ? 1 : r);
  return {
    scale: best,
    sliceAxis,
    planeAxes,
    ratio: [snap(ratio[0]), snap(ratio[1])],
    bounds: scales[best].bounds,
  };
}
