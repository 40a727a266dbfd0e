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

  it("keeps tab, object table and map in the state, in one word each", () => {
    const state = new MorphologyPanelState();
    state.tab.value = "map";
    state.objectOrder = { column: "majorAxis", descending: false };
    state.objectFilter.value = "volume>0.1";
    state.objectColumns.value = ["volume", "state"];
    state.metric.value = "fraction";
    state.tint.value = true;
    const json = JSON.parse(JSON.stringify(state.toJSON()));
    expect(json).toEqual({
      tab: "map",
      objectOrder: "majorAxis",
      objectFilter: "volume>0.1",
      objectColumns: ["volume", "state"],
      metric: "fraction",
      tint: true,
    });
    const other = new MorphologyPanelState();
    other.restoreState(json);
    expect(other.toJSON()).toEqual(state.toJSON());
    expect(other.objectOrder).toEqual({ column: "majorAxis", descending: false });
    other.reset();
    expect(other.toJSON()).toBeUndefined();
  });

  it("reads the links of the first version", () => {
    const state = new MorphologyPanelState();
    state.restoreState({ visible: true, scope: "all", order: "-objects" });
    expect(state.tab.value).toBe("chunks");
    expect(state.order).toEqual({ column: "objects", descending: true });
  });

  it.each([
    { objectColumns: ["volume", "price"] },
    { objectColumns: [] },
    { objectColumns: "volume" },
    { objectOrder: "--volume" },
    { tab: "none" },
    { objectFilter: 3 },
    { tint: "yes" },
  ])("takes the default for %j", (json) => {
    const state = new MorphologyPanelState();
    state.restoreState(json);
    expect(state.toJSON()).toBeUndefined();
  });

  it("takes the default for what it does not know", () => {
    const state = new MorphologyPanelState();
    state.scope.value = "all";
    state.restoreState({ order: "price", scope: 3, layer: "a" });
    expect(state.toJSON()).toEqual({ layer: "a" });
  });
});
