import type { DataType } from "../volume/types.js";
import type { IntensityWindow } from "./types.js";

/**
 * The intensity window to start with: a model's own is in 8-bit values; for 16-bit EM the same part of the value range
 * (x 257) is taken, which only fits EM that fills it, so that a person should look and adjust.
 */
export function defaultWindow(modelWindow: IntensityWindow, dataType: DataType): IntensityWindow {
  if (dataType === "uint8") return modelWindow;
  return [modelWindow[0] * 257, modelWindow[1] * 257];
}
