import { tf } from "../kernels/tf.js";
import { graft } from "../network/graft.js";
import { imageInput, type Node } from "../network/unet_blocks.js";

/** A rising piecewise-linear function of intensities 0..1: from[i] becomes to[i]. */
export interface GreyCurve {
  /** Ascending, from 0 to 1. */
  readonly from: readonly number[];
  readonly to: readonly number[];
}

/** Straight parts of a curve at most: each costs a feature map of the whole image. */
const MOST_PARTS = 24;
/** Grey values of 255 that a curve may be off by. */
const TOLERANCE = 0.25;

/** The curve's value. @param x 0..1. */
export function curveAt({ from, to }: GreyCurve, x: number): number {
  let i = from.length - 2;
  while (i > 0 && from[i] > x) i--;
  const fraction = Math.min(1, Math.max(0, (x - from[i]) / (from[i + 1] - from[i])));
  return to[i] + fraction * (to[i + 1] - to[i]);
}

/**
 * A curve through a table of grey values: knots are put where it is farthest off, until it is nowhere off by more than a quarter of
 * a grey value, or has 24 parts.
 *
 * @param table what each grey value 0..255 becomes (0..255), not falling.
 * @param histogram pixels of each grey value; those that no pixel has need not be met.
 */
export function curveThrough(table: ArrayLike<number>, histogram: ArrayLike<number>): GreyCurve {
  const knots = [0, 255];
  const curve = (): GreyCurve => ({
    from: knots.map((value) => value / 255),
    to: knots.map((value) => table[value] / 255),
  });
  while (knots.length <= MOST_PARTS) {
    const current = curve();
    let [worst, most] = [-1, TOLERANCE];
    for (let value = 0; value < 256; value++) {
      const error = histogram[value] > 0 ? Math.abs(255 * curveAt(current, value / 255) - table[value]) : 0;
      if (error > most) [worst, most] = [value, error];
    }
    if (worst < 0) break;
    knots.push(worst);
    knots.sort((a, b) => a - b);
  }
  return curve();
}

/**
 * Applies a curve by stock layers, so that any reader of a package knows them: a 1x1 convolution brings the intensity's place
 * within each straight part to 0..1 of a feature map each, a clipped ReLU ends it there, another 1x1 convolution adds up the
 * rises of the parts. All numbers stay small, so that weights in half precision do not show.
 *
 * @param x [N, H, W, 1] in 0..1.
 */
function applyCurve({ from, to }: GreyCurve, x: Node): Node {
  const parts = from.length - 1;
  const convolution = (filters: number, name: string) =>
    tf.layers.conv2d({
      name,
      filters,
      kernelSize: 1,
      padding: "same",
      kernelInitializer: "zeros",
    });
  const place = convolution(parts, "grey_place");
  const clip = tf.layers.reLU({ name: "grey_clip", maxValue: 1 });
  const rise = convolution(1, "grey_rise");
  const output = rise.apply(clip.apply(place.apply(x))) as Node;
  const widths = Array.from({ length: parts }, (_, i) => from[i + 1] - from[i]);
  const weights = [
    tf.tensor4d(
      widths.map((width) => 1 / width),
      [1, 1, 1, parts],
    ),
    tf.tensor1d(widths.map((width, i) => -from[i] / width)),
    tf.tensor4d(
      widths.map((_, i) => to[i + 1] - to[i]),
      [1, 1, parts, 1],
    ),
    tf.tensor1d([to[0]]),
  ];
  place.setWeights(weights.slice(0, 2));
  rise.setWeights(weights.slice(2));
  tf.dispose(weights);
  return output;
}

/** `model` behind a curve, as one flat model of raw images with a copy of its weights, without dropout. */
export function behindCurve(curve: GreyCurve, model: tf.LayersModel): tf.LayersModel {
  const input = imageInput();
  return tf.model({ inputs: input, outputs: graft(model, applyCurve(curve, input)), name: model.name });
}
