import { chooseGeometry } from "../inference/geometry.js";
import { loadNetwork } from "../inference/load.js";
import { tf } from "../kernels/tf.js";
import type { ModelPackage } from "../model/types.js";
import { openPhantom } from "../phantom/store.js";
import type { Box } from "../volume/types.js";
import { testSize } from "./bioimage_export.js";
import { ExchangeError } from "./types.js";

const PHANTOM = "phantom://fib/7/em";
/** Places far inside of the phantom, in voxels of the scale that is read. */
const PLACES = [2048, 3072, 4096, 5120];

/** Mean probability of an image that tests something: about half of what mitochondria take of tissue. */
const ENOUGH = 0.03;

export interface TestImage {
  readonly size: number;
  /** 8-bit intensities, row-major. */
  readonly input: Uint8Array;
  readonly output: Float32Array;
  readonly source: string;
}

/**
 * A section of the phantom and what a package's network answers to it on the current backend: the first of a few places with
 * enough foreground, else the one with the most.
 * @throws ModelError, GeometryError; ExchangeError when the network answers next to nothing everywhere, which bioimage.io's
 * validator refuses as a test.
 */
export async function makeTestImage(model: ModelPackage): Promise<TestImage> {
  const size = testSize(model);
  const phantom = openPhantom(PHANTOM);
  // Pixels of the phantom are taken as the model's: its scales are powers of two.
  const { scale } = chooseGeometry(phantom.scales, model.config.voxelSize);
  const network = await loadNetwork(model);
  try {
    let best: TestImage | null = null;
    let most = -1;
    for (const place of PLACES) {
      const box: Box = { lower: [place, place, 512], upper: [place + size, place + size, 513] };
      const input = (await phantom.read(scale, box)) as Uint8Array;
      const output = await answer(network, input, size, model.config.window);
      const sum = output.reduce((total, value) => total + value, 0);
      if (sum > most) {
        most = sum;
        best = { size, input, output, source: PHANTOM };
      }
      if (sum > ENOUGH * output.length) break;
    }
    if (best === null || !best.output.some((value) => value >= 1e-3))
      throw new ExchangeError(
        model.id,
        "answers nothing but background to the test images, so they test nothing",
      );
    return best;
  } finally {
    network.dispose();
  }
}

async function answer(
  network: tf.LayersModel,
  input: Uint8Array,
  size: number,
  [lower, upper]: readonly [number, number],
): Promise<Float32Array> {
  const scaled = Float32Array.from(input, (value) =>
    Math.min(1, Math.max(0, (value - lower) / (upper - lower))),
  );
  const output = tf.tidy(() => network.predict(tf.tensor4d(scaled, [1, size, size, 1])) as tf.Tensor);
  try {
    return (await output.data()) as Float32Array;
  } finally {
    output.dispose();
  }
}
