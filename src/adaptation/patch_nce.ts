import { tf } from "../kernels/tf.js";
import type { Random } from "../network/random.js";

/** Of `l2Normalise`, as in the CUT repository. */
const EPSILON = 1e-7;
/** What stands for the similarity of a query with its own place among the negatives, before the temperature. */
const MASKED = -10;

/**
 * Distinct whole numbers below `n`, in random order: all of them when there are no more than `count`. Draws `count`
 * numbers (a Fisher-Yates shuffle that keeps only what it moved), where a permutation of a 512 x 512 map would draw 262,144.
 */
export function samplePositions(n: number, count: number, random: Random): Int32Array {
  const wanted = Math.min(n, count);
  const moved = new Map<number, number>();
  const positions = new Int32Array(wanted);
  for (let i = 0; i < wanted; i++) {
    const j = i + random.integer(n - i);
    positions[i] = moved.get(j) ?? j;
    moved.set(j, moved.get(i) ?? i);
  }
  return positions;
}

/**
 * Rows of a matrix. The gradient of `tf.gather` sums segments, which WebAssembly has no kernel for; with distinct rows
 * it is a scatter.
 * @param x [N, C] @param rows distinct, each below N. @returns [rows.length, C]
 */
export function gatherRows(x: tf.Tensor2D, rows: Int32Array): tf.Tensor2D {
  const [n, channels] = x.shape;
  const op = tf.customGrad((input) => ({
    value: tf.gather(input as tf.Tensor2D, tf.tensor1d(rows, "int32")),
    gradFunc: (dy: tf.Tensor) =>
      tf.scatterND(tf.tensor2d(rows, [rows.length, 1], "int32"), dy, [n, channels]),
  }));
  return op(x) as tf.Tensor2D;
}

/** Each row x of [N, C] as x / (|x| + 1e-7). The gradient stays finite at a row of zeros, where PyTorch's is NaN. */
export function l2Normalise(x: tf.Tensor2D): tf.Tensor2D {
  const op = tf.customGrad((...args) => {
    const [input, save] = args as unknown as [tf.Tensor2D, tf.GradSaveFunc];
    const norm = tf.sqrt(tf.sum(tf.square(input), 1, true));
    const scale = tf.div(1, tf.add(norm, EPSILON));
    const y = tf.mul(input, scale);
    save([y, scale, norm]);
    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]) => {
      const [y0, scale0, norm0] = saved;
      // d(x s) = s dx - x s^2 (x . dx) / |x|, and y = x s.
      const along = tf.div(tf.sum(tf.mul(dy, y0), 1, true), tf.maximum(norm0, 1e-30));
      return tf.sub(tf.mul(dy, scale0), tf.mul(y0, along));
    };
    return { value: y, gradFunc };
  });
  return op(x) as tf.Tensor2D;
}

/**
 * A value that gradients do not flow through: what `compute` does is not recorded, so it costs no memory for the way
 * back either.
 */
export function detached(compute: () => tf.Tensor): tf.Tensor {
  return tf.customGrad(() => ({ value: compute(), gradFunc: () => [] }))();
}

/**
 * PatchNCE (Park et al., 2020, "Contrastive Learning for Unpaired Image-to-Image Translation"), as its repository has
 * it: each query is to be told from the other places of its own image by its key. Softmax cross-entropy over one
 * positive logit q_i . k_i and P negative ones q_i . k_j, where that of j = i is -10, all divided by the temperature.
 * Gradients go to the queries alone.
 *
 * The positive logit stands on the diagonal of the same product, so that it and one column of the constant hold
 * the same P + 1 logits.
 *
 * @param queries, keys [B, P, C], normalised.
 * @returns [B]: of each image, the mean over its places.
 */
export function patchNce(queries: tf.Tensor3D, keys: tf.Tensor3D, temperature: number): tf.Tensor1D {
  const [images, places] = queries.shape;
  const op = tf.customGrad((...args) => {
    const [q, save] = args as unknown as [tf.Tensor3D, tf.GradSaveFunc];
    const similarity = tf.mul(tf.matMul(q, keys, false, true), 1 / temperature);
    const own = tf.mul(tf.sum(tf.mul(q, keys), 2), 1 / temperature);
    const masked = tf.fill([images, places, 1], MASKED / temperature);
    const logits = tf.concat([similarity, masked], 2);
    const total = tf.logSumExp(logits, 2, true);
    save([tf.exp(tf.sub(similarity, total)), keys]);
    const value = tf.mean(tf.sub(tf.squeeze(total, [2]), own), 1);
    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]) => {
      const [chance, k] = saved as [tf.Tensor3D, tf.Tensor3D];
      const scale = tf.reshape(tf.div(dy, places * temperature), [images, 1, 1]);
      return tf.mul(tf.sub(tf.matMul(chance, k), k), scale);
    };
    return { value, gradFunc };
  });
  return op(queries) as tf.Tensor1D;
}
