import { getCssColor } from "neuroglancer/unstable/segment_color.js";
import { getBaseObjectColor } from "neuroglancer/unstable/segmentation_display_state/frontend.js";
import { RefCounted } from "neuroglancer/unstable/util/disposable.js";
import type { MitoUserLayer } from "../mito_layer/layer.js";

export interface SelectionHandlers {
  /** An object was selected in the viewer (double click), or pinned in its selection panel. */
  selected(id: bigint): void;
  /** Other objects are shown, highlighted, or coloured. */
  changed(): void;
}

/** What is shown and highlighted of a layer's segments, both ways: for a table that follows it and acts on it. */
export class LayerSelection extends RefCounted {
  /** Ourselves: a selection that we made is not announced to us. */
  private acting = false;
  private pinned: unknown;

  constructor(
    private readonly layer: MitoUserLayer,
    handlers: SelectionHandlers,
  ) {
    super();
    const { segmentSelectionState } = layer.displayState;
    this.registerDisposer(
      this.group.visibleSegments.changed.add((ids, add) => {
        const id = typeof ids === "bigint" ? ids : ids?.length === 1 ? ids[0] : undefined;
        if (add && id !== undefined && !this.acting) handlers.selected(id);
        handlers.changed();
      }),
    );
    this.registerDisposer(segmentSelectionState.changed.add(() => handlers.changed()));
    const details = layer.manager.root.selectionState;
    this.registerDisposer(
      details.changed.add(() => {
        const { value } = details;
        if (!details.pin.value || value === undefined || value === this.pinned) return;
        this.pinned = value;
        const own = value.layers.find((entry) => entry.layer === layer)?.state.value;
        const id = typeof own === "bigint" ? own : own?.value;
        if (typeof id === "bigint" && !this.acting) handlers.selected(id);
      }),
    );
  }

  private get group() {
    return this.layer.displayState.segmentationGroupState.value;
  }

  /** The object under the mouse, or the one that the table highlights; NaN without one. */
  get hovered(): number {
    const { hasSelectedSegment, selectedSegment } = this.layer.displayState.segmentSelectionState;
    return hasSelectedSegment ? Number(selectedSegment) : Number.NaN;
  }

  /** An object's colour in the viewer, and whether it is shown: with none chosen, all are. */
  mark(id: bigint): { readonly color: string; readonly filled: boolean } {
    const { visibleSegments } = this.group;
    return {
      color: getCssColor(getBaseObjectColor(this.layer.displayState, id)),
      filled: visibleSegments.has(id) || (visibleSegments.size === 0 && this.showsAll),
    };
  }

  private get showsAll(): boolean {
    return this.layer.displayState.ignoreNullVisibleSet.value;
  }

  /** Brightens the object in all views until the mouse is over another, and tells the selection panel of it if that is open. */
  highlight(id: bigint): void {
    this.act(() => {
      this.layer.displayState.segmentSelectionState.set(id);
      this.layer.selectSegment(id, false);
    });
  }

  toggle(id: bigint): void {
    this.act(() => {
      const { visibleSegments } = this.group;
      visibleSegments.set(id, !visibleSegments.has(id));
    });
  }

  private act(action: () => void): void {
    this.acting = true;
    try {
      action();
    } finally {
      this.acting = false;
    }
  }
}
