import { SCHEDULES } from "../training/schedules.js";
import {
  AdaptationError,
  STRATEGY_IDS,
  type StageSettings,
  type Strategy,
  type StrategyId,
  type StrategySettings,
} from "./types.js";

const OPTIMISERS: readonly string[] = ["sgd", "adam", "adamw"];
/** Far beyond any training, and small enough that sums of them are exact. */
const MOST_STEPS = 1e8;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

export const isStrategyId = (value: unknown): value is StrategyId =>
  STRATEGY_IDS.some((known) => known === value);

/** Steps of all stages together. */
export const totalStepsOf = (strategy: Pick<Strategy, "stages">, settings: StrategySettings): number =>
  strategy.stages.reduce((sum, stage) => sum + settings.stages[stage].steps, 0);

function checkStage(stage: StageSettings, name: string, refuse: (message: string) => never): void {
  if (!isObject(stage)) refuse(`stages.${name} is missing`);
  for (const key of ["steps", "validateEvery", "patience", "scoreEvery"] as const) {
    const value = stage[key];
    if (!Number.isInteger(value) || value < (key === "steps" ? 1 : 0) || value > MOST_STEPS)
      refuse(
        `stages.${name}.${key} must be a whole number of at least ${key === "steps" ? 1 : 0}, not ${value}`,
      );
  }
  if (!(stage.learningRate > 0 && stage.learningRate < Number.POSITIVE_INFINITY))
    refuse(`stages.${name}.learningRate must be positive, not ${stage.learningRate}`);
  if (!SCHEDULES.includes(stage.schedule))
    refuse(`stages.${name}.schedule must be one of ${SCHEDULES.join(", ")}, not ${stage.schedule}`);
  if (!OPTIMISERS.includes(stage.optimiser?.name))
    refuse(
      `stages.${name}.optimiser.name must be one of ${OPTIMISERS.join(", ")}, not ${stage.optimiser?.name}`,
    );
}

/** @throws AdaptationError naming the first setting that cannot be. */
export function checkStrategySettings(
  strategy: Pick<Strategy, "id" | "stages">,
  settings: StrategySettings,
): void {
  const refuse = (message: string): never => {
    throw new AdaptationError(strategy.id, message);
  };
  if (settings.strategy !== strategy.id) refuse(`the settings are those of ${settings.strategy}`);
  const { network } = settings;
  if (!Number.isSafeInteger(settings.seed) || settings.seed < 0)
    refuse(`seed must be a whole number of at least 0, not ${settings.seed}`);
  for (const key of ["patch", "batch", "accumulate"] as const) {
    const value = settings[key];
    if (!Number.isInteger(value) || value < 1 || value > 65536)
      refuse(`${key} must be a whole number of at least 1, not ${value}`);
  }
  if (settings.batch % settings.accumulate !== 0)
    refuse(`batch ${settings.batch} does not divide into ${settings.accumulate} micro-batches`);
  if (!isObject(network) || !Array.isArray(network.filters)) refuse("network.filters is missing");
  const multiple = 2 ** (network.filters.length - 1);
  if (settings.patch % multiple !== 0)
    refuse(`patch must be a multiple of ${multiple}, not ${settings.patch}`);
  if (!isObject(settings.stages)) refuse("stages are missing");
  const unknown = Object.keys(settings.stages).find((name) => !strategy.stages.includes(name));
  if (unknown !== undefined)
    refuse(`there is no stage ${unknown}; its stages are ${strategy.stages.join(", ")}`);
  for (const name of strategy.stages) checkStage(settings.stages[name], name, refuse);
}

/**
 * The options of a strategy, those left out as in `defaults`.
 * @throws AdaptationError naming an option that is not in `defaults`, or not of its default's type.
 */
export function readOptions<T extends Readonly<Record<string, number | string | boolean>>>(
  strategy: StrategyId,
  given: StrategySettings["options"],
  defaults: T,
): { [K in keyof T]: T[K] extends number ? number : T[K] extends boolean ? boolean : string } {
  for (const [name, value] of Object.entries(given)) {
    if (!Object.hasOwn(defaults, name)) {
      const known = Object.keys(defaults).join(", ") || "none";
      throw new AdaptationError(strategy, `there is no option ${name}; its options are: ${known}`);
    }
    const valid =
      typeof value === typeof defaults[name] && (typeof value !== "number" || Number.isFinite(value));
    if (!valid)
      throw new AdaptationError(
        strategy,
        `option ${name} must be a ${typeof defaults[name]}, not ${JSON.stringify(value)}`,
      );
  }
  return { ...defaults, ...given } as ReturnType<typeof readOptions<T>>;
}
