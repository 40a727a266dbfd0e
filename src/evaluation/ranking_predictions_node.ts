import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { gunzip, gzip } from "node:zlib";
import { chooseGeometry } from "../inference/geometry.js";
import { predictBox } from "../inference/predict_box.js";
import { predictedVolume } from "../inference/predicted_volume.js";
import { createNetwork, MAX_TILE_PIXELS } from "../inference/predictor.js";
import type { BackendName } from "../inference/types.js";
import type { ModelPackage } from "../model/types.js";
import { boxVolume } from "../volume/box.js";
import { formatRegion } from "../volume/region.js";
import type { Box, VolumeSource } from "../volume/types.js";

const compress = promisify(gzip);
const decompress = promisify(gunzip);

/** Slices predicted between two signs of progress. */
const SLAB = 4;

export interface PredictionOptions {
  /** Folder in which predictions are kept; made when it is not there. */
  readonly folder: string;
  /** Names the volume in the file's name: letters, digits, + and -. */
  readonly target: string;
  readonly window: readonly [number, number];
  readonly backend: BackendName;
  readonly signal?: AbortSignal;
  readonly onSlices?: (done: number, total: number) => void;
}

/**
 * Probability (round(255 p), x fastest) of a whole volume at its own voxels, kept as one compressed file for each model and
 * volume: a second call reads it, so that an interrupted command goes on. The name carries what changes a voxel; a file that is
 * damaged or of another size is made anew. Memory: the volume, one byte a voxel.
 * @throws VolumeError, ModelError, AbortError.
 */
export async function keptPrediction(
  em: VolumeSource,
  model: ModelPackage,
  options: PredictionOptions,
): Promise<Uint8Array> {
  const { folder, target, window, backend, signal, onSlices } = options;
  const [{ bounds }] = em.scales;
  const place = formatRegion(bounds).replaceAll(/[^0-9]+/g, "_");
  const name = `${target}-${place}-${model.id}-${model.digest.slice(0, 12)}-${window.join("_")}-${backend}.gz`;
  const path = join(folder, name);
  const kept = await readFile(path)
    .then((bytes) => decompress(bytes))
    .catch(() => undefined);
  if (kept?.length === boxVolume(bounds)) return kept;
  const made = await predictVolume(em, model, window, backend, signal, onSlices);
  await mkdir(folder, { recursive: true });
  // Under another name until it is whole: an interrupted run leaves nothing that looks finished.
  await writeFile(`${path}.tmp`, await compress(made, { level: 4 }));
  await rename(`${path}.tmp`, path);
  return made;
}

async function predictVolume(
  em: VolumeSource,
  model: ModelPackage,
  window: readonly [number, number],
  backend: BackendName,
  signal: AbortSignal | undefined,
  onSlices: PredictionOptions["onSlices"],
): Promise<Uint8Array> {
  const [{ bounds }] = em.scales;
  const { field, voxelSize } = model.config;
  const network = await createNetwork(model, backend);
  try {
    const predicted = predictedVolume(em, {
      name: `${model.id} on ${em.name}`,
      geometry: chooseGeometry(em.scales.slice(0, 1), voxelSize),
      field,
      window,
      tta: "none",
      predict: (request, { signal }) =>
        predictBox(request, field, network.run, { maxTilePixels: MAX_TILE_PIXELS, batch: 1, signal }),
    });
    const out = new Uint8Array(boxVolume(bounds));
    let at = 0;
    for (let z = bounds.lower[2]; z < bounds.upper[2]; z += SLAB) {
      signal?.throwIfAborted();
      const slab: Box = {
        lower: [bounds.lower[0], bounds.lower[1], z],
        upper: [bounds.upper[0], bounds.upper[1], Math.min(z + SLAB, bounds.upper[2])],
      };
      const voxels = (await predicted.read(0, slab, { signal })) as Uint8Array;
      out.set(voxels, at);
      at += voxels.length;
      onSlices?.(slab.upper[2] - bounds.lower[2], bounds.upper[2] - bounds.lower[2]);
    }
    return out;
  } finally {
    network.dispose();
  }
}
