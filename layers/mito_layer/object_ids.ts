import { throttle } from "lodash-es";
import type {
  SegmentationUserLayer,
  SegmentationUserLayerGroupState,
} from "neuroglancer/unstable/layer/segmentation/index.js";
import { RefCounted } from "neuroglancer/unstable/util/disposable.js";
import type { MitoSource, ObjectIdChange } from "../mito/base.js";

/** How long a change of the selection may wait before the chunk worker hears of it, ms. */
const SELECTION_INTERVAL = 200;

/**
 * Keeps a layer in step with the ids of its objects: what is selected, hidden or coloured stays so when the object gets another id, and
 * ids that chunks on the screen still show stand for those that came after them.
 */
export class ObjectIdsInLayer extends RefCounted {
  constructor(
    private readonly layer: Pick<SegmentationUserLayer, "displayState">,
    private readonly source: Pick<MitoSource, "objects" | "selectObjects">,
  ) {
    super();
    this.registerDisposer(source.objects.idsChanged.add((change) => this.apply(change)));
    const tell = throttle(() => source.selectObjects(this.group.visibleSegments.keys()), SELECTION_INTERVAL);
    this.registerDisposer(this.group.visibleSegments.changed.add(tell));
    this.registerDisposer(() => tell.cancel());
    const none = new Float64Array(0);
    this.relink(none, Float64Array.from([...source.objects.links].flat()));
    tell();
    this.registerDisposer(() => this.relink(Float64Array.from(source.objects.links.keys()), none));
  }

  private get group(): SegmentationUserLayerGroupState {
    return this.layer.displayState.originalSegmentationGroupState;
  }

  private apply({ renamed, linked, unlinked }: ObjectIdChange): void {
    this.carryOver(renamed);
    this.relink(unlinked, linked);
  }

  /**
   * Changes links all at once: by its own calls Neuroglancer would tell everyone of each, a hundred times the cost. The chunk worker need not
   * know: it asks for the mesh of an object by its own id.
   */
  private relink(unlinked: Float64Array, linked: Float64Array): void {
    if (unlinked.length === 0 && linked.length === 0) return;
    const { segmentEquivalences } = this.group;
    const sets = segmentEquivalences.disjointSets;
    // A set loses its members all together: what is still linked is linked again.
    const again = new Set<bigint>();
    for (const id of unlinked) {
      const from = BigInt(id);
      if (!sets.has(from)) continue;
      const members = [...sets.setElements(from)];
      sets.deleteSet(from);
      for (const member of members) again.add(member);
    }
    const gone = new Set(unlinked);
    for (const from of again) {
      const to = this.source.objects.links.get(Number(from));
      if (to !== undefined && !gone.has(Number(from))) sets.link(from, BigInt(to));
    }
    for (let i = 0; i < linked.length; i += 2) sets.link(BigInt(linked[i]), BigInt(linked[i + 1]));
    segmentEquivalences.changed.dispatch();
  }

  private carryOver(renamed: Float64Array): void {
    const { visibleSegments, selectedSegments } = this.group;
    const { value: colours } = this.layer.displayState.segmentStatedColors;
    if (selectedSegments.size === 0 && visibleSegments.size === 0 && colours.size === 0) return;
    // All that goes first, then all that comes: two objects may change ids.
    const shown: bigint[] = [];
    const hidden: bigint[] = [];
    const coloured: [bigint, bigint][] = [];
    const gone: bigint[] = [];
    for (let i = 0; i < renamed.length; i += 2) {
      const from = BigInt(renamed[i]);
      const to = BigInt(renamed[i + 1]);
      if (visibleSegments.has(from)) shown.push(to);
      else if (selectedSegments.has(from)) hidden.push(to);
      const colour = colours.get(from);
      if (colour !== undefined) coloured.push([to, colour]);
      if (colour !== undefined || selectedSegments.has(from) || visibleSegments.has(from)) gone.push(from);
    }
    if (gone.length === 0) return;
    visibleSegments.delete(gone);
    selectedSegments.delete(gone);
    for (const id of gone) colours.delete(id);
    selectedSegments.add([...hidden, ...shown]);
    visibleSegments.add(shown);
    for (const [id, colour] of coloured) colours.set(id, colour);
  }
}
