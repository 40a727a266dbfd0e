import { tf } from "../kernels/tf.js";

/**
 * The logit of the second of two classes against the first: [..., 2] -> [..., 1], z1 - z0. softmax([z0, z1])[1] is the sigmoid of
 * this, so that a network of two classes ends like one that predicts a probability.
 */
export class ClassDifference extends tf.layers.Layer {
  static readonly className = "ClassDifference";

  override build(inputShape: tf.Shape): void {
    if (inputShape[inputShape.length - 1] !== 2)
      throw new Error(
        `layer ${this.name}: an input of two classes is needed, not [${inputShape.join(", ")}]`,
      );
    super.build(inputShape);
  }

  override computeOutputShape(inputShape: tf.Shape): tf.Shape {
    return [...inputShape.slice(0, -1), 1];
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    const z = Array.isArray(inputs) ? inputs[0] : inputs;
    return tf.tidy(() => {
      const [background, foreground] = tf.split(z, 2, -1);
      return tf.sub(foreground, background);
    });
  }
}

tf.serialization.registerClass(ClassDifference);
