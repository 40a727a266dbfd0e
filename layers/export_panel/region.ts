import { boxSize, boxVolume, intersect, isEmpty } from "../../src/volume/box.js";
import type { Box, Vec3 } from "../../src/volume/types.js";
import type { MitoUserLayer } from "../mito_layer/layer.js";
import {
  formatRanges,
  parseRanges,
  RegionError,
  regionNames,
  viewRanges,
  voxelAt,
  voxelBox,
} from "../mito_layer/region.js";

/** Sections of a box around the view. */
const SECTIONS = 32;

/**
 * The chunks that the views show, in 32 sections around the one in view, as ranges to be edited.
 * @returns undefined while the source is not placed, or nothing is in view.
 */
export function visibleRanges(layer: MitoUserLayer): string | undefined {
  const mito = layer.mito.value;
  const placement = layer.placement();
  if (mito === undefined || placement === undefined) return undefined;
  const boxes = mito.results.inView().map(({ box }) => box);
  if (boxes.length === 0) return undefined;
  const { sliceAxis, bounds } = mito.geometry;
  const lower = [0, 1, 2].map((axis) => Math.min(...boxes.map((box) => box.lower[axis])));
  const upper = [0, 1, 2].map((axis) => Math.max(...boxes.map((box) => box.upper[axis])));
  const section = Math.floor(voxelAt(placement, layer.viewPosition())[sliceAxis]);
  lower[sliceAxis] = Math.max(bounds.lower[sliceAxis], section - SECTIONS / 2);
  upper[sliceAxis] = Math.min(bounds.upper[sliceAxis], lower[sliceAxis] + SECTIONS);
  const box = { lower: lower as unknown as Vec3, upper: upper as unknown as Vec3 };
  return isEmpty(box) ? undefined : formatRanges(viewRanges(placement, box));
}

/**
 * Reads a typed box, clipped to the volume.
 * @throws RegionError that says what is wrong.
 */
export function typedBox(layer: MitoUserLayer, text: string): Box {
  const mito = layer.mito.value;
  const placement = layer.placement();
  if (mito === undefined || placement === undefined)
    throw new RegionError("the layer's source is not loaded");
  const typed = voxelBox(placement, parseRanges(text, regionNames(placement)));
  const box = intersect(typed, mito.geometry.bounds);
  if (isEmpty(box)) throw new RegionError("the box lies outside of the volume");
  return box;
}

/** "512 × 512 × 32 voxels of 10 × 10 × 10 nm in 16 chunks". */
export function describeBox(layer: MitoUserLayer, box: Box): string {
  const mito = layer.mito.value!;
  const chunk = mito.query.chunk ?? [0, 1, 2].map((axis) => (axis === mito.geometry.sliceAxis ? 8 : 256));
  const chunks = [0, 1, 2].reduce(
    (product, axis) =>
      product * (Math.ceil(box.upper[axis] / chunk[axis]) - Math.floor(box.lower[axis] / chunk[axis])),
    1,
  );
  const nm = mito.voxelSize.map((size) => Number(size.toFixed(2)));
  const million = boxVolume(box) / 1e6;
  return (
    `${boxSize(box).join(" × ")} voxels of ${nm.join(" × ")} nm (${million < 10 ? million.toFixed(1) : Math.round(million)} million) ` +
    `in ${chunks.toLocaleString("en")} ${chunks === 1 ? "chunk" : "chunks"}. What is not predicted yet is predicted first.`
  );
}
