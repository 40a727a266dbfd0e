import type { Strategy, StrategyId } from "../adaptation/types.js";
import { type Experiment, ExperimentError, type StrategyEntry } from "./experiment_file.js";

export type Protocol = "paper" | "reduced";

/** One training of an experiment. */
export interface PlannedRun {
  /** Its folder inside of the experiment's: "lucchi++-to-vnc/attention-y-net/seed-1". */
  readonly id: string;
  /** Folder of its pair. */
  readonly pairId: string;
  readonly pair: { readonly source: string; readonly target: string };
  readonly entry: StrategyEntry;
  readonly strategy: Strategy;
  readonly protocol: Protocol;
  readonly seed: number;
  /** The run whose network this one starts from; null where it needs none, or a package is named. */
  readonly startsFrom: string | null;
}

const folderName = (text: string) => text.replace(/[^A-Za-z0-9._+-]+/g, "-");

/** Folder of a pair inside of an experiment's. */
export const pairFolder = (source: string, target: string) =>
  `${folderName(source)}-to-${folderName(target)}`;

/** Of no matter here: options do not depend on them. */
const ANY_SIZES = {
  sourceSlices: 10,
  sourceSize: [512, 512],
  targetSlices: 10,
  targetSize: [512, 512],
} as const;

/** Whether a strategy starts from a source-only network: because it must, or because its option `initial` says so. */
export function startsFromModel(strategy: Strategy, entry: StrategyEntry, protocol: Protocol): boolean {
  const initial = entry.options?.initial ?? strategy.defaults(protocol, ANY_SIZES).options.initial;
  return strategy.needs.includes("source-model") || initial === true;
}

/**
 * Every run in the order in which they are made: all strategies and pairs with the first seed, then with the second, so that a
 * comparison is there early; the source-only run of a pair before those that start from its network.
 * @param strategies by id.
 * @throws ExperimentError when a strategy has nothing to start from.
 */
export function planRuns(
  experiment: Experiment,
  strategies: ReadonlyMap<StrategyId, Strategy>,
  file: string,
): PlannedRun[] {
  const { pairs, seeds, sourceModels } = experiment;
  const base = experiment.strategies.find(({ id }) => id === "source-only");
  const needsModel = (entry: StrategyEntry) => {
    const strategy = strategies.get(entry.id);
    if (!strategy) throw new ExperimentError(file, `strategies: ${entry.id} is not there`);
    return startsFromModel(
      strategy,
      entry,
      entry.protocol ?? experiment.settings?.protocol ?? experiment.protocol,
    );
  };
  const ordered = [...experiment.strategies].sort((a, b) => Number(b === base) - Number(a === base));
  const runs: PlannedRun[] = [];
  seeds.forEach((seed, repetition) => {
    for (const pair of pairs) {
      const pairId = pairFolder(pair.source, pair.target);
      const idOf = (entry: StrategyEntry) => `${pairId}/${entry.name}/seed-${seed}`;
      for (const entry of ordered) {
        const wanted = entry.repetitions ?? seeds.length;
        const feeds =
          entry === base &&
          ordered.some((other) => needsModel(other) && repetition < (other.repetitions ?? seeds.length));
        if (repetition >= wanted && !feeds) continue;
        const strategy = strategies.get(entry.id)!;
        const fromRun = needsModel(entry) && !Object.hasOwn(sourceModels, pair.source);
        if (fromRun && !base)
          throw new ExperimentError(
            file,
            `strategies: ${entry.name} starts from a source-only network: add source-only, or name a package in sourceModels.${pair.source}`,
          );
        runs.push({
          id: idOf(entry),
          pairId,
          pair,
          entry,
          strategy,
          protocol: entry.protocol ?? experiment.settings?.protocol ?? experiment.protocol,
          seed,
          startsFrom: fromRun && base ? idOf(base) : null,
        });
      }
    }
  });
  return runs;
}
