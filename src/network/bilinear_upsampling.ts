import { bilinearUpsample } from "../kernels/sampling.js";
import { tf } from "../kernels/tf.js";
import { ImageLayer } from "./image_layer.js";

/**
 * `bilinearUpsample` as a layer: PyTorch's Upsample(scale_factor=2, mode="bilinear", align_corners=False), which DAMT-Net
 * uses. CUT's anti-aliased doubling (filter [1, 3, 3, 1] / 8 x 2 behind a replication of the edge) gives the same numbers: a new
 * pixel is 3/4 of the near one and 1/4 of the far one along each axis.
 */
export class BilinearUpsampling extends ImageLayer {
  static readonly className = "BilinearUpsampling";

  protected override compute(x: tf.Tensor4D): tf.Tensor4D {
    return bilinearUpsample(x);
  }

  override computeOutputShape(inputShape: tf.Shape): tf.Shape {
    return this.resized(inputShape, (edge) => 2 * edge);
  }
}

tf.serialization.registerClass(BilinearUpsampling);
