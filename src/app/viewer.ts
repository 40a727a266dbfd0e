import "neuroglancer";
import { DisplayContext } from "neuroglancer/unstable/display_context.js";
import "neuroglancer/unstable/sliceview/chunk_format_handlers.js";
import { StatusMessage } from "neuroglancer/unstable/status.js";
import {
  bindDefaultCopyHandler,
  bindDefaultPasteHandler,
} from "neuroglancer/unstable/ui/default_clipboard_handling.js";
import { setDefaultInputEventBindings } from "neuroglancer/unstable/ui/default_input_event_bindings.js";
import "neuroglancer/unstable/ui/default_viewer.css";
import { disableContextMenu, disableWheel } from "neuroglancer/unstable/ui/disable_default_actions.js";
import { bindTitle } from "neuroglancer/unstable/ui/title.js";
import { UrlHashBinding } from "neuroglancer/unstable/ui/url_hash_binding.js";
import { Viewer } from "neuroglancer/unstable/viewer.js";
import "../../layers/mito/register.js";
import "../../layers/mito_layer/register.js";
import "../../layers/phantom_kvstore.js";
import { addComparison } from "../../layers/comparison/register.js";
import { addMorphologyPanel } from "../../layers/morphology_panel/panel.js";
import { MorphologyPanelState } from "../../layers/morphology_panel/panel_state.js";
import { addProofreading } from "../../layers/proofreading/panel.js";
import { makeDataContext } from "./data_context.js";
import { SourceErrorMessages } from "./error_messages.js";
import { addToolbar } from "./toolbar.js";

/**
 * Starts Neuroglancer in `target` as its own `setupDefaultViewer` does, but with our data-management context (our
 * chunk worker) and without the "add a layer" dialog, whose place the start page takes. The state comes from the
 * URL's fragment and goes back there.
 */
export function startViewer(target: HTMLElement, openStartPage: () => void): Viewer {
  disableContextMenu();
  disableWheel();
  const display = new DisplayContext(target);
  const viewer = new Viewer(display, { dataContext: makeDataContext(display), showLayerDialog: false });
  setDefaultInputEventBindings(viewer.inputEventBindings);
  const morphology = new MorphologyPanelState();
  addMorphologyPanel(viewer, morphology);
  const compare = addComparison(viewer);
  const proofreading = addProofreading(viewer);
  addToolbar(viewer, morphology, { openStartPage, compare, proofreading });
  viewer.registerDisposer(new SourceErrorMessages(viewer));
  bindState(viewer);
  viewer.registerDisposer(bindTitle(viewer.title));
  bindDefaultCopyHandler(viewer);
  bindDefaultPasteHandler(viewer);
  return viewer;
}

function bindState(viewer: Viewer) {
  const binding = viewer.registerDisposer(
    new UrlHashBinding(viewer.state, viewer.dataSourceProvider.sharedKvStoreContext, {}),
  );
  let message: StatusMessage | undefined;
  viewer.registerDisposer(
    binding.parseError.changed.add(() => {
      // Its "Dismiss" button disposes of it too, and it does not bear that twice.
      if (message?.element.isConnected) message.dispose();
      message = undefined;
      const error: unknown = binding.parseError.value;
      if (error === undefined) return;
      message = new StatusMessage();
      message.setErrorMessage(
        `The state in the address is not one that Neuroglancer reads: ${error instanceof Error ? error.message : error}`,
      );
    }),
  );
  binding.updateFromUrlHash();
}

/**
 * Shows the x, y slices of a volume whose dimensions come as z, y, x (as Zarr's do), once they are known. For a volume
 * that was opened by its address alone; a state that someone made is shown as they left it.
 */
export function showSlices(viewer: Viewer): void {
  const { coordinateSpace, displayDimensions } = viewer;
  const turn = (): boolean => {
    const { names } = coordinateSpace.value;
    const indices = ["x", "y", "z"].map((name) => names.indexOf(name));
    if (indices.includes(-1)) return false;
    if (displayDimensions.default) displayDimensions.setDimensionIndices(3, Int32Array.from(indices));
    return true;
  };
  if (turn()) return;
  const stop = coordinateSpace.changed.add(() => {
    if (turn()) stop();
  });
}
