import { throttle } from "lodash-es";
import { RefCounted } from "neuroglancer/unstable/util/disposable.js";
import { EventActionMap } from "neuroglancer/unstable/util/event_action_map.js";
import { NullarySignal } from "neuroglancer/unstable/util/signal.js";
import type { Viewer } from "neuroglancer/unstable/viewer.js";
import type { Vec3 } from "../../src/volume/types.js";
import { openEditStore } from "../../workers/edit_store.js";
import { MitoState } from "../mito/frontend.js";
import type { MitoUserLayer } from "../mito_layer/layer.js";
import { RegionError, voxelAt } from "../mito_layer/region.js";
import { mitoLayers } from "../morphology_panel/panel.js";
import { readAuthor } from "./author.js";
import { LayerEditor } from "./editor.js";
import { ACTIONS, CLICK_ACTION, type KeyAction, LINE_ACTION, MODE_ACTIONS } from "./keys.js";
import { EditSession } from "./session.js";
import type { ProofreadingState } from "./state.js";

/** Layers come and go in bursts (ms). */
const REFRESH_INTERVAL = 100;
/** The mouse moves a little in a click, px. */
const STILL = 4;

/**
 * Edits in a viewer: a session for each prediction, also while the panel is hidden, so that corrected objects are shown after a reload; and,
 * while the panel is open, keys and clicks.
 */
export class ProofreadingController extends RefCounted {
  /** Dispatched when another layer is edited. */
  readonly changed = new NullarySignal();
  private readonly editors = new Map<MitoState, LayerEditor>();
  private pressed: readonly [number, number] = [0, 0];
  private readonly refresh = throttle(() => this.update(), REFRESH_INTERVAL);
  private bound: (() => void) | undefined;
  private modeBound: (() => void) | undefined;
  private shown: LayerEditor | undefined;

  constructor(
    private readonly viewer: Viewer,
    private readonly state: ProofreadingState,
  ) {
    super();
    const { layerManager } = viewer;
    this.registerDisposer(() => this.refresh.cancel());
    for (const signal of [
      layerManager.layersChanged,
      layerManager.specificationChanged,
      viewer.selectedLayer.changed,
    ])
      this.registerDisposer(signal.add(this.refresh));
    this.registerDisposer(state.location.locationChanged.add(() => this.bindKeys()));
    this.registerDisposer(() => {
      this.bound?.();
      this.modeBound?.();
      for (const editor of this.editors.values()) this.close(editor);
    });
    this.bindActions();
    this.bindKeys();
    this.registerEventListener(
      viewer.element,
      "mousedown",
      (event: Event) => {
        const { clientX, clientY } = event as MouseEvent;
        this.pressed = [clientX, clientY];
      },
      { capture: true },
    );
    this.registerEventListener(window, "beforeunload", (event: BeforeUnloadEvent) => {
      for (const { session } of this.editors.values()) if (session.unstoredCount > 0) event.preventDefault();
    });
    this.update();
  }

  /** The editor of the selected prediction layer, else of the first; undefined while none is loaded. */
  get editor(): LayerEditor | undefined {
    const layers = mitoLayers(this.viewer);
    const selected = layers.find(({ managedLayer }) => managedLayer === this.viewer.selectedLayer.layer);
    const mito = (selected ?? layers.at(0))?.mito.value;
    return mito instanceof MitoState ? this.editors.get(mito) : undefined;
  }

  private update(): void {
    if (this.wasDisposed) return;
    const wanted = new Map<MitoState, MitoUserLayer>();
    for (const layer of mitoLayers(this.viewer)) {
      const mito = layer.mito.value;
      if (mito instanceof MitoState) wanted.set(mito, layer);
    }
    for (const [mito, editor] of this.editors)
      if (!wanted.has(mito)) {
        this.editors.delete(mito);
        this.close(editor);
      }
    for (const [mito, layer] of wanted) {
      if (this.editors.has(mito)) continue;
      const session = new EditSession(mito, { author: readAuthor, openStore: openEditStore });
      const editor = new LayerEditor(layer, session, this.state);
      editor.registerDisposer(editor.updated.add(() => this.bindMode()));
      this.editors.set(mito, editor);
    }
    const { editor } = this;
    if (editor === this.shown) return;
    this.shown = editor;
    this.bindMode();
    this.changed.dispatch();
  }

  private close(editor: LayerEditor): void {
    editor.dispose();
    editor.session.dispose();
  }

  private bindActions(): void {
    for (const { action, run } of [...ACTIONS, ...MODE_ACTIONS]) {
      const act = () => {
        const { editor } = this;
        if (editor !== undefined) void editor.quietly(run(editor));
      };
      this.viewer.bindAction(action, act);
    }
    this.bindClick(CLICK_ACTION, (editor, voxel) => editor.click(voxel));
    this.bindClick(LINE_ACTION, (editor, voxel) => editor.line(voxel));
  }

  private bindClick(action: string, run: (editor: LayerEditor, voxel: Vec3) => Promise<void>): void {
    this.viewer.bindAction(action, ({ detail }: { detail: unknown }) => {
      const { clientX, clientY } = detail as MouseEvent;
      if (Math.hypot(clientX - this.pressed[0], clientY - this.pressed[1]) > STILL) return;
      const { editor } = this;
      const voxel = editor && this.voxelUnderMouse(editor);
      if (editor !== undefined && voxel !== undefined) void editor.quietly(run(editor, voxel));
    });
  }

  /** Our keys work while the panel is open. */
  private bindKeys(): void {
    const { visible } = this.state.location;
    if (visible === (this.bound !== undefined)) return;
    if (!visible) {
      void this.editor?.cancel();
      this.bound?.();
      this.bound = undefined;
      return;
    }
    this.bound = this.bindMaps(ACTIONS, { "at:click0": { action: CLICK_ACTION, stopPropagation: false } });
  }

  /** The keys of a mode work while it is on. */
  private bindMode(): void {
    const on = this.state.location.visible && this.editor?.mode !== undefined;
    if (on === (this.modeBound !== undefined)) return;
    this.modeBound?.();
    this.modeBound = on
      ? this.bindMaps(MODE_ACTIONS, { "at:shift+click0": { action: LINE_ACTION, stopPropagation: false } })
      : undefined;
  }

  private bindMaps(
    actions: readonly KeyAction[],
    mouse: { [event: string]: { action: string; stopPropagation: boolean } },
  ): () => void {
    const keys = Object.fromEntries(actions.flatMap(({ keys, action }) => keys.map((key) => [key, action])));
    const { global, sliceView, perspectiveView } = this.viewer.inputEventBindings;
    const ends = [
      global.addParent(EventActionMap.fromObject(keys), Number.POSITIVE_INFINITY),
      sliceView.addParent(EventActionMap.fromObject({ ...keys, ...mouse }), Number.POSITIVE_INFINITY),
      perspectiveView.addParent(EventActionMap.fromObject(keys), Number.POSITIVE_INFINITY),
    ];
    return () => {
      for (const end of ends) end();
    };
  }

  private voxelUnderMouse({ layer }: LayerEditor): Vec3 | undefined {
    const { mouseState } = this.viewer;
    const placement = layer.placement();
    if (placement === undefined || !mouseState.updateUnconditionally()) return undefined;
    try {
      const [x, y, z] = voxelAt(placement, mouseState.position);
      return [Math.floor(x), Math.floor(y), Math.floor(z)];
    } catch (error) {
      if (error instanceof RegionError) return undefined;
      throw error;
    }
  }
}
