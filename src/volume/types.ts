/** Axis order everywhere in Chondria: x, y, z; voxel arrays are x fastest (index = x + sx * (y + sy * z)). */
export type Vec3 = readonly [x: number, y: number, z: number];

/** A half-open box of voxels: lower <= v < upper. */
export interface Box {
  readonly lower: Vec3;
  readonly upper: Vec3;
}

export type DataType = "uint8" | "uint16" | "uint32" | "uint64";
export type VoxelArray = Uint8Array | Uint16Array | Uint32Array | BigUint64Array;

/** One resolution of a volume. */
export interface VolumeScale {
  /** Voxel bounds of the data at this scale. */
  readonly bounds: Box;
  /** Edge lengths of a voxel in nanometres. */
  readonly voxelSize: Vec3;
  /** Shape in which the data is stored, for readers that want to ask in whole chunks. */
  readonly chunkSize: Vec3;
}

/** A volume that can be read box by box: a file, a folder, a URL, a phantom. */
export interface VolumeSource {
  /** Path or URL, as an error message should name it. */
  readonly name: string;
  readonly dataType: DataType;
  /** Fine to coarse; never empty. */
  readonly scales: readonly VolumeScale[];
  /**
   * Voxels of `box` at `scale`, x fastest.
   * @throws VolumeError when the box leaves the bounds or the data cannot be read.
   */
  read(scale: number, box: Box, options?: { signal?: AbortSignal }): Promise<VoxelArray>;
  close?(): Promise<void>;
}

/** Anything wrong with a volume: names the input and says what to do. */
export class VolumeError extends Error {
  override name = "VolumeError";
  constructor(
    /** Path or URL of the input that failed. */
    readonly input: string,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(`${input}: ${message}`, options);
  }
}
