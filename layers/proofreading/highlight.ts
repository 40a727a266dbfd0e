import { packColor } from "neuroglancer/unstable/util/color.js";
import { vec3 } from "neuroglancer/unstable/util/geom.js";
import type { MitoUserLayer } from "../mito_layer/layer.js";

/** Others stay visible beside the object that is worked on. */
const OTHERS_ALPHA = 0.3;
/** Colours of parts; far apart, also for people who see no red or green (Okabe and Ito 2008). */
const PALETTE: readonly (readonly [number, number, number])[] = [
  [0.9, 0.62, 0],
  [0.34, 0.71, 0.91],
  [0, 0.62, 0.45],
  [0.94, 0.89, 0.26],
  [0.8, 0.47, 0.65],
  [0.84, 0.37, 0],
  [0.2, 0.45, 0.9],
  [0.95, 0.95, 0.95],
  [0.6, 0.9, 0.3],
];
/** Of markers: number in the palette of what stands out from all parts. */
export const MARKER_COLOUR = -1;
const WHITE = [1, 1, 1] as const;

/** Shows in a layer which object is worked on, and what a preview would make. */
export class Highlight {
  private preview: bigint[] = [];
  private object: bigint | undefined;

  constructor(private readonly layer: MitoUserLayer) {}

  private get group() {
    return this.layer.displayState.segmentationGroupState.value;
  }

  /** This object and no other is selected. */
  select(id: number | undefined): void {
    this.object = id === undefined ? undefined : BigInt(id);
    this.show();
  }

  /** @param ids of parts and markers, each with its number in the palette. */
  setPreview(ids: readonly (readonly [id: number, colour: number])[]): void {
    const { value: colours } = this.layer.displayState.segmentStatedColors;
    for (const id of this.preview) colours.delete(id);
    this.preview = ids.map(([id]) => BigInt(id));
    for (const [id, colour] of ids) {
      const rgb = colour === MARKER_COLOUR ? WHITE : PALETTE[colour % PALETTE.length];
      colours.set(BigInt(id), BigInt(packColor(vec3.fromValues(...rgb))));
    }
    this.show();
  }

  private show(): void {
    const { visibleSegments, selectedSegments } = this.group;
    const { notSelectedAlpha } = this.layer.displayState;
    if (notSelectedAlpha.value === 0) notSelectedAlpha.value = OTHERS_ALPHA;
    const wanted = new Set([...(this.object === undefined ? [] : [this.object]), ...this.preview]);
    const gone = [...visibleSegments.keys()].filter((id) => !wanted.has(id));
    if (gone.length > 0) {
      visibleSegments.delete(gone);
      selectedSegments.delete(gone);
    }
    const come = [...wanted].filter((id) => !visibleSegments.has(id));
    if (come.length > 0) {
      selectedSegments.add(come);
      visibleSegments.add(come);
    }
  }
}
