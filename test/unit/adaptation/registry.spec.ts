import { describe, expect, it } from "vitest";
import { STRATEGIES } from "../../../src/adaptation/registry.js";
import { checkStrategySettings, readOptions, totalStepsOf } from "../../../src/adaptation/settings.js";
import { STRATEGY_IDS } from "../../../src/adaptation/types.js";

/** VNC as the source and Lucchi++ as the target, at 5 nm. */
const sizes = {
  sourceSlices: 18,
  sourceSize: [512, 1024],
  targetSlices: 330,
  targetSize: [1024, 768],
} as const;

describe.each(STRATEGY_IDS)("strategy %s", (id) => {
  it("is there, under its name, with settings that can be", async () => {
    const strategy = await STRATEGIES[id]();
    expect(strategy.id).toBe(id);
    expect(strategy.title.length).toBeLessThan(60);
    expect(strategy.summary).toMatch(/^[A-Z].*\.$/);
    expect(strategy.stages.length).toBeGreaterThan(0);
    for (const protocol of ["paper", "reduced"] as const) {
      const settings = strategy.defaults(protocol, sizes);
      expect(() => checkStrategySettings(strategy, settings)).not.toThrow();
      // Plain JSON: it goes into checkpoints, results and packages.
      expect(JSON.parse(JSON.stringify(settings))).toEqual(settings);
    }
    const reduced = totalStepsOf(strategy, strategy.defaults("reduced", sizes));
    expect(reduced).toBeLessThanOrEqual(3000);
  });
});

describe("options", () => {
  const defaults = { rate: 0.5, name: "a", on: true };

  it("are those given, and the defaults of the others", () => {
    expect(readOptions("cut", { rate: 2 }, defaults)).toEqual({ rate: 2, name: "a", on: true });
    expect(readOptions("cut", {}, {})).toEqual({});
  });

  it.each([
    [{ rates: 1 }, /cut: there is no option rates; its options are: rate, name, on/],
    [{ toString: 1 }, /no option toString/],
    [{ rate: "1" }, /option rate must be a number, not "1"/],
    [{ rate: Number.NaN }, /option rate must be a number/],
    [{ on: 1 }, /option on must be a boolean/],
  ])("are refused when they are not known, or of another type: %j", (given, message) => {
    expect(() => readOptions("cut", given as unknown as Record<string, number>, defaults)).toThrow(message);
  });
});
