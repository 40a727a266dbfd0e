import { tf } from "./tf.js";

let installed = false;

/**
 * Differentiates ReLU by comparing instead of by `tf.step`, which the TensorFlow backend puts together of six operations, a tenth of
 * a training step of a network of ReLUs. The same numbers.
 */
export function installReluGradient(): void {
  if (installed) return;
  installed = true;
  tf.registerGradient({
    kernelName: "Relu",
    inputsToSave: ["x"],
    gradFunc: (dy, [x]) => ({
      x: () => tf.mul(dy as tf.Tensor, tf.cast(tf.greater(x, 0), "float32")),
    }),
  });
}
