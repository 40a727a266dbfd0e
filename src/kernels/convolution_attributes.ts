import type { ConvInfo } from "./convolution_gradients.js";
import { tf } from "./tf.js";

/** Attributes with which tfjs calls the two gradient kernels of a convolution. */
export interface ConvAttributes {
  strides: number | [number, number];
  pad: "valid" | "same" | number | [[number, number], [number, number], [number, number], [number, number]];
  dataFormat: "NHWC" | "NCHW";
  dimRoundingMode?: "floor" | "round" | "ceil";
  inputShape: [number, number, number, number];
  filterShape: [number, number, number, number];
}

/** Sizes and padding of the convolution. @throws Error for a layout that our kernels do not know. */
export function convolutionInfo(
  inputShape: ConvAttributes["inputShape"],
  filterShape: ConvAttributes["filterShape"],
  attributes: ConvAttributes,
): ConvInfo {
  const { strides, pad, dimRoundingMode, dataFormat } = attributes;
  if (dataFormat && dataFormat !== "NHWC")
    throw new Error(`convolution gradients know NHWC only, not ${dataFormat}`);
  return tf.backend_util.computeConv2DInfo(
    inputShape,
    filterShape,
    strides,
    1,
    pad as never,
    dimRoundingMode,
    false,
    "channelsLast",
  );
}
