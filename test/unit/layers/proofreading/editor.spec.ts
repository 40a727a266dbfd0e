import { NullarySignal } from "neuroglancer/unstable/util/signal.js";
import { describe, expect, it } from "vitest";
import type { EditedObject } from "../../../../layers/mito/edits_protocol.js";
import type { MitoUserLayer } from "../../../../layers/mito_layer/layer.js";
import { LayerEditor } from "../../../../layers/proofreading/editor.js";
import type { EditSession } from "../../../../layers/proofreading/session.js";
import { ProofreadingState } from "../../../../layers/proofreading/state.js";
import type { Action } from "../../../../src/proofreading/types.js";
import type { Vec3 } from "../../../../src/volume/types.js";

class FakeSet extends Set<bigint> {
  override add(ids: bigint | bigint[]): this {
    for (const id of Array.isArray(ids) ? ids : [ids]) super.add(id);
    return this;
  }
  override delete(ids: bigint | bigint[]): boolean {
    return (Array.isArray(ids) ? ids : [ids]).map((id) => super.delete(id)).some(Boolean);
  }
}

/** A layer in which voxel x belongs to object x, in a page whose chunk worker answers slowly. */
function make() {
  const done: Action[] = [];
  const visible = new FakeSet();
  const shown: Vec3[] = [];
  const deleted = new Set<number>();
  const session = {
    changed: new NullarySignal(),
    standing: undefined as object | undefined,
    mito: { settings: { value: { threshold: 0.5 } }, voxelSize: [10, 10, 40], geometry: { sliceAxis: 2 } },
    find: async (voxels: readonly Vec3[]) => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      return voxels.map(([x]): EditedObject | "background" | "absent" => {
        if (x < 0) return "absent";
        if (x === 0) return "background";
        return { id: x, deleted: deleted.has(x), tags: ["old"], comments: [], parts: 1 };
      });
    },
    perform: async (action: Action) => {
      done.push(action);
      return { done: action };
    },
  };
  const layer = {
    displayState: {
      notSelectedAlpha: { value: 0 },
      segmentationGroupState: { value: { visibleSegments: visible, selectedSegments: new FakeSet() } },
      segmentStatedColors: { value: new Map() },
    },
    goToVoxel: (voxel: Vec3) => shown.push(voxel),
  };
  const editor = new LayerEditor(
    layer as unknown as MitoUserLayer,
    session as unknown as EditSession,
    new ProofreadingState(),
  );
  return { editor, session, done, visible, layer, shown, deleted };
}

describe("LayerEditor", () => {
  it("acts on what was clicked last, however fast the key comes", async () => {
    const { editor, done, visible, layer } = make();
    await editor.click([1, 0, 0]);
    expect([...visible]).toEqual([1n]);
    expect(layer.displayState.notSelectedAlpha.value).toBeGreaterThan(0);
    void editor.click([2, 0, 0]);
    await editor.remove();
    void editor.click([3, 0, 0]);
    await editor.verdict("accept");
    expect(done).toEqual([
      { kind: "delete", anchor: [2, 0, 0] },
      { kind: "verdict", anchor: [3, 0, 0], verdict: "accept" },
    ]);
    expect([...visible]).toEqual([3n]);
  });

  it("looks again after a change, unless something else was clicked meanwhile", async () => {
    const { editor, session, visible, deleted } = make();
    await editor.click([1, 0, 0]);
    deleted.add(1);
    session.standing = {};
    session.changed.dispatch();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(editor.current?.found).toMatchObject({ deleted: true });
    expect([...visible]).toEqual([]);
    session.standing = {};
    session.changed.dispatch();
    await editor.click([4, 0, 0]);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(editor.current?.voxel).toEqual([4, 0, 0]);
    expect([...visible]).toEqual([4n]);
  });

  it("does nothing without an object, and takes off a tag that is there", async () => {
    const { editor, done } = make();
    await editor.remove();
    expect(editor.message).toMatch(/Click an object first/);
    await editor.click([0, 0, 0]);
    await editor.shape("grow");
    expect(done).toEqual([]);
    await editor.click([5, 0, 0]);
    // A place that is not predicted yet is no choice.
    await editor.click([-1, 0, 0]);
    await editor.tag("old");
    await editor.tag("new");
    editor.reach = "all";
    await editor.shape("shrink");
    expect(done).toEqual([
      { kind: "tag", anchor: [5, 0, 0], tag: "old", remove: true },
      { kind: "tag", anchor: [5, 0, 0], tag: "new" },
      { kind: "shrink", anchor: [5, 0, 0], reach: { dimensions: 2, axis: 2, sections: "all" }, voxels: 1 },
    ]);
  });
});
