import { EditLog } from "../../../src/proofreading/log.js";
import type { Action, KnownOperation, PredictionView } from "../../../src/proofreading/types.js";
import { openVolumeView, type VolumeView } from "../../../src/proofreading/volume_view.js";
import { boxSize } from "../../../src/volume/box.js";
import type { Box, Vec3, VolumeSource } from "../../../src/volume/types.js";

export interface Blob {
  readonly centre: Vec3;
  readonly radius: number;
  /** Probability in its middle, 0..1; falls to half of it at the radius. */
  readonly peak?: number;
}

/** Probability of round blobs, as a network gives it: high in the middle, falling off over the border. */
export function blobVolume(size: Vec3, blobs: readonly Blob[]): Uint8Array {
  const probability = new Uint8Array(size[0] * size[1] * size[2]);
  for (const { centre, radius, peak = 1 } of blobs) {
    let at = 0;
    for (let z = 0; z < size[2]; ++z)
      for (let y = 0; y < size[1]; ++y)
        for (let x = 0; x < size[0]; ++x, ++at) {
          const distance = Math.hypot(x - centre[0], y - centre[1], z - centre[2]) / radius;
          const value = Math.round(255 * peak * Math.max(0, Math.min(1, 1.25 - 0.75 * distance ** 2)));
          if (value > probability[at]) probability[at] = value;
        }
  }
  return probability;
}

export function volumeOf(values: Uint8Array | Uint32Array, size: Vec3, name = "blobs"): VolumeSource {
  const read = async (_scale: number, box: Box) => {
    const [sx, sy, sz] = boxSize(box);
    const out = values instanceof Uint8Array ? new Uint8Array(sx * sy * sz) : new Uint32Array(sx * sy * sz);
    let at = 0;
    for (let z = box.lower[2]; z < box.upper[2]; ++z)
      for (let y = box.lower[1]; y < box.upper[1]; ++y)
        for (let x = box.lower[0]; x < box.upper[0]; ++x) out[at++] = values[x + size[0] * (y + size[1] * z)];
    return out;
  };
  return {
    name,
    dataType: values instanceof Uint8Array ? "uint8" : "uint32",
    scales: [{ bounds: { lower: [0, 0, 0], upper: size }, voxelSize: [10, 10, 20], chunkSize: size }],
    read,
  };
}

export function viewOf(probability: Uint8Array, size: Vec3, threshold = 0.5): Promise<VolumeView> {
  return openVolumeView(volumeOf(probability, size), {
    kind: "probability",
    settings: { threshold, minimumVoxels: 0, connectivity: 26 },
  });
}

/** The same predictions with other ids, as another cut into chunks gives them. */
export function renamed(
  view: PredictionView,
  rename: (id: number) => number,
  back: (id: number) => number,
): PredictionView {
  return {
    bounds: view.bounds,
    voxelSize: view.voxelSize,
    settings: view.settings,
    objectAt: (voxel) => {
      const id = view.objectAt(voxel);
      return id === 0 ? 0 : rename(id);
    },
    runsOf: (id) => view.runsOf(back(id)),
    objectsIn: (box) => Array.from(view.objectsIn(box), rename),
    probability: (box) => view.probability(box),
  };
}

/** Makes operations one after the other, with ids and times that a test can foresee. */
export class Scribe {
  readonly log = new EditLog();
  private made = 0;

  constructor(
    readonly author = "ana",
    private readonly start = 1_000,
  ) {}

  write(action: Action, now = this.start + this.made): KnownOperation {
    const random = new Uint8Array(10);
    new DataView(random.buffer).setUint32(0, ++this.made);
    random.set(new TextEncoder().encode(this.author).subarray(0, 6), 4);
    const by = {
      author: this.author,
      model: "digest",
      volume: { url: "test://blobs", scale: 0 },
      settings: { threshold: 0.5, connectivity: 26 as const },
    };
    const operation = this.log.create(action, by, now, random);
    this.log.add([operation]);
    return operation;
  }
}
