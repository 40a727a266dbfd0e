import { tf } from "../kernels/tf.js";

/** A layer without weights that makes one image tensor [N, H, W, C] of another. */
export abstract class ImageLayer extends tf.layers.Layer {
  /** The computation; within a tidy. */
  protected abstract compute(x: tf.Tensor4D): tf.Tensor4D;

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    const x = (Array.isArray(inputs) ? inputs[0] : inputs) as tf.Tensor4D;
    return tf.tidy(() => this.compute(x));
  }

  /** An image's shape with both edges changed; an edge that is not known stays so. */
  protected resized(inputShape: tf.Shape | tf.Shape[], edge: (size: number) => number): tf.Shape {
    const shape = (Array.isArray(inputShape[0]) ? inputShape[0] : inputShape) as tf.Shape;
    return shape.map((size, axis) => (size === null || axis === 0 || axis === 3 ? size : edge(size)));
  }
}
