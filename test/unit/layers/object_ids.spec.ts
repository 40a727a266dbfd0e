import { SharedDisjointUint64Sets } from "neuroglancer/unstable/shared_disjoint_sets.js";
import { Uint64Map } from "neuroglancer/unstable/uint64_map.js";
import { Uint64OrderedSet } from "neuroglancer/unstable/uint64_ordered_set.js";
import { Uint64Set } from "neuroglancer/unstable/uint64_set.js";
import { describe, expect, it, vi } from "vitest";
import { ObjectStore } from "../../../layers/mito/objects.js";
import { ObjectIdsInLayer } from "../../../layers/mito_layer/object_ids.js";
import { OBJECT_COLUMN_IDS } from "../../../src/morphology/object_types.js";

const pairs = (...ids: number[]) => Float64Array.from(ids);
const none = new Float64Array(0);
const WIDTH = OBJECT_COLUMN_IDS.length;

/** Rows whose columns all hold the row's number. */
function rows(ids: number[], gone: number[] = []) {
  const values = Float64Array.from({ length: ids.length * WIDTH }, (_, i) => Math.floor(i / WIDTH));
  return { ids: pairs(...ids), values, flags: new Uint8Array(ids.length), gone: pairs(...gone) };
}

describe("ObjectStore", () => {
  it("tells of its table now and then, and finds an object by an id of before", async () => {
    vi.useFakeTimers();
    const store = new ObjectStore();
    const told = vi.fn();
    store.changed.add(told);
    store.applyRows(rows([10, 20, 30]));
    store.applyRows(rows([], [30]));
    expect(told).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(250);
    expect(told).toHaveBeenCalledTimes(1);
    expect(store.table.size).toBe(2);
    store.applyIds({ renamed: pairs(30, 25, 40, 41, 41, 40), linked: none, unlinked: none });
    store.applyIds({ renamed: pairs(25, 20), linked: none, unlinked: none });
    expect(store.current(10n)).toBe(10n);
    expect(store.current(30n)).toBe(20n);
    // Renamed in a circle, and never heard of.
    expect(store.current(40n)).toBeUndefined();
    expect(store.current(99n)).toBeUndefined();
    vi.useRealTimers();
  });

  it("remembers a bounded number of ids, and nothing once the source is closed", () => {
    const store = new ObjectStore(2);
    store.applyRows(rows([1]));
    store.applyIds({ renamed: pairs(2, 1, 3, 1, 4, 1), linked: pairs(4, 1), unlinked: none });
    expect([2n, 3n, 4n].map((id) => store.current(id))).toEqual([undefined, 1n, 1n]);
    const heard: number[] = [];
    store.idsChanged.add(({ unlinked }) => heard.push(...unlinked));
    store.clear();
    expect([store.table.size, store.links.size, store.current(4n), heard]).toEqual([0, 0, undefined, [4]]);
  });
});

describe("ObjectIdsInLayer", () => {
  function makeLayer() {
    const group = {
      visibleSegments: new Uint64Set(),
      selectedSegments: new Uint64OrderedSet(),
      segmentEquivalences: new SharedDisjointUint64Sets(),
    };
    const colours = new Uint64Map();
    const objects = new ObjectStore();
    const selected: number[][] = [];
    const layer = {
      displayState: { originalSegmentationGroupState: group, segmentStatedColors: { value: colours } },
    } as unknown as ConstructorParameters<typeof ObjectIdsInLayer>[0];
    const selectObjects = (ids: Iterable<bigint>) => void selected.push(Array.from(ids, Number));
    const ids = new ObjectIdsInLayer(layer, { objects, selectObjects });
    return { ...group, colours, objects, selected, ids };
  }

  it("links what is shown to what it means, and keeps what is still linked when a link goes", () => {
    const { segmentEquivalences: sets, objects, ids } = makeLayer();
    objects.applyIds({ renamed: none, linked: pairs(30, 10, 20, 10, 50, 40), unlinked: none });
    expect([30n, 20n, 50n].map((id) => sets.get(id))).toEqual([10n, 10n, 40n]);
    objects.applyIds({ renamed: none, linked: pairs(20, 5), unlinked: pairs(20) });
    expect([30n, 20n, 50n].map((id) => sets.get(id))).toEqual([10n, 5n, 40n]);
    objects.applyIds({ renamed: none, linked: none, unlinked: pairs(30, 50) });
    expect([...sets.disjointSets].length).toBe(2);
    ids.dispose();
    expect(sets.size).toBe(0);
  });

  it("carries selection, visibility and colours over, also when two objects change ids", () => {
    const { visibleSegments, selectedSegments, colours, objects, selected } = makeLayer();
    selectedSegments.add([7n, 8n, 9n]);
    visibleSegments.add([7n, 8n]);
    colours.set(7n, 0xff0000n);
    objects.applyIds({ renamed: pairs(7, 9, 9, 7, 100, 8), linked: none, unlinked: none });
    expect([...visibleSegments.keys()].sort()).toEqual([8n, 9n]);
    expect([...selectedSegments].sort()).toEqual([7n, 8n, 9n]);
    expect([colours.get(7n), colours.get(9n)]).toEqual([undefined, 0xff0000n]);
    // Two become one.
    objects.applyIds({ renamed: pairs(9, 8), linked: none, unlinked: none });
    expect([...visibleSegments.keys()]).toEqual([8n]);
    expect(selected[0]).toEqual([]);
  });

  it("tells which objects are selected", async () => {
    vi.useFakeTimers();
    const { visibleSegments, selected, ids } = makeLayer();
    visibleSegments.add(5n);
    visibleSegments.add(6n);
    await vi.advanceTimersByTimeAsync(300);
    expect(selected.at(-1)?.sort()).toEqual([5, 6]);
    ids.dispose();
    vi.useRealTimers();
  });
});
