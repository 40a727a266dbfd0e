import { tf } from "../kernels/tf.js";
import { mix, Random } from "./random.js";

type Kwargs = { training?: boolean; dropoutSeed?: number };

/** Length of the noise line that element dropout lays over a tensor: a prime, so that it never lines up with rows. */
const NOISE_LENGTH = 65521;

export interface SeededDropoutArgs {
  name?: string;
  rate: number;
  kind: "element" | "spatial";
  /** Distinguishes the layers of one network. */
  salt: number;
}

/**
 * Inverted dropout whose mask is a function of (`dropoutSeed` of the call, `salt` of the layer) alone, so that a resumed
 * training repeats the masks of an uninterrupted one. "spatial" drops whole feature maps of a sample (noise shape
 * [N, 1, 1, C]); "element" drops single values, drawing 65,521 of them and repeating the line, because a random number
 * per pixel in JavaScript costs more than the convolution before it. Identity at inference.
 *
 * In training, call the model with `model.apply(x, { training: true, dropoutSeed: step })`.
 */
export class SeededDropout extends tf.layers.Layer {
  static readonly className = "SeededDropout";
  private readonly rate: number;
  private readonly kind: "element" | "spatial";
  private readonly salt: number;

  constructor(args: SeededDropoutArgs) {
    super({ name: args.name });
    if (!(args.rate >= 0 && args.rate < 1))
      throw new Error(`dropout rate must be in [0, 1), not ${args.rate}`);
    this.rate = args.rate;
    this.kind = args.kind;
    this.salt = args.salt;
  }

  override computeOutputShape(inputShape: tf.Shape): tf.Shape {
    return inputShape;
  }

  override call(inputs: tf.Tensor | tf.Tensor[], kwargs: Kwargs): tf.Tensor {
    const x = Array.isArray(inputs) ? inputs[0] : inputs;
    if (!kwargs?.training || this.rate === 0) return tf.clone(x);
    const { dropoutSeed } = kwargs;
    if (dropoutSeed === undefined)
      throw new Error("training with SeededDropout needs { dropoutSeed } in the call");
    return tf.tidy(() => tf.mul(x, this.mask(x.shape, new Random(mix(dropoutSeed, this.salt)))));
  }

  /** 0 with probability `rate`, else 1 / (1 - rate), broadcastable to `shape` [N, H, W, C]. */
  private mask(shape: number[], random: Random): tf.Tensor {
    const draw = (n: number) =>
      Float32Array.from({ length: n }, () => (random.next() < this.rate ? 0 : 1 / (1 - this.rate)));
    if (this.kind === "spatial") {
      const [n, , , c] = shape;
      return tf.tensor4d(draw(n * c), [n, 1, 1, c]);
    }
    const size = shape.reduce((a, b) => a * b, 1);
    if (size <= NOISE_LENGTH) return tf.tensor(draw(size), shape);
    const line = tf.tile(tf.tensor1d(draw(NOISE_LENGTH)), [Math.ceil(size / NOISE_LENGTH)]);
    return tf.reshape(tf.slice(line, 0, size), shape);
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), rate: this.rate, kind: this.kind, salt: this.salt };
  }
}

tf.serialization.registerClass(SeededDropout);
