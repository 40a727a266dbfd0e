import type { ReceptiveField } from "../inference/types.js";
import type { PackageContents } from "../model/encode.js";
import type { ChondriaConfig, ModelPackage } from "../model/types.js";
import { checkStrategySettings, totalStepsOf } from "./settings.js";
import { AdaptationError, type Images, type Strategy, type StrategySettings } from "./types.js";

/** Scores of a run, the last one included, where nothing else is said. */
const SCORES = 12;
const LONGEST_NAME = 128;
const LONGEST_DESCRIPTION = 1024;

/** @throws AdaptationError when the strategy needs something of the source that no package, or not this one, carries. */
export function checkNeeds({ id, needs }: Strategy, { config }: Pick<ModelPackage, "config">): void {
  if (needs.includes("source-images"))
    throw new AdaptationError(
      id,
      "needs the labelled images of the source, which no package carries: run it with chondria experiment",
    );
  if (needs.includes("source-histogram") && config.sourceSummary === undefined)
    throw new AdaptationError(
      id,
      "needs the grey values of the source, which this package does not carry: choose another strategy",
    );
}

/**
 * The strategy's settings for minutes, for this network, these images and as many steps as were asked for.
 * @throws AdaptationError when they make no sense.
 */
export function settingsFor(
  strategy: Strategy,
  network: StrategySettings["network"],
  target: readonly Images[],
  {
    steps,
    seed,
    scores = SCORES,
  }: { readonly steps?: number; readonly seed: number; readonly scores?: number },
): StrategySettings {
  const [{ width, height }] = target;
  const defaults = strategy.defaults("reduced", {
    sourceSlices: 1,
    sourceSize: [width, height],
    targetSlices: target.reduce((sum, { em }) => sum + em.length, 0),
    targetSize: [width, height],
  });
  const total = totalStepsOf(strategy, defaults);
  const factor = steps === undefined ? 1 : steps / total;
  const multiple = 2 ** (network.filters.length - 1);
  const edge = Math.min(...target.flatMap((images) => [images.width, images.height]));
  const stages = Object.fromEntries(
    Object.entries(defaults.stages).map(([name, stage]) => {
      const count = Math.max(1, Math.round(stage.steps * factor));
      const scoreEvery = stage.scoreEvery > 0 ? Math.max(1, Math.ceil(count / scores)) : 0;
      return [name, { ...stage, steps: count, scoreEvery, validateEvery: 0, patience: 0 }];
    }),
  );
  const settings: StrategySettings = {
    ...defaults,
    seed,
    network,
    patch: Math.max(multiple, Math.min(defaults.patch, Math.floor(edge / multiple) * multiple)),
    stages,
  };
  checkStrategySettings(strategy, settings);
  return settings;
}

/** An adapted network, and how it was made and chosen. */
export interface AdaptedNetwork extends Pick<PackageContents, "topology" | "weights"> {
  readonly field: ReceptiveField;
  readonly strategy: Pick<Strategy, "id" | "title">;
  /** What people call the volume that it was adapted to. */
  readonly target: string;
  /** "in the viewer", "by chondria adapt" */
  readonly where: string;
  /** Of 8-bit EM. */
  readonly window: ChondriaConfig["window"];
  readonly selection: ChondriaConfig["selection"];
  readonly training: ChondriaConfig["training"];
  /** Mean solidity of the prediction of the target. */
  readonly solidity: { readonly before: number; readonly after: number };
}

const cut = (text: string, most: number) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

/**
 * The package of a network that was adapted from a package's: the source's description and all that is known of the source, with what
 * was done to it.
 */
export function adaptedContents(
  model: ModelPackage,
  adapted: AdaptedNetwork,
  about: Pick<PackageContents, "license" | "timestamp">,
): PackageContents {
  const { formatVersion: _version, files: _files, ...config } = model.config;
  const { topology, weights, field, strategy, target, where, window, selection, training, solidity } =
    adapted;
  const base = model.name.replace(/ adapted to .*$/, "");
  return {
    name: cut(`${base} adapted to ${target}`, LONGEST_NAME),
    description: cut(
      `${base}, adapted to ${target} ${where} by ${strategy.title.toLowerCase()}, without labels: ` +
        `solidity there ${solidity.before.toFixed(3)} before, ${solidity.after.toFixed(3)} after. ${model.description}`,
      LONGEST_DESCRIPTION,
    ),
    topology,
    weights,
    ...about,
    config: {
      ...config,
      strategy: strategy.id,
      target,
      field,
      window,
      selection,
      training,
      // Scores are those of other weights.
      scores: [],
    },
  };
}
