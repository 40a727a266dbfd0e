import { describe, expect, it } from "vitest";
import { MorphologyPanelState } from "../../../layers/morphology_panel/panel_state.js";

describe("MorphologyPanelState", () => {
  it("adds no key to a stock state", () => {
    expect(new MorphologyPanelState().toJSON()).toBeUndefined();
  });

  it("comes back from its JSON and resets to nothing", () => {
    const state = new MorphologyPanelState();
    state.location.visible = true;
    state.scope.value = "all";
    state.order = { column: "objects", descending: true };
    state.layer.value = "mitochondria (a)";
    const json = JSON.parse(JSON.stringify(state.toJSON()));
    expect(json).toEqual({ visible: true, scope: "all", order: "-objects", layer: "mitochondria (a)" });
    const other = new MorphologyPanelState();
    other.restoreState(json);
    expect(other.toJSON()).toEqual(state.toJSON());
    expect(other.order).toEqual({ column: "objects", descending: true });
    other.reset();
    expect(other.toJSON()).toBeUndefined();
  });

  it("takes the default for what it does not know", () => {
    const state = new MorphologyPanelState();
    state.scope.value = "all";
    state.restoreState({ order: "price", scope: 3, layer: "a" });
    expect(state.toJSON()).toEqual({ layer: "a" });
  });
});
