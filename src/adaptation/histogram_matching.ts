import { type MatchingTemplate, matchSlices, templateOf } from "./histogram.js";
import { supervisedDefaults, superviseOn } from "./source_only.js";
import { AdaptationError, type Strategy, type StrategyId, type StrategyInput } from "./types.js";

/** @throws AdaptationError when the target has nothing to match. */
export function targetTemplate(strategy: StrategyId, input: Pick<StrategyInput, "target">): MatchingTemplate {
  if (input.target.every((stack) => stack.em.length === 0))
    throw new AdaptationError(strategy, "needs images of the target");
  try {
    return templateOf(input.target);
  } catch (cause) {
    throw new AdaptationError(strategy, "the target's images are black", { cause });
  }
}

/**
 * The baseline on source slices that were given the histogram of all pixels of the target, each slice on its own
 * (Franco-Barranco et al., 2022, "s-t" data sets).
 */
export const histogramMatching: Strategy = {
  id: "histogram-matching",
  title: "Histogram matching",
  summary: "Trains on source slices whose grey values were given the target's histogram.",
  needs: ["source-images", "target-images"],
  stages: ["train"],
  defaults: (protocol, sizes) => supervisedDefaults("histogram-matching", protocol, sizes),
  async start(input) {
    if (!input.source) throw new AdaptationError("histogram-matching", "needs the labelled source");
    const { train, validation } = input.source;
    const template = targetTemplate("histogram-matching", input);
    return superviseOn("histogram-matching", input, {
      train: matchSlices(train, template),
      validation: matchSlices(validation, template),
    });
  },
};

/** The same with every other patch matched as it is drawn, as the authors do within Attention Y-Net. */
export const histogramMatchingOnline: Strategy = {
  id: "histogram-matching-online",
  title: "Histogram matching, patch by patch",
  summary:
    "Trains on source patches of which every other one is given the target's histogram as it is drawn.",
  needs: ["source-images", "target-images"],
  stages: ["train"],
  defaults: (protocol, sizes) => supervisedDefaults("histogram-matching-online", protocol, sizes),
  async start(input) {
    if (!input.source) throw new AdaptationError("histogram-matching-online", "needs the labelled source");
    const { train, validation } = input.source;
    const template = targetTemplate("histogram-matching-online", input);
    return superviseOn("histogram-matching-online", input, {
      train,
      validation: matchSlices(validation, template),
      matching: { template, probability: 0.5 },
    });
  },
};
