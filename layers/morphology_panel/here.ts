import type { Vec3 } from "../../src/volume/types.js";
import type { ChunkReport, ComputedResults } from "../mito/base.js";
import type { MitoUserLayer } from "../mito_layer/layer.js";
import { RegionError, voxelAt } from "../mito_layer/region.js";

/** Voxel of the predicted scale in the middle of the view; undefined where the layer is not placed in its axes. */
export function voxelAtView(layer: MitoUserLayer): Vec3 | undefined {
  const placement = layer.placement();
  if (placement === undefined) return undefined;
  try {
    return voxelAt(placement, layer.viewPosition());
  } catch (error) {
    if (error instanceof RegionError) return undefined;
    throw error;
  }
}

/** The chunk in the middle of the view, when it is known. */
export function chunkAtView(layer: MitoUserLayer, results: ComputedResults): ChunkReport | undefined {
  const voxel = voxelAtView(layer);
  if (voxel === undefined) return undefined;
  const holds = ({ box: { lower, upper } }: ChunkReport) =>
    voxel.every((value, axis) => value >= lower[axis] && value < upper[axis]);
  return results.inView().find(holds) ?? results.all().find(holds);
}
