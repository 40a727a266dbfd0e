import type { Strategy, StrategyId } from "./types.js";

/** Every strategy, loaded when asked for, so that the browser fetches only what it runs. */
export const STRATEGIES: Readonly<Record<StrategyId, () => Promise<Strategy>>> = {
  "source-only": async () => (await import("./source_only.js")).sourceOnly,
  "histogram-matching": async () => (await import("./histogram_matching.js")).histogramMatching,
  "histogram-matching-online": async () => (await import("./histogram_matching.js")).histogramMatchingOnline,
  cut: async () => (await import("./cut.js")).cut,
  fastcut: async () => (await import("./cut.js")).fastcut,
  "self-supervised": async () => (await import("./self_supervised.js")).selfSupervised,
  "attention-y-net": async () => (await import("./attention_y_net.js")).attentionYNet,
  "y-net": async () => (await import("./y_net.js")).yNet,
  "damt-net": async () => (await import("./damt_net.js")).damtNet,
  "target-statistics": async () => (await import("./target_statistics.js")).targetStatistics,
  "target-statistics-matched": async () => (await import("./target_statistics.js")).targetStatisticsMatched,
  "style-randomisation": async () => (await import("./self_training.js")).styleRandomisation,
  "self-training": async () => (await import("./self_training.js")).selfTraining,
};
