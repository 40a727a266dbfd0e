import { RefCounted } from "neuroglancer/unstable/util/disposable.js";
import type { Viewer } from "neuroglancer/unstable/viewer.js";
import type { MitoUserLayer } from "../mito_layer/layer.js";
import type { MorphologyPanelState } from "../morphology_panel/panel_state.js";
import { ChunkValues } from "./chunk_values.js";
import { TintLayer, tintBoxes } from "./tint_layer.js";

/** The tint of one prediction layer, in every view that shows the layer. */
class LayerTint extends RefCounted {
  readonly values: ChunkValues;
  private readonly tint: TintLayer;

  constructor(
    viewer: Viewer,
    private readonly layer: MitoUserLayer,
    state: MorphologyPanelState,
  ) {
    super();
    const values = this.registerDisposer(new ChunkValues(layer, state.metric.value));
    this.values = values;
    this.tint = new TintLayer(viewer.display.gl, () => layer.placement());
    const show = () =>
      this.tint.setBoxes(
        values.value === undefined
          ? { count: 0, corners: new Float32Array(0), colours: new Uint8Array(0) }
          : tintBoxes(values.value),
      );
    this.registerDisposer(values.changed.add(show));
    show();
  }

  /** Apart from the constructor, because the viewer tells of the new layer at once, and this one must be known by then. */
  start(): void {
    this.registerDisposer(this.layer.addRenderLayer(this.tint));
  }
}

/**
 * Tints the chunks of all prediction layers by the map's metric while the state says so: side by side, each view then shows where its
 * own model is off.
 */
export class ChunkTint extends RefCounted {
  private readonly tints = new Map<MitoUserLayer, LayerTint>();

  constructor(
    private readonly viewer: Viewer,
    private readonly layers: () => readonly MitoUserLayer[],
    private readonly state: MorphologyPanelState,
  ) {
    super();
    const update = () => this.update();
    this.registerDisposer(viewer.layerManager.layersChanged.add(update));
    this.registerDisposer(state.tint.changed.add(update));
    this.registerDisposer(
      state.metric.changed.add(() => {
        for (const { values } of this.tints.values()) values.setMetric(state.metric.value);
      }),
    );
    this.registerDisposer(() => {
      for (const layer of [...this.tints.keys()]) this.drop(layer);
    });
    update();
  }

  private update(): void {
    const wanted = new Set(this.state.tint.value ? this.layers() : []);
    for (const layer of [...this.tints.keys()]) if (!wanted.has(layer)) this.drop(layer);
    for (const layer of wanted) {
      if (this.tints.has(layer)) continue;
      const tint = new LayerTint(this.viewer, layer, this.state);
      this.tints.set(layer, tint);
      tint.start();
    }
  }

  private drop(layer: MitoUserLayer): void {
    const tint = this.tints.get(layer);
    this.tints.delete(layer);
    tint?.dispose();
  }
}
