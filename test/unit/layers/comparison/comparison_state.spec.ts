import { describe, expect, it } from "vitest";
import { ComparisonState } from "../../../../layers/comparison/comparison_state.js";

describe("ComparisonState", () => {
  it("adds no key to a stock state", () => {
    expect(new ComparisonState().toJSON()).toBeUndefined();
  });

  it("comes back from its JSON, resets to nothing, and says that it changed", () => {
    const state = new ComparisonState();
    let changes = 0;
    state.changed.add(() => changes++);
    state.location.visible = true;
    state.scope.value = "chunk";
    state.sameThreshold.value = false;
    state.reference.value = "truth";
    expect(changes).toBe(4);
    const json = JSON.parse(JSON.stringify(state.toJSON()));
    expect(json).toEqual({ visible: true, scope: "chunk", sameThreshold: false, reference: "truth" });
    const other = new ComparisonState();
    other.restoreState(json);
    expect(other.toJSON()).toEqual(state.toJSON());
    other.reset();
    expect(other.toJSON()).toBeUndefined();
  });

  it("takes the default for what cannot be used", () => {
    const state = new ComparisonState();
    state.restoreState({ scope: "everything", reference: 7, sameThreshold: "no" });
    expect(state.toJSON()).toBeUndefined();
    expect(() => state.restoreState(7)).toThrow();
  });
});
