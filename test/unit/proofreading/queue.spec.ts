import { describe, expect, it } from "vitest";
import { wasserstein } from "../../../src/morphology/distribution.js";
import type { RegionDistribution } from "../../../src/morphology/types.js";
import { orderPlaces, ProofreadingQueue, type QueuePlace } from "../../../src/proofreading/queue.js";
import {
  chunkPlaces,
  middleVoxel,
  missedPlaces,
  objectPlaces,
  priorDistance,
} from "../../../src/proofreading/queue_measures.js";
import { fromMask, fromPlaced, hasVoxel } from "../../../src/proofreading/voxel_set.js";
import type { Box, Vec3 } from "../../../src/volume/types.js";
import { blobVolume, viewOf, volumeOf } from "./scene.js";

const SIZE: Vec3 = [60, 40, 8];
const BOX: Box = { lower: [0, 0, 0], upper: SIZE };
/** A sure one, one close to it, a weak one, and one that stays below the threshold. */
const values = blobVolume(SIZE, [
  { centre: [12, 12, 4], radius: 9 },
  { centre: [31, 12, 4], radius: 7 },
  { centre: [48, 28, 4], radius: 6, peak: 0.6 },
  { centre: [14, 31, 4], radius: 6, peak: 0.3 },
]);

const place = (key: string, metrics: QueuePlace["metrics"], kind: QueuePlace["kind"] = "object") => ({
  key,
  kind,
  anchor: [0, 0, 0] as Vec3,
  box: BOX,
  metrics,
});
const keys = (places: readonly QueuePlace[]) => places.map(({ key }) => key);

describe("the order of places", () => {
  const places = [
    place("a", { size: 5, margin: 0.4 }),
    place("b", { size: 9, margin: 0.1 }),
    place("c", { size: 9 }),
    place("d", { size: 7, margin: 0.2 }, "missed"),
  ];

  it("puts first what most needs a look; what lacks the metric comes last, equal ones by key", () => {
    expect(keys(orderPlaces(places, { metric: "size" }))).toEqual(["b", "c", "d", "a"]);
    expect(keys(orderPlaces(places, { metric: "margin" }))).toEqual(["b", "d", "a", "c"]);
    expect(keys(orderPlaces(places, { metric: "size", reverse: true }))).toEqual(["a", "d", "b", "c"]);
    expect(keys(orderPlaces(places, { metric: "margin", reverse: true }))).toEqual(["a", "d", "b", "c"]);
  });

  it("can be filtered by kind and by bounds of metrics", () => {
    const order = { metric: "size" } as const;
    expect(keys(orderPlaces(places, order, { kinds: new Set(["missed"] as const) }))).toEqual(["d"]);
    expect(keys(orderPlaces(places, order, { within: { margin: [0.1, 0.2] } }))).toEqual(["b", "d"]);
    expect(keys(orderPlaces(places, order, { within: { size: [6, 8], margin: [0, 1] } }))).toEqual(["d"]);
  });
});

describe("a queue", () => {
  const places = ["a", "b", "c", "d"].map((key, i) => place(key, { size: i }));

  it("goes on from where it stood, passes over what is done and says how much is left", () => {
    const done = new Set<string>();
    const queue = new ProofreadingQueue(({ key }) => done.has(key));
    queue.set(places);
    expect(queue.state).toEqual({ place: places[0], left: 4, total: 4 });
    done.add("b");
    expect(queue.next()?.key).toBe("c");
    expect(queue.previous()?.key).toBe("a");
    expect(queue.previous()?.key).toBe("d");
    expect(queue.state.left).toBe(3);
    // Another order: still at d.
    queue.set([...places].reverse());
    expect(queue.state.place?.key).toBe("d");
    expect(queue.next()?.key).toBe("c");
    // After a reload.
    const again = new ProofreadingQueue(({ key }) => done.has(key));
    again.set(places, "c");
    expect(again.state.place?.key).toBe("c");
    for (const key of "acd") done.add(key);
    expect(again.next()).toBeUndefined();
    expect(again.state).toEqual({ place: places[2], left: 0, total: 4 });
  });

  it("stands somewhere when its place is gone, and nowhere when there is none", () => {
    const queue = new ProofreadingQueue(() => false);
    expect(queue.next()).toBeUndefined();
    expect(queue.state).toEqual({ place: undefined, left: 0, total: 0 });
    queue.set(places, "d");
    queue.set(places.slice(0, 2));
    expect(queue.state.place?.key).toBe("b");
  });
});

describe("measures of the queue", () => {
  it("are those of brute force", async () => {
    const view = await viewOf(values, SIZE);
    const other = Uint8Array.from(values, (value, i) => (i % 60 < 20 ? 0 : value));
    const second = (box: Box) => volumeOf(other, SIZE).read(0, box) as Promise<Uint8Array>;
    const places = await objectPlaces({ view, second, gap: 4 }, view.ids);
    expect(places).toHaveLength(3);
    for (const { object, metrics, anchor } of places) {
      const set = fromPlaced(view.runsOf(object ?? 0));
      expect(hasVoxel(set, anchor)).toBe(true);
      let voxels = 0;
      let margin = 0;
      let border = 0;
      let borderVoxels = 0;
      let differs = 0;
      const near = new Set<number>();
      for (let z = 0; z < SIZE[2]; ++z)
        for (let y = 0; y < SIZE[1]; ++y)
          for (let x = 0; x < SIZE[0]; ++x) {
            if (view.objectAt([x, y, z]) !== object) continue;
            const at = x + 60 * (y + 40 * z);
            ++voxels;
            margin += Math.abs(values[at] / 255 - 0.5);
            if (other[at] < 128) ++differs;
            const sides: Vec3[] = [
              [x - 1, y, z],
              [x + 1, y, z],
              [x, y - 1, z],
              [x, y + 1, z],
            ];
            if (sides.some((side) => view.objectAt(side) !== object)) {
              ++borderVoxels;
              border += Math.abs(values[at] / 255 - 0.5);
            }
            for (let v = y - 4; v <= y + 4; ++v)
              for (let u = x - 4; u <= x + 4; ++u) {
                const neighbour = view.objectAt([u, v, z]);
                if (neighbour !== 0 && neighbour !== object) near.add(neighbour);
              }
          }
      expect(metrics.size).toBe(voxels);
      expect(metrics.margin).toBeCloseTo(margin / voxels, 9);
      expect(metrics.border).toBeCloseTo(border / borderVoxels, 9);
      expect(metrics.disagreement).toBeCloseTo(differs / voxels, 9);
      expect(metrics.touching).toBe(near.size);
    }
    expect(keys(orderPlaces(places, { metric: "margin" }))[0]).toBe(places[2].key);
    expect(places.map(({ metrics }) => metrics.touching)).toEqual([1, 1, 0]);
    expect(places.every(({ metrics }) => metrics.prior === undefined)).toBe(true);
  });

  it("tell how far regions are from the source's, and small ones farthest", () => {
    const quantiles = (from: number, to: number) =>
      Array.from({ length: 64 }, (_, i) => from + ((i + 0.5) / 64) * (to - from));
    const source: RegionDistribution = {
      solidity: { quantiles: quantiles(0.8, 1), spread: 0.05 },
      logArea: { quantiles: quantiles(4, 8), spread: 1 },
      eccentricity: { quantiles: quantiles(0.4, 0.9), spread: 0.1 },
      density: { quantiles: quantiles(1, 2), spread: 1 },
    };
    const square = fromMask(new Uint8Array(400).fill(1), { lower: [3, 4, 5], upper: [23, 24, 6] });
    const term = (value: number, { quantiles, spread }: { quantiles: readonly number[]; spread: number }) =>
      wasserstein(new Array<number>(64).fill(value), quantiles) / spread;
    // A square: solid, 400 pixels of a quarter of the source's, round.
    const expected =
      (term(1, source.solidity) + term(Math.log(100), source.logArea) + term(0, source.eccentricity)) / 3;
    expect(priorDistance(square, source, 0.25)).toBeCloseTo(expected, 9);
    const crumb = fromMask(new Uint8Array(4).fill(1), { lower: [0, 0, 0], upper: [2, 2, 1] });
    expect(priorDistance(crumb, source, 1)).toBe(10);
  });

  it("find where something may have been missed, and nothing of what was found", async () => {
    const view = await viewOf(values, SIZE);
    const found = await missedPlaces(view, BOX);
    expect(found).toHaveLength(1);
    const [x, y, z] = found[0].anchor;
    expect(values[x + 60 * (y + 40 * z)]).toBe(Math.round(0.3 * 255));
    expect(found[0].metrics.missed).toBeGreaterThan(10);
    expect(await missedPlaces(view, BOX, { minimumVoxels: 5000 })).toEqual([]);
    expect(await missedPlaces(view, BOX, { raised: 0.4 })).toEqual([]);
  });

  it("of chunks add up to those of the whole", async () => {
    const view = await viewOf(values, SIZE);
    const sum = async (chunk: Vec3) => {
      const places = await chunkPlaces({ view }, chunk);
      return {
        count: places.length,
        size: places.reduce((total, { metrics }) => total + (metrics.size ?? 0), 0),
        missed: places.reduce((total, { metrics }) => total + (metrics.missed ?? 0), 0),
      };
    };
    const whole = await sum(SIZE);
    const cut = await sum([25, 16, 3]);
    expect([whole.count, cut.count]).toEqual([1, 27]);
    expect(cut.size).toBe(whole.size);
    expect(cut.missed).toBeCloseTo(whole.missed, 6);
  });

  it("click into an object, also where its middle is a hole", () => {
    const ring = new Uint8Array(20 * 20);
    for (let i = 0; i < 400; ++i) {
      const r = Math.hypot((i % 20) - 10, Math.floor(i / 20) - 10);
      ring[i] = r > 6 && r < 9 ? 1 : 0;
    }
    const set = fromMask(ring, { lower: [5, 5, 5], upper: [25, 25, 6] });
    expect(hasVoxel(set, middleVoxel(set))).toBe(true);
  });
});
