import type { Vec3, VolumeSource } from "../volume/types.js";

/** One half of a data set: EM and, where there are any, labels of the same voxels. */
export interface DataPart {
  /** As results and packages name it: "VNC stack1, columns 0-511". */
  readonly title: string;
  readonly em: VolumeSource;
  readonly labels: VolumeSource | null;
}

/** A data set, opened. Labels of `test` are only ever used to score. */
export interface DataSet {
  /** By which the experiment calls it: "lucchi++". */
  readonly name: string;
  readonly title: string;
  readonly train: DataPart;
  readonly test: DataPart;
  /** Of the finest scale of the EM, nm. */
  readonly voxelSize: Vec3;
  /** Of the model's grid, nm, when this is the source: the EM is averaged by whole factors. */
  readonly modelVoxelSize: Vec3;
  readonly factor: readonly [number, number];
  /** Intensities that become 0 and 1. */
  readonly window: readonly [number, number];
  /** Label values that are neither mitochondria nor background (2 in Kasthuri++: outside the imaged area). */
  readonly ignore: readonly number[];
  /** EM of this value is no tissue: a prediction there does not count. null where every voxel is tissue. */
  readonly outside: number | null;
  close(): Promise<void>;
}

/** What is fixed of a public data set; where users get it is in docs/datasets.md. */
export interface PublicDataSet {
  readonly title: string;
  readonly voxelSize: Vec3;
  readonly ignore: readonly number[];
  readonly outside: number | null;
}

/**
 * Voxel sizes: Lucchi++ from EPFL's text, VNC from its README (45-50 nm sections), Kasthuri++ from the 12 x 12 x 30 nm of
 * its copy that mitoverse keeps at a quarter of the size. The labels of Kasthuri++ use 2 for "outside the imaged area", and
 * its EM is padded with 0 there (torch-em `torch_em/data/datasets/electron_microscopy/kasthuri.py`).
 */
export const PUBLIC_DATA_SETS: Readonly<Record<"lucchi++" | "kasthuri++" | "vnc", PublicDataSet>> = {
  "lucchi++": { title: "Lucchi++", voxelSize: [5, 5, 5], ignore: [], outside: null },
  "kasthuri++": { title: "Kasthuri++", voxelSize: [3, 3, 30], ignore: [2], outside: 0 },
  vnc: { title: "VNC", voxelSize: [4.6, 4.6, 50], ignore: [], outside: null },
};

/** In-plane edge of the model's pixels, nm: EM is averaged by the whole factors that come nearest. */
export const MODEL_EDGE = 10;

/** Boxes of a phantom named without any: of different tissue, since far apart; 4 x 1.5 um in plane. */
export const PHANTOM_TRAIN = "20480:21248,20480:21248,1024:1064";
export const PHANTOM_TEST = "40960:41728,20480:21248,1024:1048";
