import { describe, expect, it } from "vitest";
import {
  detailText,
  doneFraction,
  formatDuration,
  phaseText,
  resultText,
  targetName,
  worseThanBefore,
} from "../../../layers/mito_layer/adapt_texts.js";
import { OFFERED, whyNot } from "../../../layers/mito_layer/strategies.js";
import { STRATEGIES } from "../../../src/adaptation/registry.js";
import type { AdaptationResult, AdaptationUpdate, ScoredPoint } from "../../../workers/adaptation_api.js";

const update = (changes: Partial<AdaptationUpdate>): AdaptationUpdate => ({
  phase: "adapting",
  step: 3,
  steps: 20,
  read: 8,
  slices: 8,
  losses: [],
  scores: [],
  ...changes,
});
const point = (changes: Partial<ScoredPoint>): ScoredPoint => ({
  step: 0,
  solidity: 0.8,
  ara: 0.01,
  distribution: null,
  regions: 10,
  fraction: 0.36,
  ...changes,
});
const result = (changes: Partial<AdaptationResult>): AdaptationResult => ({
  entry: {} as AdaptationResult["entry"],
  stopped: "finished",
  kept: point({ step: 20, solidity: 0.93, fraction: 0.073 }),
  before: point({}),
  criterion: "solidity",
  prior: 0.952,
  seconds: 42.4,
  backend: "wasm",
  ...changes,
});

describe("the words of an adaptation", () => {
  it("give durations as people say them", () => {
    expect([0.2, 42.4, 89, 90, 3600, 4800 * 2].map(formatDuration)).toEqual([
      "1 s",
      "42 s",
      "89 s",
      "2 min",
      "60 min",
      "2 h 40 min",
    ]);
  });

  it("say where it is, and how far", () => {
    expect(phaseText(undefined, false)).toBe("Starting…");
    expect(phaseText(update({ phase: "reading", read: 3 }), false)).toBe("Reading EM: 3 of 8 sections…");
    expect(phaseText(update({ phase: "scoring", step: 0 }), false)).toMatch(/as it is/);
    expect(phaseText(update({}), false)).toBe("Step 3 of 20");
    expect(phaseText(update({}), true)).toMatch(/^Stopping/);
    expect(detailText(update({ remaining: 200, best: 2, engine: "WebGPU (x)" }))).toBe(
      "About 3 min left, best so far: step 2, on WebGPU (x).",
    );
    expect(detailText(update({}))).toBe("");
    expect(doneFraction(undefined)).toBeUndefined();
    expect(doneFraction(update({ phase: "starting" }))).toBeUndefined();
    expect(doneFraction(update({ phase: "reading", read: 4 }))).toBeCloseTo(0.1);
    expect(doneFraction(update({ step: 20 }))).toBe(1);
  });

  it("say what came out, and warn where the model was better before", () => {
    expect(resultText(result({}))).toBe(
      "Adapted in 42 s. Solidity here 0.800 before, 0.930 after; the source's is 0.952. Foreground 36.0 % before, 7.3 % after. " +
        "Kept: step 20, because its solidity is nearest to the source's.",
    );
    expect(resultText(result({ kept: point({ regions: 0, solidity: 0 }), stopped: "interrupted" }))).toMatch(
      /^Stopped and kept what there was in 42 s\. Nothing is predicted here after it/,
    );
    expect(worseThanBefore(result({}))).toBe(false);
    expect(worseThanBefore(result({ before: point({ solidity: 0.953 }) }))).toBe(true);
    const distributions = { kept: point({ distribution: 0.3 }), before: point({ distribution: 0.2 }) };
    expect(worseThanBefore(result(distributions))).toBe(true);
    expect(worseThanBefore(result({ prior: null }))).toBe(false);
  });

  it.each([
    ["precomputed://phantom://shifted/1/em", "shifted/1/em"],
    [
      "precomputed://gs://neuroglancer-public-data/kasthuri2011/image",
      "neuroglancer-public-data/kasthuri2011/image",
    ],
    ["http://127.0.0.1:4000/data/vnc.ome.zarr/|zarr2:", "data/vnc.ome.zarr"],
    ["precomputed://https://host/em?token=secret", "em"],
    ["", "this volume"],
  ])("call %s %s", (url, name) => {
    expect(targetName(url)).toBe(name);
  });
});

describe("the strategies that the viewer offers", () => {
  it.each(OFFERED)("$id needs nothing but what a package carries, and what is said here", async (offered) => {
    const strategy = await STRATEGIES[offered.id]();
    expect(strategy.needs).not.toContain("source-images");
    expect(strategy.needs.includes("source-histogram")).toBe(offered.needsHistogram);
  });

  it("say why a package is not enough", () => {
    const network = {
      filters: [4, 8],
      normalisation: "none",
      gate: "paper",
      dropout: "none",
      dropoutRates: [0, 0],
      seed: 1,
    };
    const config = (settings: Record<string, unknown>) => ({ training: { command: "", seed: 1, settings } });
    const why = (settings: Record<string, unknown>) =>
      OFFERED.map((strategy) => whyNot(strategy, config(settings)));
    expect(why({ network })).toEqual([
      expect.stringMatching(/normalisation layers/),
      expect.stringMatching(/normalisation layers/),
      undefined,
    ]);
    expect(why({ network: { ...network, normalisation: "batch" } })).toEqual([
      undefined,
      expect.stringMatching(/grey values/),
      undefined,
    ]);
    for (const reason of why({})) expect(reason).toMatch(/single Attention U-Net/);
  });
});
