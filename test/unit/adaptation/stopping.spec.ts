import { describe, expect, it } from "vitest";
import { araRuleOf, pickEpochs } from "../../../src/adaptation/stopping.js";
import type { ScoredEpoch } from "../../../src/adaptation/types.js";

const PRIORS = { solidity: 0.94, ara: 0.006 };

function run(...values: Partial<ScoredEpoch>[]): ScoredEpoch[] {
  return values.map((value, i) => ({
    stage: "train",
    step: 100 * (i + 1),
    totalSteps: 100 * (i + 1),
    solidity: 0,
    ara: 0,
    distribution: null,
    validation: null,
    targetIou: null,
    ...value,
  }));
}

describe("pickEpochs", () => {
  it("takes what is nearest the prior from either side", () => {
    const epochs = run({ solidity: 0.9 }, { solidity: 0.97 }, { solidity: 0.92 }, { solidity: 0.98 });
    expect(pickEpochs(epochs, PRIORS).solidity).toBe(2);
  });

  it("takes the earliest of equals by solidity, validation, distribution and target", () => {
    const same = { solidity: 0.93, distribution: 0.25, validation: 0.5, targetIou: 0.5 };
    const worse = { solidity: 0.8, distribution: 0.75, validation: 0.25, targetIou: 0.25 };
    const picks = pickEpochs(run(worse, same, same, worse), PRIORS);
    expect(picks).toMatchObject({ solidity: 1, distribution: 1, validation: 1, oracle: 1, last: 3 });
  });

  it("lets no earliest epoch stand in the way of solidity, but of ARA", () => {
    const epochs = run({ solidity: 0.94, ara: 0.006 }, {}, {}, { ara: 0.001 }, { ara: 0.007 });
    const picks = pickEpochs(epochs, PRIORS);
    expect(picks.solidity).toBe(0);
    // Snapshots 0, 1, 2 are epochs 0, 2, 4: not above 4.
    expect(picks.ara).toBe(4);
  });

  it("follows the two ARA rules of the authors", () => {
    const ara = [0.004, 0.006, 0.006, 0.0055, 0.009, 0.005, 0.005, 0.01];
    const epochs = run(...ara.map((value) => ({ ara: value })));
    // After epoch 4, the earliest of equals: 0.0055.
    expect(pickEpochs(epochs, PRIORS, "attention-y-net").ara).toBe(3);
    // Epochs 0, 10, 12, 14, the latest of equals: the second 0.005.
    expect(pickEpochs(epochs, PRIORS, "self-supervised").ara).toBe(6);
    expect(araRuleOf("self-supervised")).toBe("self-supervised");
    expect(araRuleOf("damt-net")).toBe("attention-y-net");
  });

  it("looks at all of a run that is too short for the ARA rule", () => {
    expect(pickEpochs(run({ ara: 0.001 }, { ara: 0.0059 }, { ara: 0.02 }), PRIORS).ara).toBe(1);
  });

  it("picks nothing by what was not measured", () => {
    expect(pickEpochs(run({ solidity: 0.9 }), PRIORS)).toEqual({
      solidity: 0,
      ara: 0,
      distribution: null,
      validation: null,
      last: 0,
      oracle: null,
    });
    expect(Object.values(pickEpochs([], PRIORS))).toEqual([null, null, null, null, null, null]);
    const some = run({ validation: null }, { validation: 0.3 }, { validation: null });
    expect(pickEpochs(some, PRIORS).validation).toBe(1);
  });

  it("refuses values that are no numbers", () => {
    const epochs = run({}, { solidity: Number.NaN });
    expect(() => pickEpochs(epochs, PRIORS)).toThrow("solidity at step 200 is NaN");
  });
});
