import type { StageSettings, StrategySettings } from "../adaptation/types.js";
import {
  ExperimentError,
  type SettingsOverrides,
  type StageOverrides,
  type StrategyEntry,
} from "./experiment_file.js";

/** Of the fields that are there. */
function defined<T extends object>(value: T): Partial<T> {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as Partial<T>;
}

function stageWith(stage: StageSettings, overrides: StageOverrides | undefined): StageSettings {
  return { ...stage, ...defined(overrides ?? {}) } as StageSettings;
}

/** What is said of all stages starts no scoring and no validation in one that has none. */
function generalOf(stage: StageSettings, general: StageOverrides | undefined): StageOverrides | undefined {
  if (!general) return undefined;
  const { scoreEvery, validateEvery } = general;
  return {
    ...general,
    scoreEvery: stage.scoreEvery === 0 ? undefined : scoreEvery,
    validateEvery: stage.validateEvery === 0 ? undefined : validateEvery,
  };
}

/**
 * A strategy's settings with an experiment's laid over them.
 * @param layers later ones win: those of all strategies, then those of one.
 * @param file,name for error messages: the experiment's file and the strategy's name in it.
 * @throws ExperimentError naming a stage that the strategy does not have.
 */
export function withOverrides(
  settings: StrategySettings,
  layers: readonly (SettingsOverrides & Pick<StrategyEntry, "options">)[],
  file: string,
  name: string,
): StrategySettings {
  let result = settings;
  layers.forEach((layer, i) => {
    const { patch, batch, accumulate, allStages, stages = {}, network, options } = layer;
    // Settings of all strategies may name the stages of some.
    for (const stage of Object.keys(stages))
      if (!Object.hasOwn(settings.stages, stage) && i === layers.length - 1)
        throw new ExperimentError(
          file,
          `strategies: ${name} has no stage "${stage}", only ${Object.keys(settings.stages).join(", ") || "none"}`,
        );
    result = {
      ...result,
      ...defined({ patch, batch, accumulate }),
      network: { ...result.network, ...defined(network ?? {}) },
      options: { ...result.options, ...options },
      stages: Object.fromEntries(
        Object.entries(result.stages).map(([stage, value]) => [
          stage,
          stageWith(stageWith(value, generalOf(value, allStages)), stages[stage]),
        ]),
      ),
    };
  });
  const { filters, dropoutRates } = result.network;
  // A shorter list of filters alone is what smaller experiments want: the rates of the levels that are left go with it.
  if (dropoutRates.length !== filters.length) {
    if (layers.some((layer) => layer.network?.dropoutRates))
      throw new ExperimentError(
        file,
        `strategies: ${name} has ${filters.length} filters, but ${dropoutRates.length} dropoutRates`,
      );
    const rates = filters.map((_, level) => dropoutRates[Math.min(level, dropoutRates.length - 1)]);
    result = { ...result, network: { ...result.network, dropoutRates: rates } };
  }
  return result;
}
