import { reflectionPad } from "../kernels/sampling.js";
import { tf } from "../kernels/tf.js";
import { ImageLayer } from "./image_layer.js";

export interface ReflectionPaddingArgs {
  name?: string;
  /** Pixels added on each side. */
  size: number;
}

/** `reflectionPad` as a layer: PyTorch's ReflectionPad2d, with a right gradient. */
export class ReflectionPadding extends ImageLayer {
  static readonly className = "ReflectionPadding";
  private readonly size: number;

  constructor({ name, size }: ReflectionPaddingArgs) {
    super({ name });
    if (!Number.isInteger(size) || size < 1)
      throw new Error(`padding must be a positive integer, not ${size}`);
    this.size = size;
  }

  protected override compute(x: tf.Tensor4D): tf.Tensor4D {
    return reflectionPad(x, this.size);
  }

  override computeOutputShape(inputShape: tf.Shape): tf.Shape {
    return this.resized(inputShape, (edge) => edge + 2 * this.size);
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), size: this.size };
  }
}

tf.serialization.registerClass(ReflectionPadding);
