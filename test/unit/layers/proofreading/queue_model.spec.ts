import { describe, expect, it } from "vitest";
import type { FoundObject, QueuePlaces } from "../../../../layers/mito/edits_protocol.js";
import { QueueModel } from "../../../../layers/proofreading/queue_model.js";
import type { EditSession } from "../../../../layers/proofreading/session.js";
import { METRICS, ProofreadingState } from "../../../../layers/proofreading/state.js";
import type { QueuePlace } from "../../../../src/proofreading/queue.js";
import type { Vec3 } from "../../../../src/volume/types.js";

const place = (id: number, size: number, margin: number): QueuePlace => ({
  key: `object ${id}`,
  kind: "object",
  object: id,
  anchor: [id, 0, 0],
  box: { lower: [id, 0, 0], upper: [id + 1, 1, 1] },
  metrics: { size, margin },
});
const PLACES = [place(1, 100, 0.4), place(2, 900, 0.1), place(3, 50, 0.3), place(4, 400, 0.2)];

function make() {
  const judged = new Set<number>();
  const session = {
    mito: {
      model: { config: { sourceSummary: undefined, voxelSize: [10, 10, 10], prior: null } },
      voxelSize: [10, 10, 10],
      geometry: { planeAxes: [0, 1] },
    },
    /** Two at a time. */
    places: async (after: number): Promise<QueuePlaces> => {
      const places = PLACES.filter(({ object }) => object! > after).slice(0, 2);
      const last = places.at(-1)!.object!;
      return { places, next: last === 4 ? undefined : last, total: PLACES.length };
    },
    find: async (voxels: readonly Vec3[]): Promise<FoundObject[]> =>
      voxels.map(([id]) => ({
        id,
        deleted: false,
        ...(judged.has(id) && { verdict: "accept" as const }),
        tags: [],
        comments: [],
        parts: 1,
      })),
  };
  const state = new ProofreadingState();
  return { judged, state, queue: new QueueModel(session as unknown as EditSession, state) };
}
const steps = (queue: QueueModel, count: number, by: 1 | -1 = 1) =>
  Array.from({ length: count }, () => queue.step(by)?.object);

describe("QueueModel", () => {
  it("measures all, in the order of the metric, and says how many are left", async () => {
    const { queue, state, judged } = make();
    await queue.load();
    expect(queue.now).toMatchObject({ left: 4, total: 4, place: { object: 2 } });
    expect(steps(queue, 4)).toEqual([4, 3, 1, 2]);
    judged.add(4);
    await queue.refreshDone();
    expect(queue.now.left).toBe(3);
    expect(steps(queue, 3)).toEqual([3, 1, 2]);
    expect(steps(queue, 2, -1)).toEqual([1, 3]);
    state.metric.value = "size";
    queue.order();
    expect(queue.now.place?.object).toBe(3);
    expect(queue.around(9).map(({ object }) => object)).toEqual([2, 4, 1, 3]);
    state.minimumVoxels.value = 100;
    queue.order();
    expect(queue.now.total).toBe(3);
    for (const left of PLACES) judged.add(left.object!);
    await queue.refreshDone();
    expect(queue.step(1)).toBeUndefined();
    expect(queue.now.left).toBe(0);
  });

  it("goes on at the place that the address names", async () => {
    const { queue, state } = make();
    state.restoreState({ metric: "margin", reverse: true, place: "object 4" });
    await queue.load();
    expect(queue.now.place?.object).toBe(4);
    expect(steps(queue, 1)).toEqual([2]);
    expect(state.toJSON()).toEqual({ reverse: true, place: "object 2" });
  });
});

describe("ProofreadingState", () => {
  it("adds no key to a stock state, and comes back from its JSON", () => {
    expect(new ProofreadingState().toJSON()).toBeUndefined();
    const state = new ProofreadingState();
    state.location.visible = true;
    state.metric.value = "touching";
    state.goOn.value = false;
    state.minimumVoxels.value = 500;
    const json = JSON.parse(JSON.stringify(state.toJSON()));
    expect(json).toEqual({ visible: true, metric: "touching", goOn: false, minimumVoxels: 500 });
    const other = new ProofreadingState();
    other.restoreState(json);
    expect(other.toJSON()).toEqual(state.toJSON());
    other.reset();
    expect(other.toJSON()).toBeUndefined();
  });

  it("goes back to the default for what it cannot use", () => {
    const state = new ProofreadingState();
    state.restoreState({ metric: "beauty", minimumVoxels: -3, place: "object 1" });
    expect(METRICS).toContain(state.metric.value);
    expect([state.metric.value, state.minimumVoxels.value, state.place.value]).toEqual([
      "margin",
      0,
      "object 1",
    ]);
  });
});
