import type { ModelEntry } from "../model/registry.js";
import type { Volume } from "./catalogue.js";

/** The model for a volume: the one asked for, else the first that was trained on something like it, else the first. */
export function chooseModel(
  models: readonly Pick<ModelEntry, "id" | "source">[],
  asked: string,
  { suits = [] }: Pick<Volume, "suits">,
): string | undefined {
  if (models.some(({ id }) => id === asked)) return asked;
  const named = (of: (model: Pick<ModelEntry, "id" | "source">) => string) =>
    models.find((model) => suits.some((word) => of(model).toLowerCase().includes(word)));
  // By what it was trained on first: the name of an adapted model tells its target, too.
  const suited = named(({ source }) => source) ?? named(({ id }) => id);
  return (suited ?? models.at(0))?.id;
}
