import { tf } from "./tf.js";

/** Result of `batchNormTrain`; all three are the caller's to dispose. */
export interface BatchNormTrained {
  readonly y: tf.Tensor;
  /** Mean and biased variance of the batch, [C]. */
  readonly mean: tf.Tensor1D;
  readonly variance: tf.Tensor1D;
}

/**
 * Batch normalisation over all axes but the last, by the statistics of `x` itself, with the closed-form gradient (Ioffe
 * and Szegedy, 2015, section 3). tfjs composes that gradient from broadcasts and `Tile`, which costs a third of a
 * training step on TensorFlow and more on WASM, and it fails where gamma or beta is missing.
 *
 * @param x [..., C]
 * @param gamma, beta [C]
 */
export function batchNormTrain(
  x: tf.Tensor,
  gamma: tf.Tensor,
  beta: tf.Tensor,
  epsilon: number,
): BatchNormTrained {
  const channels = x.shape[x.rank - 1];
  const count = x.size / channels;
  let mean!: tf.Tensor1D;
  let variance!: tf.Tensor1D;
  const op = tf.customGrad((...args) => {
    const [input, g, b, save] = args as unknown as [tf.Tensor, tf.Tensor, tf.Tensor, tf.GradSaveFunc];
    const flat = tf.reshape(input, [count, channels]);
    const m = tf.mean(flat, 0) as tf.Tensor1D;
    const centred = tf.sub(flat, m);
    const v = tf.mean(tf.square(centred), 0) as tf.Tensor1D;
    mean = tf.keep(m);
    variance = tf.keep(v);
    const inverse = tf.rsqrt(tf.add(v, epsilon));
    const y = tf.add(tf.mul(centred, tf.mul(g, inverse)), b);
    save([input, g, m, inverse]);
    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]) => {
      const [x0, g0, m0, r] = saved;
      const dy2 = tf.reshape(dy, [count, channels]);
      const hat = tf.mul(tf.sub(tf.reshape(x0, [count, channels]), m0), r);
      const dBeta = tf.sum(dy2, 0);
      const dGamma = tf.sum(tf.mul(dy2, hat), 0);
      const inner = tf.sub(tf.sub(dy2, tf.div(dBeta, count)), tf.mul(hat, tf.div(dGamma, count)));
      return [tf.reshape(tf.mul(inner, tf.mul(g0, r)), x0.shape), dGamma, dBeta];
    };
    return { value: tf.reshape(y, input.shape), gradFunc };
  });
  return { y: op(x, gamma, beta), mean, variance };
}

interface BatchNormLayer extends tf.layers.Layer {
  gamma: { read(): tf.Tensor } | null;
  beta: { read(): tf.Tensor } | null;
  movingMean: { read(): tf.Tensor; write(value: tf.Tensor): void };
  movingVariance: { read(): tf.Tensor; write(value: tf.Tensor): void };
  momentum: number;
  epsilon: number;
  axis: number;
}

let installed = false;

/**
 * Makes every tfjs `batchNormalization` layer train through `batchNormTrain`. The layer class stays the stock one, so that
 * a saved model needs nothing of ours to load. Inference is untouched.
 *
 * In `model.apply(x, { training: true, frozen })` the layers named in the set `frozen` normalise by their moving statistics and leave
 * them, as layers that are not trainable do in Keras: for fine-tuning behind a frozen encoder. (Not `trainable = false`: in tfjs
 * that changes the order of a model's weights, which checkpoints rely on.)
 */
export function installBatchNormTraining(): void {
  if (installed) return;
  installed = true;
  const prototype = tf.layers.batchNormalization({}).constructor.prototype as tf.layers.Layer;
  const original = prototype.call;
  prototype.call = function (this: BatchNormLayer, inputs, kwargs) {
    const x = Array.isArray(inputs) ? inputs[0] : inputs;
    const last = this.axis === -1 || this.axis === x.rank - 1;
    const { gamma, beta } = this;
    if ((kwargs?.frozen as ReadonlySet<string> | undefined)?.has(this.name))
      return original.call(this, inputs, { ...kwargs, training: false });
    if (!kwargs?.training || !last || !gamma || !beta) return original.call(this, inputs, kwargs);
    return tf.tidy(() => {
      const { y, mean, variance } = batchNormTrain(x, gamma.read(), beta.read(), this.epsilon);
      const update = (weight: BatchNormLayer["movingMean"], value: tf.Tensor) =>
        tf.tidy(() => {
          const old = weight.read();
          weight.write(tf.add(old, tf.mul(tf.sub(value, old), 1 - this.momentum)));
        });
      update(this.movingMean, mean);
      update(this.movingVariance, variance);
      tf.dispose([mean, variance]);
      return y;
    });
  } as tf.layers.Layer["call"];
}
