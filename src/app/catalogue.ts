/** A volume that can be opened, with a place in it that is worth looking at. */
export interface Volume {
  readonly title: string;
  readonly description: string;
  /** Any source that Neuroglancer reads. */
  readonly source: string;
  /** Name of the image layer. */
  readonly layer: string;
  /** Edge lengths of a voxel in nm in which `position` counts, x y z; absent: Neuroglancer takes the source's. */
  readonly voxelSize?: readonly [number, number, number];
  readonly position?: readonly [number, number, number];
  /** Voxels (of `voxelSize`) a screen pixel. */
  readonly scale?: number;
  /** Known mitochondria of this volume: a layer that is there to be switched on. */
  readonly truth?: string;
  /** It holds labels, not EM: shown as they are, without a prediction. */
  readonly labels?: boolean;
  /** Words to look for in a model's id and training data: which model suits this tissue. */
  readonly suits?: readonly string[];
}

/** The synthetic volume that is part of the page: nothing is downloaded for it. */
export const PHANTOM: Volume = {
  title: "Phantom EM volume",
  description: "Synthetic tissue, computed in this page, with known mitochondria. Works offline.",
  source: "precomputed://phantom://fib/1/em",
  layer: "phantom",
  truth: "precomputed://phantom://fib/1/labels",
  voxelSize: [5, 5, 5],
  position: [20000, 20000, 4000],
  scale: 2,
  suits: ["phantom"],
};

/** Public volumes, each at a place with many mitochondria. Read from their owners' servers, by this page alone. */
export const PUBLIC_VOLUMES: readonly Volume[] = [
  {
    title: "Hemibrain",
    description: "Fruit fly central brain, FIB-SEM, 8 nm isotropic (FlyEM, Janelia).",
    source: "precomputed://gs://neuroglancer-janelia-flyem-hemibrain/emdata/clahe_yz/jpeg",
    layer: "hemibrain",
    voxelSize: [8, 8, 8],
    position: [17114, 20543, 18610],
    scale: 1,
    suits: ["vnc"],
  },
  {
    title: "Kasthuri 2011",
    description: "Mouse somatosensory cortex, serial sections, 6 × 6 × 30 nm.",
    source: "precomputed://gs://neuroglancer-public-data/kasthuri2011/image",
    layer: "kasthuri2011",
    voxelSize: [6, 6, 30],
    position: [5524, 8539, 1198],
    scale: 1.3,
    suits: ["lucchi"],
  },
  {
    title: "HeLa cell (jrc_hela-2)",
    description: "Whole cultured cell, FIB-SEM, 4 × 4 × 5.24 nm (OpenOrganelle, Janelia).",
    source: "zarr://s3://janelia-cosem-datasets/jrc_hela-2/jrc_hela-2.zarr/recon-1/em/fibsem-uint8/",
    layer: "jrc_hela-2",
    voxelSize: [4, 4, 5.24],
    position: [6000, 800, 3184],
    scale: 2,
    suits: ["lucchi"],
  },
];
