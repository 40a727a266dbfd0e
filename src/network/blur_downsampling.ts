import { blurDownsample } from "../kernels/sampling.js";
import { tf } from "../kernels/tf.js";
import { ImageLayer } from "./image_layer.js";

/** `blurDownsample` as a layer: the anti-aliased halving of CUT's networks (filter [1, 2, 1], reflection, stride 2). */
export class BlurDownsampling extends ImageLayer {
  static readonly className = "BlurDownsampling";

  protected override compute(x: tf.Tensor4D): tf.Tensor4D {
    return blurDownsample(x);
  }

  override computeOutputShape(inputShape: tf.Shape): tf.Shape {
    return this.resized(inputShape, (edge) => Math.ceil(edge / 2));
  }
}

tf.serialization.registerClass(BlurDownsampling);
