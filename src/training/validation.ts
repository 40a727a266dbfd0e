import { tf } from "../kernels/tf.js";
import type { Network } from "../network/attention_unet.js";
import { cut } from "./sampler.js";
import type { Slices } from "./slices.js";

export interface ValidationResult {
  /** Mean binary cross-entropy of all pixels. */
  readonly loss: number;
  /** Foreground IoU at 0.5 per slice, averaged; a slice without foreground and without prediction counts 0. */
  readonly iouPerSlice: number;
  /** Foreground IoU at 0.5 over all pixels. */
  readonly iouVolume: number;
}

/** Stable cross-entropy of one logit against a soft label. */
const crossEntropy = (z: number, y: number) => Math.max(z, 0) - z * y + Math.log1p(Math.exp(-Math.abs(z)));

/**
 * Logits of a whole slice. It is padded at the right and the bottom by reflection to a multiple of `multiple`.
 * @returns row-major, slices.width x slices.height.
 */
export async function predictSlice(
  network: Network,
  slices: Slices,
  z: number,
  multiple: number,
): Promise<Float32Array> {
  const { width, height } = slices;
  const w = Math.ceil(width / multiple) * multiple;
  const h = Math.ceil(height / multiple) * multiple;
  const size = Math.max(w, h);
  const { em } = cut(slices, 0, 0, z, size);
  const output = tf.tidy(() => {
    const square = tf.tensor4d(em, [1, size, size, 1]);
    const input = w === h ? square : tf.slice(square, [0, 0, 0, 0], [1, h, w, 1]);
    return tf.slice(network.logits.predict(input) as tf.Tensor4D, [0, 0, 0, 0], [1, height, width, 1]);
  });
  try {
    return (await output.data()) as Float32Array;
  } finally {
    output.dispose();
  }
}

/** Scores whole slices. `shown` receives each slice's logits and score, for pictures. */
export async function validate(
  network: Network,
  slices: Slices,
  multiple: number,
  shown?: (z: number, logits: Float32Array, score: { iou: number }) => void,
): Promise<ValidationResult> {
  let loss = 0;
  let iouSum = 0;
  let both = 0;
  let either = 0;
  for (let z = 0; z < slices.em.length; z++) {
    const logits = await predictSlice(network, slices, z, multiple);
    const labels = slices.labels[z];
    let intersection = 0;
    let union = 0;
    for (let i = 0; i < logits.length; i++) {
      loss += crossEntropy(logits[i], labels[i] / 255);
      const predicted = logits[i] >= 0;
      const truth = labels[i] >= 128;
      if (predicted && truth) intersection++;
      if (predicted || truth) union++;
    }
    const iou = union > 0 ? intersection / union : 0;
    iouSum += iou;
    both += intersection;
    either += union;
    shown?.(z, logits, { iou });
  }
  const n = slices.em.length;
  return {
    loss: loss / (n * slices.width * slices.height),
    iouPerSlice: iouSum / n,
    iouVolume: either > 0 ? both / either : 0,
  };
}
