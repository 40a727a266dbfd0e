import { throttle } from "lodash-es";
import {
  type InlineSegmentNumericalProperty,
  type InlineSegmentProperty,
  type InlineSegmentTagsProperty,
  PreprocessedSegmentPropertyMap,
  SegmentPropertyMap,
} from "neuroglancer/unstable/segmentation_display_state/property_map.js";
import { DataType } from "neuroglancer/unstable/util/data_type.js";
import { RefCounted } from "neuroglancer/unstable/util/disposable.js";
import { objectColumn } from "../../src/morphology/object_columns.js";
import { COLUMN_DISPLAY, objectState } from "../../src/morphology/object_display.js";
import { allRows } from "../../src/morphology/object_query.js";
import type { ObjectSnapshot, ObjectTable } from "../../src/morphology/object_table.js";
import { FLAG_BORDER, OBJECT_COLUMN_IDS, type ObjectColumnId } from "../../src/morphology/object_types.js";
import { sortByKeys } from "../../src/morphology/radix_sort.js";
import type { ComputedObjects } from "../mito/base.js";
import { nextTask, Rerun } from "../morphology_panel/slices.js";
import type { MitoUserLayer } from "./layer.js";

/** The Seg. tab runs its query and draws its list anew with each map: no more often than this, ms. */
const INTERVAL = 3000;

/** Each is a histogram in the Seg. tab: the corners of the bounding box would only be in the way there. */
const SHOWN = OBJECT_COLUMN_IDS.filter((id) => !/^(lower|upper)/.test(id));

/** Tags that an object can have; each is one character of its value, its place in this list. */
const TAGS = [
  ["whole", "seen whole, and measured"],
  ["measuring", "seen whole, not measured yet"],
  ["partial", "goes on where nothing is computed yet"],
  ["failed", "could not be measured"],
  ["border", "cut by the end of the volume"],
] as const;

/**
 * What Neuroglancer looks properties up in, without the hash table of the stock class: that takes a long task to build for 50,000 ids, and in
 * 2.41.2 a look-up in an empty one never ends. The ids are sorted, so a binary search does.
 */
export class LiveSegmentProperties extends PreprocessedSegmentPropertyMap {
  constructor(
    private readonly ids: BigUint64Array<ArrayBuffer>,
    properties: InlineSegmentProperty[],
  ) {
    super(new SegmentPropertyMap({}));
    this.segmentPropertyMap = new SegmentPropertyMap({ inlineProperties: { ids, properties } });
    this.tags = properties.find((property) => property.type === "tags");
    this.numericalProperties = properties.filter((property) => property.type === "number");
  }

  override getSegmentInlineIndex(id: bigint): number {
    const { ids } = this;
    let low = 0;
    let high = ids.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (ids[middle] < id) low = middle + 1;
      else high = middle;
    }
    return low < ids.length && ids[low] === id ? low : -1;
  }
}

/**
 * The object table as segment properties, in the units that our table shows, so that `volume>0.1` means the same in both. Made of a copy, a
 * column at a time with other tasks in between.
 *
 * @returns undefined for a table without rows.
 */
export async function segmentProperties(table: ObjectTable): Promise<LiveSegmentProperties | undefined> {
  if (table.size === 0) return undefined;
  const snapshot = table.snapshot();
  await nextTask();
  const order = sortByKeys(allRows(snapshot.ids.length), snapshot.ids, false);
  await nextTask();
  const ids = new BigUint64Array(order.length);
  for (let i = 0; i < order.length; ++i) ids[i] = BigInt(snapshot.ids[order[i]]);
  await nextTask();
  const properties: InlineSegmentProperty[] = [tagsOf(snapshot, order)];
  for (const column of SHOWN) {
    await nextTask();
    properties.push(numbersOf(snapshot, order, column));
  }
  return new LiveSegmentProperties(ids, properties);
}

function numbersOf(
  { values: stored }: ObjectSnapshot,
  order: Uint32Array,
  column: ObjectColumnId,
): InlineSegmentNumericalProperty {
  const { factor, unit } = COLUMN_DISPLAY[column];
  const at = OBJECT_COLUMN_IDS.indexOf(column);
  const values = new Float32Array(order.length);
  let least = Number.POSITIVE_INFINITY;
  let most = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < order.length; ++i) {
    const value = Math.fround(stored[order[i] * OBJECT_COLUMN_IDS.length + at] * factor);
    if (!Number.isFinite(value)) {
      values[i] = Number.NaN;
      continue;
    }
    values[i] = value;
    least = Math.min(least, value);
    most = Math.max(most, value);
  }
  return {
    id: column,
    type: "number",
    dataType: DataType.FLOAT32,
    description: `${objectColumn(column).description}${unit === "" ? "" : ` In ${unit}.`}`,
    values,
    bounds: boundsOf(least, most),
  };
}

/** Bounds of which the upper one is larger: Neuroglancer divides by their difference. */
function boundsOf(least: number, most: number): [number, number] {
  if (!(least <= most)) return [0, 1];
  return least < most ? [least, most] : [least, least + Math.max(1, Math.abs(least))];
}

function tagsOf({ flags }: ObjectSnapshot, order: Uint32Array): InlineSegmentTagsProperty {
  const byFlags = Array.from({ length: 256 }, (_, value) => {
    const state = TAGS.findIndex(([tag]) => tag === objectState(value));
    return String.fromCharCode(state, ...(value & FLAG_BORDER ? [TAGS.length - 1] : []));
  });
  const values = new Array<string>(order.length);
  for (let i = 0; i < values.length; ++i) values[i] = byFlags[flags[order[i]]];
  return {
    id: "state",
    type: "tags",
    tags: TAGS.map(([tag]) => tag),
    tagDescriptions: TAGS.map(([, description]) => description),
    values,
  };
}

/** Gives the layer's segments the live object table as properties: filters and columns of the Seg. tab. */
export class SegmentPropertiesLink extends RefCounted {
  private readonly rerun = new Rerun(() => this.make());
  private readonly refresh = throttle(() => this.rerun.request(), INTERVAL, { leading: false });
  private objects: ComputedObjects | undefined;
  private stop: (() => void) | undefined;
  /** Version of the table that the layer has. */
  private made = -1;

  constructor(private readonly layer: MitoUserLayer) {
    super();
    const bind = () => {
      const objects = layer.mito.value?.objects;
      if (objects === this.objects) return;
      this.stop?.();
      this.objects = objects;
      this.made = -1;
      this.stop = objects?.changed.add(this.refresh);
      this.refresh();
    };
    this.registerDisposer(layer.mito.changed.add(bind));
    this.registerDisposer(() => {
      this.stop?.();
      this.refresh.cancel();
    });
    bind();
  }

  /** After Neuroglancer has taken the properties away, as it does whenever it activates the layer's sources. */
  restore(): void {
    this.made = -1;
    this.refresh();
  }

  private async make(): Promise<void> {
    const { objects, layer } = this;
    if (objects === undefined || this.wasDisposed || objects.table.version === this.made) return;
    const { version } = objects.table;
    const properties = await segmentProperties(objects.table);
    if (this.wasDisposed || objects !== this.objects) return;
    this.made = version;
    layer.displayState.originalSegmentationGroupState.segmentPropertyMap.value = properties;
  }
}
