import { boxSize, contains } from "../../src/volume/box.js";
import { allocateVoxels } from "../../src/volume/downsample.js";
import { type ImportOptions, importVolume } from "../../src/volume/import_node.js";
import {
  type DataType,
  type Vec3,
  VolumeError,
  type VolumeSource,
  type VoxelArray,
} from "../../src/volume/types.js";

const TYPES: [new (length: number) => VoxelArray, DataType][] = [
  [Uint8Array, "uint8"],
  [Uint16Array, "uint16"],
  [Uint32Array, "uint32"],
  [BigUint64Array, "uint64"],
];

/** An array as a volume of one scale. @param data x fastest. @param voxelSize nm. */
export function arrayVolume(
  data: VoxelArray,
  size: Vec3,
  voxelSize: Vec3 = [5, 5, 5],
  name = "array",
): VolumeSource {
  if (data.length !== size[0] * size[1] * size[2]) throw new Error(`${data.length} voxels are not ${size}`);
  const dataType = TYPES.find(([type]) => data instanceof type)![1];
  const bounds = { lower: [0, 0, 0], upper: size } as const;
  return {
    name,
    dataType,
    scales: [{ bounds, voxelSize, chunkSize: size }],
    async read(scale, box) {
      if (scale !== 0 || !contains(bounds, box))
        throw new VolumeError(name, `has no box ${box.lower} to ${box.upper}`);
      const [sx, sy, sz] = boxSize(box);
      const out = allocateVoxels(dataType, sx * sy * sz);
      for (let z = 0; z < sz; ++z) {
        for (let y = 0; y < sy; ++y) {
          const from = box.lower[0] + size[0] * (box.lower[1] + y + size[1] * (box.lower[2] + z));
          (out as Uint8Array).set(data.subarray(from, from + sx) as Uint8Array, sx * (y + sy * z));
        }
      }
      return out;
    },
  };
}

/** An array with a value for each voxel. */
export function fillVoxels(
  type: DataType,
  [sx, sy, sz]: Vec3,
  value: (x: number, y: number, z: number) => number,
): VoxelArray {
  const out = allocateVoxels(type, sx * sy * sz);
  let i = 0;
  for (let z = 0; z < sz; ++z) {
    for (let y = 0; y < sy; ++y) {
      for (let x = 0; x < sx; ++x, ++i) {
        if (out instanceof BigUint64Array) out[i] = BigInt(value(x, y, z));
        else out[i] = value(x, y, z);
      }
    }
  }
  return out;
}

/**
 * Write an array as multiscale OME-Zarr (Zarr v2 unless `zarr: 3`).
 *
 * @param folder must not exist yet; its last part is the name of the volume.
 * @param data x fastest.
 * @returns folder
 */
export async function makeZarr(
  folder: string,
  {
    data,
    size,
    voxelSize,
    ...options
  }: { data: VoxelArray; size: Vec3; voxelSize?: Vec3 } & Pick<
    ImportOptions,
    "labels" | "zarr" | "chunkSize" | "existing"
  >,
): Promise<string> {
  await importVolume({ input: arrayVolume(data, size, voxelSize), output: folder, ...options });
  return folder;
}
