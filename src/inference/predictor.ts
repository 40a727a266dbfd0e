import { tf } from "../kernels/tf.js";
import type { ModelPackage } from "../model/types.js";
import { CroppedNetwork, type Region } from "./cropped_network.js";
import { guardGpu } from "./gpu_guard.js";
import { loadNetwork, type StoredNetwork } from "./load.js";
import { type Network, predictBox } from "./predict_box.js";
import type { BackendName, PredictionRequest, PredictionResult, Predictor } from "./types.js";

export interface PredictorOptions {
  /** Largest window given to the network at once, in model pixels; larger cores are tiled, with the same result. */
  readonly maxTilePixels?: number;
  /** Slices of one request given to the network together. */
  readonly batch?: number;
}

/** About 0.4 GB of feature maps for a base of 16 filters. */
export const MAX_TILE_PIXELS = 800 * 800;

/** A package's network on a backend, below any tiling. */
export interface LoadedNetwork {
  readonly run: Network;
  dispose(): void;
}

/**
 * Builds the network of a package. The backend must have been selected in this thread before (`selectBackend` of
 * src/kernels): this makes it the current one.
 * @throws ModelError when the package does not make a network; Error when the backend is not there.
 */
export async function createNetwork(model: StoredNetwork, backend: BackendName): Promise<LoadedNetwork> {
  await use(backend);
  const network = await loadNetwork(model);
  const compute = whereItMatters(network);
  let disposed = false;
  return {
    async run(images, width, height, wanted) {
      if (disposed) throw new Error(`the network of model ${model.id} is disposed`);
      await use(backend);
      return exclusively(() => guardGpu(() => forward(compute, images, width, height, wanted)));
    },
    dispose(): void {
      if (!disposed) network.dispose();
      disposed = true;
    },
  };
}

/**
 * A model ready to predict boxes of volumes, chunk by chunk or slice by slice with the same result.
 * @throws ModelError, Error: see `createNetwork`.
 */
export async function createPredictor(
  model: ModelPackage,
  backend: BackendName,
  { maxTilePixels = MAX_TILE_PIXELS, batch = 1 }: PredictorOptions = {},
): Promise<Predictor> {
  const { run, dispose } = await createNetwork(model, backend);
  const { field, voxelSize } = model.config;
  return {
    field,
    voxelSize,
    backend,
    async predict(request: PredictionRequest, { signal } = {}): Promise<PredictionResult> {
      const start = performance.now();
      const result = await predictBox(request, field, run, { maxTilePixels, batch, signal });
      return { ...result, milliseconds: performance.now() - start, backend };
    },
    dispose,
  };
}

async function use(backend: BackendName): Promise<void> {
  if (tf.getBackend() === backend) return;
  if (!(await tf.setBackend(backend))) throw new Error(`backend ${backend} does not start`);
}

type Compute = (input: tf.Tensor4D, wanted: Region) => tf.Tensor4D;

/** Computes the wanted part alone, or, for a network with a layer that is not understood, all of it. */
function whereItMatters(network: tf.LayersModel): Compute {
  let cropped: CroppedNetwork;
  try {
    cropped = new CroppedNetwork(network);
  } catch {
    return (input, [rows, columns]) =>
      tf.slice(
        network.predict(input) as tf.Tensor4D,
        [0, rows[0], columns[0], 0],
        [-1, rows[1] + 1 - rows[0], columns[1] + 1 - columns[0], 1],
      );
  }
  return (input, wanted) => cropped.run(input, wanted);
}

async function forward(
  compute: Compute,
  images: readonly Float32Array[],
  width: number,
  height: number,
  wanted: Region,
): Promise<Float32Array[]> {
  const pixels = width * height;
  const input = images.length === 1 ? images[0] : new Float32Array(images.length * pixels);
  if (images.length > 1)
    images.forEach((image, i) => {
      input.set(image, i * pixels);
    });
  const output = tf.tidy(() => compute(tf.tensor4d(input, [images.length, height, width, 1]), wanted));
  try {
    const data = (await output.data()) as Float32Array;
    const each = data.length / images.length;
    return images.map((_, i) => data.subarray(i * each, (i + 1) * each));
  } finally {
    output.dispose();
  }
}

let tail: Promise<unknown> = Promise.resolve();

/** One job at a time on the thread's backend: interleaved jobs would share GPU error scopes and double the memory. */
function exclusively<T>(job: () => Promise<T>): Promise<T> {
  const result = tail.then(job);
  tail = result.catch(() => {});
  return result;
}
