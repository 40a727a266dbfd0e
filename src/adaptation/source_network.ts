import * as v from "valibot";
import type { ChondriaConfig } from "../model/types.js";
import type { AttentionUNetOptions } from "../network/attention_unet.js";

const rate = v.pipe(v.number(), v.minValue(0), v.ltValue(1));
const networkSchema = v.object({
  filters: v.pipe(
    v.array(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(4096))),
    v.minLength(2),
    v.maxLength(8),
  ),
  normalisation: v.picklist(["none", "batch"]),
  gate: v.picklist(["paper", "textbook"]),
  dropout: v.picklist(["element", "spatial", "none"]),
  dropoutRates: v.array(rate),
  seed: v.pipe(v.number(), v.safeInteger()),
});

/**
 * The network that a package says it was trained with, as far as it is one that strategies can start from; null for any
 * other (a chain of networks, a model from elsewhere). Cheap: for lists and tooltips; `sourceModelOf` says whether it is true.
 */
export function sourceNetworkOf({ training }: Pick<ChondriaConfig, "training">): AttentionUNetOptions | null {
  const result = v.safeParse(networkSchema, training.settings.network);
  if (!result.success) return null;
  const { output } = result;
  return output.dropoutRates.length === output.filters.length ? output : null;
}
