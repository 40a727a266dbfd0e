import { distanceTransform } from "../segmentation/distance_transform.js";
import { RunLabeller } from "../segmentation/runs.js";
import type { Connectivity } from "../segmentation/types.js";
import { watershed } from "../segmentation/watershed.js";
import type { Vec3 } from "../volume/types.js";

export interface SplitInBox {
  readonly size: Vec3;
  /** 1 in the object, x fastest. */
  readonly mask: Uint8Array;
  /** round(255 p), flooded from high to low; without it the distance to the object's border is. */
  readonly probability?: Uint8Array;
  /** Voxels of the box of each part; those outside of the object do nothing, one of two parts is the first's. */
  readonly markers: readonly (readonly Vec3[])[];
  readonly connectivity: Connectivity;
  /** nm */
  readonly voxelSize: Vec3;
}

/**
 * Cuts an object into parts by a watershed from their markers. Pieces of the object that no marker reaches (it was merged of several) go
 * whole to the part with the nearest marker, measured from the piece's first voxel in nm, at equal distances to the first part.
 * @returns 1.. for the voxels of each part in the order of `markers`, 0 outside of the object: every voxel of it is in one part.
 * @throws BoxTooLargeError
 */
export function splitObject({
  size,
  mask,
  probability,
  markers,
  connectivity,
  voxelSize,
}: SplitInBox): Uint32Array {
  const index = ([x, y, z]: Vec3) => x + size[0] * (y + size[1] * z);
  const seeds = new Uint32Array(mask.length);
  markers.forEach((voxels, part) => {
    for (const voxel of voxels) if (seeds[index(voxel)] === 0) seeds[index(voxel)] = part + 1;
  });
  const landscape = probability ?? distanceTransform(mask, size, voxelSize, { outside: "background" });
  const labels = watershed(mask, size, landscape, seeds, { connectivity, from: "high" });
  giveRest({ size, mask, markers, connectivity, voxelSize }, labels);
  return labels;
}

function giveRest({ size, mask, markers, connectivity, voxelSize }: SplitInBox, labels: Uint32Array): void {
  const [width, height, depth] = size;
  const rest = new Uint8Array(mask.length);
  let left = 0;
  for (let i = 0; i < rest.length; ++i) if (mask[i] !== 0 && labels[i] === 0) left += rest[i] = 1;
  if (left === 0) return;
  const labeller = new RunLabeller();
  labeller.begin(width, height, connectivity);
  for (let z = 0; z < depth; ++z) labeller.addSlice(rest, 1, z * width * height);
  labeller.finish(0);
  const partOf = new Uint32Array(labeller.count + 1);
  for (let z = 0; z < depth; ++z) {
    labeller.visitSlice(z, (label, y, start, end) => {
      partOf[label] ||= nearestPart([start, y, z], markers, voxelSize);
      const row = width * (y + height * z);
      labels.fill(partOf[label], row + start, row + end);
    });
  }
}

function nearestPart(voxel: Vec3, markers: readonly (readonly Vec3[])[], voxelSize: Vec3): number {
  let nearest = Number.POSITIVE_INFINITY;
  let found = 1;
  markers.forEach((voxels, part) => {
    for (const marker of voxels) {
      const distance = marker.reduce((sum, at, i) => sum + ((at - voxel[i]) * voxelSize[i]) ** 2, 0);
      if (distance >= nearest) continue;
      nearest = distance;
      found = part + 1;
    }
  });
  return found;
}
