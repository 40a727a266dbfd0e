import { StatusMessage } from "neuroglancer/unstable/status.js";
import { RefCounted } from "neuroglancer/unstable/util/disposable.js";
import type { Viewer } from "neuroglancer/unstable/viewer.js";

/**
 * Says which data source could not be loaded, and why. Neuroglancer itself only shows that in the layer's Source tab,
 * where nobody looks who just opened a link and sees a grey page.
 */
export class SourceErrorMessages extends RefCounted {
  private readonly shown = new Map<string, StatusMessage>();
  /** What the user has dismissed stays away until it is different. */
  private readonly dismissed = new Set<string>();

  constructor(private readonly viewer: Viewer) {
    super();
    const update = () => this.update();
    this.registerDisposer(viewer.layerManager.layersChanged.add(update));
    this.registerDisposer(viewer.layerManager.specificationChanged.add(update));
    this.registerDisposer(() => {
      for (const message of this.shown.values()) message.dispose();
    });
    update();
  }

  private update(): void {
    const present = new Set<string>();
    for (const { name, layer } of this.viewer.layerManager.managedLayers) {
      for (const { spec, loadState } of layer?.dataSources ?? []) {
        if (loadState?.error === undefined) continue;
        present.add(`Layer “${name}”: ${spec.url} could not be loaded: ${loadState.error.message}`);
      }
    }
    for (const [text, message] of this.shown) {
      if (present.has(text)) continue;
      message.dispose();
      this.shown.delete(text);
    }
    for (const text of this.dismissed) if (!present.has(text)) this.dismissed.delete(text);
    for (const text of present) if (!this.shown.has(text) && !this.dismissed.has(text)) this.show(text);
  }

  private show(text: string): void {
    const message = new StatusMessage();
    message.element.setAttribute("role", "alert");
    message.element.append(text, " ");
    const dismiss = document.createElement("button");
    dismiss.textContent = "Dismiss";
    dismiss.addEventListener("click", () => {
      this.dismissed.add(text);
      this.shown.delete(text);
      message.dispose();
    });
    message.element.append(dismiss);
    this.shown.set(text, message);
  }
}
