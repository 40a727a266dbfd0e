import type { ModelEntry } from "../model/registry.js";
import type { Volume } from "./catalogue.js";

/** The model for a volume: the one asked for, else the first that was trained on something like it, else the first. */
export function chooseModel(
  models: readonly Pick<ModelEntry, "id" | "source">[],
  asked: string,
  { suits = [] }: Pick<Volume, "suits">,
): string | undefined {
  if (models.some(({ id }) => id === asked)) return asked;
  const suited = models.find(({ id, source }) =>
    suits.some((word) => `${id} ${source}`.toLowerCase().includes(word)),
  );
  return (suited ?? models.at(0))?.id;
}
