import { throttle } from "lodash-es";
import { SidePanel } from "neuroglancer/unstable/ui/side_panel.js";
import type { Viewer } from "neuroglancer/unstable/viewer.js";
import { element } from "../mito_layer/dom.js";
import { ProofreadingController } from "./controller.js";
import { LogSection } from "./log_section.js";
import { ObjectSection } from "./object_section.js";
import { QueueSection } from "./queue_section.js";
import { ProofreadingState } from "./state.js";
import "./style.css";

/** What is shown follows at most this often, ms. */
const INTERVAL = 50;

/** The object that is worked on, the queue, and the log of one prediction layer. */
export class ProofreadingPanel extends SidePanel {
  private unbind: (() => void) | undefined;

  constructor(
    viewer: Viewer,
    private readonly controller: ProofreadingController,
    state: ProofreadingState,
  ) {
    super(viewer.sidePanelManager, state.location);
    this.addTitleBar({ title: "Proofreading" });
    const editor = () => controller.editor;
    const sections = [new ObjectSection(editor), new QueueSection(editor, state), new LogSection(editor)];
    this.addBody(
      element("div", { class: "mito-panel proof-panel" }, ...sections.map((section) => section.element)),
    );
    const update = throttle(() => {
      for (const section of sections) section.update();
    }, INTERVAL);
    this.registerDisposer(() => update.cancel());
    const bind = () => {
      this.unbind?.();
      this.unbind = this.controller.editor?.updated.add(update);
      update();
    };
    this.registerDisposer(() => this.unbind?.());
    this.registerDisposer(controller.changed.add(bind));
    this.registerDisposer(state.changed.add(update));
    bind();
  }
}

/**
 * Gives the viewer proofreading: edits of all predictions, the panel with its place in the state (key "proofreading"), and the action
 * "toggle-proofreading" (Alt+p).
 * @returns shows or hides the panel.
 */
export function addProofreading(viewer: Viewer): { readonly state: ProofreadingState; toggle(): void } {
  const state = new ProofreadingState();
  viewer.state.add("proofreading", state);
  const controller = viewer.registerDisposer(new ProofreadingController(viewer, state));
  viewer.registerDisposer(
    viewer.sidePanelManager.registerPanel({
      location: state.location,
      makePanel: () => new ProofreadingPanel(viewer, controller, state),
    }),
  );
  const toggle = () => {
    state.location.visible = !state.location.visible;
  };
  viewer.inputEventBindings.global.set("alt+keyp", "toggle-proofreading");
  viewer.bindAction("toggle-proofreading", toggle);
  // For tests, and for looking inside, beside `chondria.counters()`.
  const holder = globalThis as { chondria?: object };
  holder.chondria = Object.assign(holder.chondria ?? {}, { proofreading: controller });
  return { state, toggle };
}
