import { describe, expect, it } from "vitest";
import { MitoLayerState } from "../../../layers/mito_layer/state.js";

describe("MitoLayerState", () => {
  it("writes nothing while everything is as it is by default", () => {
    expect(JSON.stringify(new MitoLayerState().toJSON())).toBe("{}");
  });

  it("comes back from its JSON", () => {
    const state = new MitoLayerState();
    state.threshold.value = 0.73;
    state.minimumVoxels.value = 12;
    state.showProbability.value = true;
    const json = JSON.parse(JSON.stringify(state.toJSON()));
    expect(json).toEqual({ threshold: 0.73, minimumVoxels: 12, showProbability: true });
    const other = new MitoLayerState();
    other.restoreState({ ...json, type: "mito" });
    expect(other.toJSON()).toEqual(state.toJSON());
    expect(other.labelSettings).toMatchObject({ threshold: 0.73, minimumVoxels: 12, connectivity: 26 });
  });

  it("goes back to the defaults for keys that are not there", () => {
    const state = new MitoLayerState();
    state.threshold.value = 0.9;
    state.restoreState({});
    expect(state.threshold.value).toBe(0.5);
  });

  it.each([
    [{ threshold: 1.5 }, /^threshold: .*0 to 1.*1.5/],
    [{ threshold: "high" }, /^threshold: /],
    [{ minimumVoxels: -1 }, /^minimumVoxels: .*whole number/],
    [{ minimumVoxels: 2.5 }, /^minimumVoxels: .*whole number/],
    [{ showProbability: "yes" }, /^showProbability: .*boolean/],
  ])("names the key in %j, and takes the rest", (json, message) => {
    const state = new MitoLayerState();
    state.threshold.value = 0.9;
    const problems = state.restoreState({ threshold: 0.3, minimumVoxels: 7, showProbability: true, ...json });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(message);
    const defaults = new MitoLayerState();
    const [key] = Object.keys(json) as ("threshold" | "minimumVoxels" | "showProbability")[];
    const used = { threshold: 0.3, minimumVoxels: 7, showProbability: true, [key]: defaults[key].value };
    expect({ ...used }).toEqual({
      threshold: state.threshold.value,
      minimumVoxels: state.minimumVoxels.value,
      showProbability: state.showProbability.value,
    });
  });

  it("tells of each change once", () => {
    const state = new MitoLayerState();
    let changes = 0;
    state.changed.add(() => {
      changes++;
    });
    state.threshold.value = 0.6;
    state.threshold.value = 0.6;
    state.showProbability.toggle();
    expect(changes).toBe(2);
  });
});
