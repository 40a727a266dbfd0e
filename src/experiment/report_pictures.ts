import { encode } from "fast-png";
import { OVERLAY_COLOURS } from "./report_style.js";

/** Opacity of the tint, 0..255: EM stays readable under it. */
const TINT = 120;

function dataUrl(png: Uint8Array): string {
  let binary = "";
  for (let i = 0; i < png.length; i += 0x8000) binary += String.fromCharCode(...png.subarray(i, i + 0x8000));
  return `data:image/png;base64,${btoa(binary)}`;
}

export function greyPicture(width: number, height: number, data: Uint8Array): string {
  return dataUrl(encode({ width, height, channels: 1, depth: 8, data }));
}

/**
 * A prediction against the labels as a transparent picture to be laid over the EM: where both are, only labels, only the prediction.
 * Without labels all of the prediction is in the first colour.
 * @param prediction probabilities 0..255. @param labels foreground fractions 0..255, of the same size.
 * @param minimum a pixel is predicted from this value on.
 */
export function overlayPicture(
  width: number,
  height: number,
  prediction: Uint8Array,
  labels: Uint8Array | null,
  minimum: number,
): string {
  const data = new Uint8Array(4 * width * height);
  for (let i = 0; i < width * height; i++) {
    const predicted = prediction[i] >= minimum;
    const truth = labels ? labels[i] >= 128 : predicted;
    if (!predicted && !truth) continue;
    const [r, g, b] =
      predicted && truth ? OVERLAY_COLOURS.hit : truth ? OVERLAY_COLOURS.missed : OVERLAY_COLOURS.extra;
    data.set([r, g, b, TINT], 4 * i);
  }
  return dataUrl(encode({ width, height, channels: 4, depth: 8, data }));
}
