import { describe, expect, it } from "vitest";
import type { TriedEdit } from "../../../../layers/mito/edits_protocol.js";
import { AddMode, MergeMode, type ModeHost, SplitMode } from "../../../../layers/proofreading/modes.js";
import type { Action } from "../../../../src/proofreading/types.js";
import type { Vec3 } from "../../../../src/volume/types.js";

const object = { id: 1, deleted: false, tags: [], comments: [], parts: 1, voxels: 12 };

/** Objects are where x > 0. */
class Host implements ModeHost {
  readonly done: Action[] = [];
  readonly previews: { action: Action | undefined; marks: readonly (readonly Vec3[])[] }[] = [];
  refused: string | undefined;
  conflict: string | undefined;
  chosen: Vec3 | undefined;

  async perform(action: Action) {
    if (this.refused !== undefined) return { refused: this.refused };
    this.done.push(action);
    return { done: { kind: action.kind } as never };
  }
  async preview(action: Action | undefined, marks: readonly (readonly Vec3[])[]): Promise<TriedEdit> {
    this.previews.push({ action, marks: marks.map((part) => [...part]) });
    const conflicts =
      action === undefined || this.conflict === undefined
        ? []
        : [{ operation: "x", reason: "no-object" as const, message: this.conflict, anchors: [] }];
    return { conflicts, objects: action === undefined ? [] : [object] };
  }
  async findAll(voxels: readonly Vec3[]) {
    return voxels.map(([x]) => (x > 0 ? { ...object, id: Math.ceil(x / 10) } : ("background" as const)));
  }
  choose(voxel: Vec3) {
    this.chosen = voxel;
  }
  changed() {}
}

const A: Vec3 = [1, 0, 0];
const B: Vec3 = [2, 0, 0];
const C: Vec3 = [3, 0, 0];
const NOWHERE: Vec3 = [0, 0, 0];

describe("MergeMode", () => {
  it("merges each further object into the first", async () => {
    const host = new Host();
    const mode = new MergeMode(host);
    await mode.click(NOWHERE);
    expect(mode.text).toMatch(/no object/);
    await mode.click(A);
    expect(host.chosen).toEqual(A);
    await mode.click(B);
    await mode.click(C);
    expect(host.done).toEqual([
      { kind: "merge", anchors: [A, B] },
      { kind: "merge", anchors: [A, C] },
    ]);
    host.refused = "they are one object already";
    await mode.click(C);
    expect(mode.text).toMatch(/Not merged: they are one object/);
    await mode.back();
    await mode.click(B);
    expect(host.chosen).toEqual(B);
    expect(host.done).toHaveLength(2);
  });
});

describe("MergeMode on a line", () => {
  it("merges each object between the last click and this one, by one voxel of it", async () => {
    const host = new Host();
    const mode = new MergeMode(host);
    await mode.line(A);
    expect(host.chosen).toEqual(A);
    await mode.line([4, 3, 0]);
    expect(host.done).toEqual([]);
    expect(mode.text).toMatch(/No other object/);
    await mode.line([28, 3, 0]);
    expect(host.done).toEqual([{ kind: "merge", anchors: [A, [11, 3, 0], [21, 3, 0]] }]);
    await mode.line([-40, 3, 0]);
    expect(host.done[1]).toEqual({ kind: "merge", anchors: [A, [28, 3, 0], [20, 3, 0]] });
  });
});

describe("SplitMode", () => {
  it("shows the cut from two parts on and makes it with Enter", async () => {
    const host = new Host();
    const mode = new SplitMode(host);
    await mode.click(A);
    expect(host.previews.at(-1)).toEqual({ action: undefined, marks: [[A], []] });
    expect(await mode.commit()).toBe(false);
    await mode.click(B);
    const split = (parts: Vec3[][]) => ({ kind: "split", parts, landscape: "probability" });
    expect(host.previews.at(-1)?.action).toEqual(split([[A], [B]]));
    expect(mode.text).toMatch(/Enter cuts/);
    mode.part(4);
    await mode.click(C);
    expect(host.previews.at(-1)?.action).toEqual(split([[A], [B], [C]]));
    expect(host.previews.at(-1)?.marks).toEqual([[A], [B], [], [C]]);
    await mode.back();
    expect(host.previews.at(-1)?.action).toEqual(split([[A], [B]]));
    await mode.flood("distance");
    expect(await mode.commit()).toBe(true);
    expect(host.done).toEqual([{ kind: "split", parts: [[A], [B]], landscape: "distance" }]);
    await mode.end();
    expect(host.previews.at(-1)).toEqual({ action: undefined, marks: [] });
  });

  it("does not cut what the preview could not", async () => {
    const host = new Host();
    const mode = new SplitMode(host);
    host.conflict = "the parts are different objects already";
    await mode.click(A);
    await mode.click(B);
    expect(mode.text).toMatch(/different objects already/);
    expect(await mode.commit()).toBe(false);
    expect(host.done).toEqual([]);
  });
});

describe("AddMode", () => {
  it("grows from the click at a threshold that keys move", async () => {
    const host = new Host();
    const mode = new AddMode(host, 0.25, [40, 40, 8]);
    expect(mode.text).toMatch(/threshold 0\.25/);
    expect(await mode.commit()).toBe(false);
    await mode.click(A);
    await mode.threshold(-1);
    const add = { kind: "add", seed: A, threshold: 0.2, radius: [40, 40, 8] };
    expect(host.previews.at(-1)?.action).toEqual(add);
    expect(mode.text).toMatch(/^12 voxels/);
    expect(await mode.commit()).toBe(true);
    expect(host.done).toEqual([add]);
    for (let i = 0; i < 30; i++) await mode.threshold(-1);
    expect(mode.local).toBe(0.01);
    for (let i = 0; i < 30; i++) await mode.threshold(1);
    expect(mode.local).toBe(1);
    host.conflict = "below the threshold";
    await mode.back();
    await mode.click(B);
    expect(mode.text).toMatch(/below the threshold/);
    host.refused = "gone";
    expect(await mode.commit()).toBe(false);
    expect(mode.text).toMatch(/gone/);
  });
});
