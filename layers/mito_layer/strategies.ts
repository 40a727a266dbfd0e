import { sourceNetworkOf } from "../../src/adaptation/source_network.js";
import type { StrategyId } from "../../src/adaptation/types.js";
import type { ChondriaConfig } from "../../src/model/types.js";

/**
 * The strategies that the viewer offers: those that do with unlabelled EM of the target and what a package carries of its source.
 * Only words and needs: the strategies themselves are loaded by the adaptation worker.
 */
export interface OfferedStrategy {
  readonly id: StrategyId;
  readonly label: string;
  readonly about: string;
  /** Steps that are offered: enough to see what it does. */
  readonly steps: number;
  /** Whether it trains: minutes, and more of them help. */
  readonly trains: boolean;
  /** What the package must carry, beside the network itself. */
  readonly needsHistogram: boolean;
  readonly needsNormalisation: boolean;
}

export const OFFERED: readonly OfferedStrategy[] = [
  {
    id: "target-statistics",
    label: "Target statistics",
    about:
      "Seconds (a minute without a GPU): measures the EM here for the network's normalisation layers. Try this first.",
    steps: 20,
    trains: false,
    needsHistogram: false,
    needsNormalisation: true,
  },
  {
    id: "target-statistics-matched",
    label: "Target statistics, grey values matched",
    about: "Seconds, too: also gives the EM here the source's grey values, for other contrast or brightness.",
    steps: 20,
    trains: false,
    needsHistogram: true,
    needsNormalisation: true,
  },
  {
    id: "self-training",
    label: "Self-training",
    about: "Minutes: the network learns from its own running mean on distorted patches of the EM here.",
    steps: 100,
    trains: true,
    needsHistogram: false,
    needsNormalisation: false,
  },
];

/** Why a strategy cannot start from a package, in words; undefined when it can. */
export function whyNot(
  strategy: OfferedStrategy,
  config: Pick<ChondriaConfig, "training" | "sourceSummary">,
): string | undefined {
  const network = sourceNetworkOf(config);
  if (network === null)
    return "Needs a model that is a single Attention U-Net, such as a source-only one: this is a chain of networks, or comes from elsewhere.";
  if (strategy.needsNormalisation && network.normalisation === "none")
    return "Needs a network with normalisation layers: this one has none.";
  if (strategy.needsHistogram && config.sourceSummary === undefined)
    return "Needs the grey values of the source: this model's package does not carry them.";
  return undefined;
}
