import type { Viewer } from "neuroglancer/unstable/viewer.js";
import { DisagreementMetric } from "../chunk_map/disagreement.js";
import "../mito/agreement_source.js";
import { askForComparison } from "./choose.js";
import { ComparisonState } from "./comparison_state.js";
import { ComparisonController } from "./controller.js";
import { ComparisonPanel } from "./panel.js";

/**
 * Gives the viewer the comparison: its data source, its panel with a place in the state, and the action "compare-models" with the key c,
 * which asks for models, or shows and hides the panel of a comparison that is open.
 * @returns What the toolbar's button does.
 */
export function addComparison(viewer: Viewer): () => void {
  const state = new ComparisonState();
  const controller = viewer.registerDisposer(new ComparisonController(viewer, state));
  viewer.registerDisposer(new DisagreementMetric(controller));
  viewer.state.add("comparisonPanel", state);
  viewer.registerDisposer(
    viewer.sidePanelManager.registerPanel({
      location: state.location,
      makePanel: () => new ComparisonPanel(viewer, controller),
    }),
  );
  const compare = () => {
    if (controller.agreement === undefined) void askForComparison(viewer, []);
    else state.location.visible = !state.location.visible;
  };
  viewer.inputEventBindings.global.set("keyc", "compare-models");
  viewer.bindAction("compare-models", compare);
  return compare;
}
