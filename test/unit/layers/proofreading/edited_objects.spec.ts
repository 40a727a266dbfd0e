import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type ChangeReport, EditedObjects } from "../../../../layers/mito/edited_objects.js";
import type { EditedObject } from "../../../../layers/mito/edits_protocol.js";
import { EditsView } from "../../../../layers/mito/edits_view.js";
import { paintIds } from "../../../../layers/mito/segment_ids.js";
import { WholeObjects } from "../../../../layers/mito/whole_objects.js";
import { ObjectTable } from "../../../../src/morphology/object_table.js";
import { correctedLabels } from "../../../../src/proofreading/corrected_labels.js";
import { EditLog } from "../../../../src/proofreading/log.js";
import { Replay } from "../../../../src/proofreading/replay.js";
import type { Action, KnownOperation } from "../../../../src/proofreading/types.js";
import { ChunkGrid } from "../../../../src/segmentation/chunk_grid.js";
import type { LabelSettings } from "../../../../src/segmentation/types.js";
import { boxSize, boxVolume } from "../../../../src/volume/box.js";
import type { Box, Vec3 } from "../../../../src/volume/types.js";
import { analyse, createAnalysis } from "../../../../workers/analyse.js";
import { copyBox, differences, shuffledPositions } from "../../../support/objects_page.js";
import { randomAction, randomOf } from "../../proofreading/random_operations.js";

const SIZE: Vec3 = [48, 40, 12];
const CHUNK: Vec3 = [16, 16, 5];
const BOUNDS: Box = { lower: [0, 0, 0], upper: SIZE };
const VOLUME = { url: "em", scale: 0 };
const grid = new ChunkGrid(CHUNK, BOUNDS);
const settings = { threshold: 0.5, minimumVoxels: 10, connectivity: 26 } as const;

/** Balls; the second and third touch, over the border of two chunks. */
const BALLS: readonly (readonly [number, number, number, number])[] = [
  [8, 8, 5, 5],
  [20, 24, 5, 6],
  [31, 24, 6, 6],
  [40, 8, 6, 4],
];

/** High in the middle of each ball, so that a threshold makes them smaller and cuts those that touch. */
function balls(): Uint8Array {
  const out = new Uint8Array(boxVolume(BOUNDS));
  for (let i = 0; i < out.length; i++) {
    const at = [i % SIZE[0], Math.floor(i / SIZE[0]) % SIZE[1], Math.floor(i / SIZE[0] / SIZE[1])];
    let best = 0;
    for (const [x, y, z, radius] of BALLS) {
      const distance = Math.hypot(at[0] - x, at[1] - y, 1.5 * (at[2] - z)) / radius;
      best = Math.max(best, 255 * (1 - distance / 2));
    }
    out[i] = Math.round(Math.max(0, best));
  }
  return out;
}

const frame = { voxelSize: [10, 10, 15] as Vec3, sliceAxis: 2 as const };
const author = { author: "ana", model: "m", volume: VOLUME, settings };

class Screen {
  readonly chunks = new Map<string, BigUint64Array>();
  readonly reports: ChangeReport[] = [];
  readonly objects: WholeObjects;
  readonly view: EditsView;
  readonly edits: EditedObjects;
  readonly log = new EditLog();
  readonly table = new ObjectTable();
  settings: LabelSettings = settings;
  private readonly probability = balls();
  private readonly analysis = createAnalysis((result) => result);
  private time = 1000;

  constructor() {
    this.objects = new WholeObjects(
      {
        chunkSize: CHUNK,
        bounds: BOUNDS,
        frame,
        finished: () => [...this.chunks.keys()],
        visible: () => new Set(this.chunks.keys()),
        isComing: () => false,
        write: async (key, runs, ids) => {
          const data = this.painted(key, paintIds(runs, ids));
          return () => {
            if (this.chunks.has(key)) this.chunks.set(key, data);
          };
        },
        labelAgain: async (key) => this.label(key).runs,
        measure: async (id, pieces) => this.analysis.measure(`${id}`, { pieces, frame }),
        touched: () => {},
        changed: (ids) => this.edits?.predictionsChanged(ids),
        sendIds: () => {},
        sendRows: (rows) => this.table.apply(rows),
      },
      settings,
    );
    this.view = new EditsView({
      voxelSize: [10, 10, 15],
      volume: VOLUME,
      graph: () => this.objects.predicted,
      settings: () => this.settings,
      probabilityOf: async (box) => this.part(box),
    });
    this.edits = new EditedObjects(this.view, this.objects, (report) => this.reports.push(report));
    this.objects.overlay = this.edits;
  }

  private part(box: Box): Uint8Array {
    const part = new Uint8Array(boxVolume(box));
    copyBox(this.probability, SIZE, box, part, "part");
    return part;
  }

  private boxOf(key: string): Box {
    return grid.boxOf(key.split(",").map(Number) as unknown as Vec3);
  }

  private label(key: string) {
    const box = this.boxOf(key);
    return analyse({
      probability: this.part(box),
      size: boxSize(box),
      sliceAxis: 2,
      settings: this.settings,
    });
  }

  private painted(key: string, ids: BigUint64Array<ArrayBuffer>): BigUint64Array {
    this.edits.paint(this.boxOf(key), ids, true);
    return ids;
  }

  arrive(key: string): void {
    const { runs, measures } = this.label(key);
    this.objects.put(key, runs, measures);
    const mapping = this.objects.mappingOf(key)!;
    this.chunks.set(key, this.painted(key, paintIds(runs, mapping.ids)));
    this.objects.chunkIds.arrived(key, mapping);
  }

  ids(): Float64Array {
    const out = new Float64Array(boxVolume(BOUNDS));
    for (const [key, data] of this.chunks)
      copyBox(out, SIZE, this.boxOf(key), Float64Array.from(data, Number), "volume");
    return out;
  }

  at([x, y, z]: Vec3): number {
    return this.ids()[x + SIZE[0] * (y + SIZE[1] * z)];
  }

  create(action: Action): KnownOperation {
    this.time += 10;
    return this.log.create(action, author, this.time, Uint8Array.of(this.time, 1, 2, 3, 4, 5, 6, 7, 8, 9));
  }

  async do(action: Action): Promise<KnownOperation> {
    const operation = this.create(action);
    this.log.add([operation]);
    await this.edits.add([operation]);
    await settle();
    return operation;
  }

  /** What a replay from the start gives, by another way than the screen's. */
  async wanted(): Promise<Float64Array> {
    const { corrections } = await Replay.of(this.view, this.log.operations);
    const labels = correctedLabels(corrections, BOUNDS, (id) => this.objects.predicted.isShown(id));
    // Objects may be drawn into chunks that are not on the screen.
    const out = new Float64Array(labels.length);
    for (const key of this.chunks.keys()) {
      const box = this.boxOf(key);
      const part = new Float64Array(boxVolume(box));
      copyBox(labels, SIZE, box, part, "part");
      copyBox(out, SIZE, box, part, "volume");
    }
    return out;
  }
}

const settle = () => vi.advanceTimersByTimeAsync(3000);
const keys = (seed: number) => shuffledPositions(SIZE, CHUNK, seed).map((position) => position.join());
const [A, B, C, D] = BALLS.map(([x, y, z]): Vec3 => [x, y, z]);

describe("EditedObjects", () => {
  let screen: Screen;
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    screen = new Screen();
  });
  afterEach(() => {
    screen.edits.dispose();
    screen.objects.dispose();
    vi.useRealTimers();
  });
  const all = async (seed: number) => {
    for (const key of keys(seed)) screen.arrive(key);
    await settle();
  };
  /** The table has the objects that are shown, with their sizes. */
  const sameTable = async () => {
    // Measuring takes its turns by messages, which fake timers do not hurry.
    for (let i = 0; i < 60; i++) {
      await vi.advanceTimersByTimeAsync(100);
      await new Promise((resolve) => setImmediate(resolve));
    }
    const { table } = screen;
    const rows = Array.from({ length: table.size }, (_, row) => [table.id(row), table.value(row, "voxels")]);
    const voxels = new Map<number, number>();
    for (const id of screen.ids()) if (id !== 0) voxels.set(id, (voxels.get(id) ?? 0) + 1);
    const order = (entries: Iterable<readonly number[]>) => [...entries].sort(([a], [b]) => a - b);
    expect(order(rows)).toEqual(order(voxels));
    for (let row = 0; row < table.size; row++) expect(table.value(row, "surfaceArea")).toBeGreaterThan(0);
  };
  const same = async () =>
    expect(differences(screen.ids(), await screen.wanted())).toEqual({ count: 0, first: [] });

  it("shows what a replay gives after each operation, taken back and done again", async () => {
    await all(1);
    const start = screen.ids();
    expect(screen.at(B)).toBe(screen.at(C));
    expect(screen.at(A)).not.toBe(screen.at(D));
    const actions: Action[] = [
      { kind: "merge", anchors: [A, D] },
      { kind: "split", parts: [[B], [C]], landscape: "probability" },
      { kind: "delete", anchor: B },
      { kind: "grow", anchor: C, reach: { dimensions: 3 }, voxels: 1 },
      { kind: "restore", anchor: B },
      { kind: "verdict", anchor: A, verdict: "accept" },
    ];
    const done: KnownOperation[] = [];
    const states: Float64Array[] = [];
    for (const action of actions) {
      states.push(screen.ids());
      done.push(await screen.do(action));
      expect(screen.reports.at(-1)?.conflicts).toEqual([]);
      await same();
      await sameTable();
    }
    expect(screen.at(A)).toBe(screen.at(D));
    expect(screen.at(B)).not.toBe(screen.at(C));
    expect(screen.edits.find(D)).toMatchObject({ verdict: "accept", parts: 2, deleted: false });
    const end = screen.ids();
    for (const { id } of [...done].reverse()) {
      await screen.do({ kind: "undo", target: id });
      expect(differences(screen.ids(), states.pop()!).count).toBe(0);
    }
    expect(differences(screen.ids(), start).count).toBe(0);
    await sameTable();
    for (const { id } of done) await screen.do({ kind: "redo", target: id });
    expect(differences(screen.ids(), end).count).toBe(0);
    await same();
  });

  it("holds edits whatever the order in which chunks come, and at another threshold", async () => {
    const make = (screen: Screen) => {
      for (const action of [
        { kind: "merge", anchors: [A, D] },
        { kind: "split", parts: [[B], [C]], landscape: "distance" },
        { kind: "delete", anchor: D },
      ] as const)
        screen.log.add([screen.create(action)]);
    };
    make(screen);
    await screen.edits.add(screen.log.operations);
    // Nobody has looked at these places yet: nothing is a conflict.
    expect(screen.reports.at(-1)).toMatchObject({ conflictCount: 0, waiting: 3 });
    await all(2);
    await same();
    expect(screen.reports.at(-1)).toMatchObject({ conflictCount: 0, waiting: 0 });
    expect([screen.at(A), screen.at(D)]).toEqual([0, 0]);
    const ids = screen.ids();

    const other = new Screen();
    make(other);
    for (const key of keys(3)) other.arrive(key);
    await settle();
    await other.edits.add(other.log.operations);
    await settle();
    expect(differences(other.ids(), ids).count).toBe(0);
    other.objects.dispose();

    // The two that touched are apart now: the split says so, the rest holds.
    screen.settings = { ...settings, threshold: 0.85 };
    screen.objects.setSettings(screen.settings);
    await all(4);
    await same();
    expect(screen.reports.at(-1)?.conflicts.map(({ reason }) => reason)).toEqual(["already-apart"]);
    expect([screen.at(A), screen.at(D)]).toEqual([0, 0]);

    screen.settings = settings;
    screen.objects.setSettings(settings);
    await all(5);
    await same();
    expect(differences(screen.ids(), ids).count).toBe(0);
    expect(screen.reports.at(-1)?.conflictCount).toBe(0);
  });

  it.each([1, 2, 3, 10, 11, 12])("is what a replay gives while chunks go and come (%i)", async (seed) => {
    const random = randomOf(seed);
    const blobs = BALLS.map(([x, y, z, radius]) => ({ centre: [x, y, z] as Vec3, radius }));
    const order = keys(seed);
    await all(seed);
    const made: KnownOperation[] = [];
    for (let i = 0; i < 40; i++) {
      const operation = screen.create(randomAction(random, blobs, SIZE, made));
      made.push(operation);
      screen.log.add([operation]);
      const adding = screen.edits.add([operation]);
      if (random() < 0.5) {
        const key = order[Math.floor(random() * order.length)];
        if (screen.chunks.delete(key)) screen.objects.remove(key);
        else screen.arrive(key);
      }
      await vi.advanceTimersByTimeAsync(100 * random());
      await adding;
      if (i % 10 === 9) {
        await settle();
        await same();
      }
    }
    for (const key of order) if (!screen.chunks.has(key)) screen.arrive(key);
    await settle();
    await same();
    await sameTable();
  });

  it("previews a split with its markers and takes it away again", async () => {
    await all(6);
    const before = screen.ids();
    const operation = screen.create({ kind: "split", parts: [[B], [C]], landscape: "probability" });
    const tried = await screen.edits.try(operation, true, [[B], [C]]);
    await settle();
    expect(tried.conflicts).toEqual([]);
    expect(tried.objects).toHaveLength(2);
    const voxels = (object: EditedObject) => object.voxels ?? 0;
    expect(tried.objects.reduce((sum, object) => sum + voxels(object), 0)).toBe(
      before.filter((id) => id === before[B[0] + SIZE[0] * (B[1] + SIZE[1] * B[2])]).length,
    );
    const [first, second] = [screen.at(B), screen.at(C)];
    expect(first).toBeGreaterThan(2 ** 52);
    expect(second).toBe(first + 1);
    const near = (voxel: Vec3): Vec3 => [voxel[0], voxel[1], voxel[2] + 1];
    expect(new Set([screen.at(near(B)), screen.at(near(C))])).toEqual(
      new Set(tried.objects.map(({ id }) => id)),
    );
    // An export does not see it.
    const exported = new BigUint64Array(boxVolume(BOUNDS));
    screen.edits.paint(BOUNDS, exported, false);
    expect(exported.every((id) => id === 0n)).toBe(true);

    await screen.edits.try(undefined, false);
    await settle();
    expect(differences(screen.ids(), before).count).toBe(0);
  });

  it("paints coarse pictures with the voxel in the middle of each of theirs", async () => {
    await all(8);
    await screen.do({ kind: "split", parts: [[B], [C]], landscape: "probability" });
    const fine = new BigUint64Array(boxVolume(BOUNDS));
    screen.edits.paint(BOUNDS, fine, false);
    for (const factor of [
      [2, 2, 1],
      [3, 4, 2],
    ] as const) {
      const upper = SIZE.map((size, i) => Math.floor(size / factor[i])) as unknown as Vec3;
      const box: Box = { lower: [2, 1, 0], upper };
      const coarse = new BigUint64Array(boxVolume(box));
      screen.edits.paint(box, coarse, false, factor);
      let at = 0;
      const wanted = coarse.map(() => {
        const [width, height] = boxSize(box);
        const voxel = [at % width, Math.floor(at / width) % height, Math.floor(at / width / height)];
        const [x, y, z] = voxel.map((v, i) => (v + box.lower[i]) * factor[i] + Math.floor(factor[i] / 2));
        at++;
        return fine[x + SIZE[0] * (y + SIZE[1] * z)];
      });
      expect(new Set(wanted).size).toBe(3);
      expect(coarse).toEqual(wanted);
    }
  });

  it("gives meshes the voxels of corrected objects, and the queue the objects that are there", async () => {
    await all(7);
    await screen.do({ kind: "merge", anchors: [A, D] });
    const merged = screen.at(A);
    const count = (pieces: readonly { runs: { starts: ArrayLike<number>; ends: ArrayLike<number> } }[]) =>
      pieces.reduce(
        (sum, { runs }) =>
          sum + Array.from(runs.ends).reduce((total, end, i) => total + end - runs.starts[i], 0),
        0,
      );
    expect(count((await screen.objects.piecesOf(merged))!)).toBe(
      screen.ids().filter((id) => id === merged).length,
    );
    const found = [];
    for (let after: number | undefined = 0; after !== undefined; ) {
      const { places, next, total } = await screen.edits.places(after, undefined);
      found.push(...places);
      expect(total).toBe(3);
      after = next;
    }
    expect(found.map(({ kind }) => kind)).toEqual(["object", "object", "object"]);
    for (const { anchor } of found) expect(screen.at(anchor)).toBeGreaterThan(0);
  });

  it("says of a place what is known of it", async () => {
    const inside: Vec3 = [A[0], A[1], 4];
    screen.arrive("0,0,0");
    await settle();
    expect(screen.edits.find([47, 39, 11])).toBe("absent");
    expect(screen.edits.find([0, 0, 0])).toBe("background");
    expect(screen.edits.find(inside)).toMatchObject({ deleted: false, tags: [], parts: 1 });
    await screen.do({ kind: "delete", anchor: inside });
    expect(screen.edits.find(inside)).toMatchObject({ deleted: true });
    await screen.do({ kind: "tag", anchor: [30, 8, 1], tag: "x" });
    expect(screen.reports.at(-1)).toMatchObject({ conflictCount: 0, waiting: 1 });
    await screen.do({ kind: "tag", anchor: [0, 0, 0], tag: "x" });
    expect(screen.reports.at(-1)).toMatchObject({ conflictCount: 1, waiting: 1 });
  });
});
