import { afterEach, describe, expect, it, vi } from "vitest";
import type { ObjectIds } from "../../../layers/mito/protocol.js";
import { paintIds } from "../../../layers/mito/segment_ids.js";
import { WholeObjects } from "../../../layers/mito/whole_objects.js";
import { ObjectTable } from "../../../src/morphology/object_table.js";
import { FLAG_FAILED, FLAG_MEASURED, FLAG_PARTIAL } from "../../../src/morphology/object_types.js";
import { ChunkGrid } from "../../../src/segmentation/chunk_grid.js";
import type { LabelRuns, LabelSettings } from "../../../src/segmentation/types.js";
import { boxSize, boxVolume } from "../../../src/volume/box.js";
import type { Box, Vec3 } from "../../../src/volume/types.js";
import { analyse, createAnalysis } from "../../../workers/analyse.js";
import { copyBox, differences, expectedIds, shuffledPositions } from "../../support/objects_page.js";
import { generator } from "../segmentation/random.js";

const SIZE: Vec3 = [40, 33, 14];
const CHUNK: Vec3 = [16, 16, 5];
const BOUNDS: Box = { lower: [0, 0, 0], upper: SIZE };
const grid = new ChunkGrid(CHUNK, BOUNDS);
const frame = { voxelSize: [5, 5, 20] as Vec3, sliceAxis: 2 as const };

/** Probabilities that vary slowly, so that objects are larger than chunks. */
function clouds(seed: number): Uint8Array {
  const { next } = generator(seed);
  const waves = Array.from({ length: 6 }, () => [next() / 2, next() / 2, next(), 7 * next()]);
  const out = new Uint8Array(SIZE[0] * SIZE[1] * SIZE[2]);
  for (let i = 0; i < out.length; i++) {
    const [x, y, z] = [i % SIZE[0], Math.floor(i / SIZE[0]) % SIZE[1], Math.floor(i / SIZE[0] / SIZE[1])];
    const sum = waves.reduce((total, [a, b, c, d]) => total + Math.sin(a * x + b * y + c * z + d), 0);
    out[i] = Math.max(0, Math.min(255, Math.round(110 + 45 * sum + 30 * (next() - 0.5))));
  }
  return out;
}

/** A screen and a page in place of Neuroglancer's. */
class FakeViewer {
  readonly screen = new Map<string, BigUint64Array>();
  readonly table = new ObjectTable();
  readonly messages: Omit<ObjectIds, "id">[] = [];
  readonly changed: number[] = [];
  readonly labelledAgain: string[] = [];
  readonly measured: number[] = [];
  slow = false;
  broken = false;
  readonly objects: WholeObjects;
  private readonly analysis = createAnalysis((result) => result);

  constructor(
    readonly probability: Uint8Array,
    public settings: LabelSettings,
  ) {
    this.objects = new WholeObjects(
      {
        chunkSize: CHUNK,
        bounds: BOUNDS,
        frame,
        finished: () => [...this.screen.keys()],
        visible: () => new Set(this.screen.keys()),
        isComing: () => false,
        write: async (key, runs, ids) => {
          await new Promise((resolve) => setTimeout(resolve, this.slow ? 5 : 0));
          const data = paintIds(runs, ids);
          return () => {
            if (this.screen.has(key)) this.screen.set(key, data);
          };
        },
        labelAgain: async (key) => {
          this.labelledAgain.push(key);
          return this.label(key).runs;
        },
        measure: async (id, pieces) => {
          this.measured.push(id);
          if (this.broken) throw new Error("worker lost");
          return this.analysis.measure(`${id}`, { pieces, frame });
        },
        touched: () => {},
        changed: (ids) => this.changed.push(...ids),
        sendIds: (message) => this.messages.push(message),
        sendRows: (rows) => this.table.apply(rows),
      },
      settings,
    );
  }

  label(key: string) {
    const box = grid.boxOf(key.split(",").map(Number) as unknown as Vec3);
    const part = new Uint8Array(boxVolume(box));
    copyBox(this.probability, SIZE, box, part, "part");
    return analyse({
      probability: part,
      size: boxSize(box),
      sliceAxis: 2,
      settings: this.settings,
      em: part,
    });
  }

  /** A chunk comes, as `LabelsSource.download` has it. */
  arrive(key: string): void {
    const { runs, measures } = this.label(key);
    this.objects.put(key, runs, measures);
    const mapping = this.objects.mappingOf(key)!;
    this.screen.set(key, paintIds(runs, mapping.ids));
    this.objects.chunkIds.arrived(key, mapping);
  }

  ids(): Float64Array {
    const out = new Float64Array(SIZE[0] * SIZE[1] * SIZE[2]);
    for (const [key, data] of this.screen) {
      const box = grid.boxOf(key.split(",").map(Number) as unknown as Vec3);
      copyBox(out, SIZE, box, Float64Array.from(data, Number), "volume");
    }
    return out;
  }
}

const settings = { threshold: 0.5, minimumVoxels: 30, connectivity: 26 } as const;
const keys = (seed: number) => shuffledPositions(SIZE, CHUNK, seed).map((position) => position.join());
/** Long enough for everything that waits. */
const settle = () => vi.advanceTimersByTimeAsync(5_000);

describe("WholeObjects", () => {
  let viewer: FakeViewer;
  const make = (seed: number, use: LabelSettings = settings) => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    viewer = new FakeViewer(clouds(seed), use);
    return viewer;
  };
  afterEach(() => {
    viewer.objects.dispose();
    vi.useRealTimers();
  });

  it.each([1, 2, 3, 4, 5, 6])(
    "shows what one labelling of the whole gives, in any order (%i)",
    async (seed) => {
      const { objects, screen, table } = make(seed);
      const { next } = generator(seed);
      const wanted = expectedIds(viewer.probability, SIZE, CHUNK, settings);
      expect(wanted.crossing).toBeGreaterThan(0);
      for (const key of keys(seed)) {
        viewer.arrive(key);
        if (next() < 0.3) await vi.advanceTimersByTimeAsync(200 * next());
      }
      await settle();
      expect(differences(viewer.ids(), wanted.ids)).toEqual({ count: 0, first: [] });
      expect([objects.chunkIds.linkCount, objects.chunkIds.outdatedCount]).toEqual([0, 0]);
      expect(
        new Map(Array.from({ length: table.size }, (_, row) => [table.id(row), table.value(row, "voxels")])),
      ).toEqual(wanted.voxels);
      for (let row = 0; row < table.size; row++)
        expect(table.flags(row) & (FLAG_MEASURED | FLAG_PARTIAL)).toBe(FLAG_MEASURED);

      // Chunks leave the screen, others are forgotten, the smallest size changes; then all is looked at again.
      for (const key of keys(seed + 100)) {
        if (next() < 0.4) screen.delete(key);
        if (next() < 0.2) objects.remove(key);
      }
      viewer.settings = { ...settings, minimumVoxels: 200 };
      objects.setSettings(viewer.settings);
      await vi.advanceTimersByTimeAsync(300);
      for (const key of keys(seed + 200)) viewer.arrive(key);
      await settle();
      const fewer = expectedIds(viewer.probability, SIZE, CHUNK, viewer.settings);
      expect(differences(viewer.ids(), fewer.ids)).toEqual({ count: 0, first: [] });
      expect(table.size).toBe(fewer.voxels.size);

      // Another threshold, chunk by chunk.
      viewer.settings = { ...settings, threshold: 0.56 };
      objects.setSettings(viewer.settings);
      for (const key of keys(seed + 300)) {
        const { runs, measures } = viewer.label(key);
        objects.put(key, runs, measures);
        if (next() < 0.3) await vi.advanceTimersByTimeAsync(600 * next());
      }
      await settle();
      const other = expectedIds(viewer.probability, SIZE, CHUNK, viewer.settings);
      expect(differences(viewer.ids(), other.ids)).toEqual({ count: 0, first: [] });
      expect(new Set(Array.from({ length: table.size }, (_, row) => table.id(row)))).toEqual(
        new Set(other.voxels.keys()),
      );
    },
  );

  it("tells the page of links and renamed objects at most twice a second, and takes the links back", async () => {
    make(7).slow = true;
    const start = performance.now();
    const times: number[] = [];
    const push = viewer.messages.push.bind(viewer.messages);
    viewer.messages.push = (...messages) => {
      times.push(performance.now() - start);
      return push(...messages);
    };
    for (const key of keys(7).toReversed()) {
      viewer.arrive(key);
      await vi.advanceTimersByTimeAsync(20);
    }
    await settle();
    for (let i = 1; i < times.length; i++) expect(times[i] - times[i - 1]).toBeGreaterThanOrEqual(499);
    const links = new Map<number, number>();
    let most = 0;
    for (const { linked, unlinked, renamed } of viewer.messages) {
      for (const id of unlinked) links.delete(id);
      for (let i = 0; i < linked.length; i += 2) links.set(linked[i], linked[i + 1]);
      for (let i = 0; i < renamed.length; i += 2) expect(renamed[i]).not.toBe(renamed[i + 1]);
      most = Math.max(most, links.size);
    }
    expect(most).toBeGreaterThan(0);
    expect(links.size).toBe(0);
  });

  it("follows an object whose number changes with the threshold", async () => {
    make(8, { ...settings, threshold: 0.6, minimumVoxels: 5 });
    for (const key of keys(8)) viewer.arrive(key);
    await settle();
    const before = viewer.ids();
    viewer.messages.length = 0;
    viewer.settings = { ...viewer.settings, threshold: 0.68 };
    viewer.objects.setSettings(viewer.settings);
    for (const key of keys(9)) {
      const { runs, measures } = viewer.label(key);
      viewer.objects.put(key, runs, measures);
    }
    await settle();
    const after = viewer.ids();
    const renamed = new Map<number, number>();
    for (const message of viewer.messages)
      for (let i = 0; i < message.renamed.length; i += 2)
        renamed.set(message.renamed[i], message.renamed[i + 1]);
    expect(renamed.size).toBeGreaterThan(0);
    // Each object of before lives on as one with which it shares voxels, if any is left.
    let followed = 0;
    for (const id of new Set(before.filter((id) => id !== 0))) {
      const heirs = new Set(after.filter((now, i) => before[i] === id && now !== 0));
      if (heirs.size === 0) continue;
      const heir = renamed.get(id) ?? id;
      if (heirs.has(heir)) followed++;
      else expect(after.includes(heir), `${id} became ${heir}`).toBe(false);
    }
    expect(followed).toBeGreaterThanOrEqual(2);
  });

  it("measures a partial object only when it is selected, and says when one cannot be measured", async () => {
    make(10);
    const [first] = keys(10);
    viewer.arrive(first);
    await settle();
    const partial = Array.from({ length: viewer.table.size }, (_, row) => row).filter(
      (row) => viewer.table.flags(row) & FLAG_PARTIAL,
    );
    expect(partial.length).toBeGreaterThan(0);
    for (const row of partial) expect(viewer.table.flags(row) & FLAG_MEASURED).toBe(0);
    const id = viewer.table.id(partial[0]);
    expect(viewer.measured).not.toContain(id);
    viewer.objects.select([id]);
    await settle();
    expect(viewer.table.flags(viewer.table.indexOf(id)) & FLAG_MEASURED).toBe(FLAG_MEASURED);
    viewer.broken = true;
    for (const key of keys(10)) viewer.arrive(key);
    await settle();
    for (let row = 0; row < viewer.table.size; row++)
      expect(viewer.table.flags(row) & (FLAG_FAILED | FLAG_MEASURED | FLAG_PARTIAL)).toBe(FLAG_FAILED);
  });

  it("gives the pieces of an object alone, and lets edits stand behind the graph", async () => {
    make(11);
    for (const key of keys(11)) viewer.arrive(key);
    await settle();
    const wanted = expectedIds(viewer.probability, SIZE, CHUNK, settings);
    const [[id, voxels]] = [...wanted.voxels].sort(([, a], [, b]) => b - a);
    const pieces = (await viewer.objects.piecesOf(id))!;
    expect(pieces.length).toBeGreaterThan(1);
    const length = ({ starts, ends }: LabelRuns) => ends.reduce((sum, end, i) => sum + end - starts[i], 0);
    expect(pieces.reduce((sum, { runs }) => sum + length(runs), 0)).toBe(voxels);
    expect(await viewer.objects.piecesOf(id + 0.5)).toBeUndefined();

    // The user's merge: the object is shown under the id of another.
    viewer.objects.overlay = {
      apply: (_, ids) => ids.map((own) => (own === id ? 77 : own)),
      drawnVersion: () => 0,
      paint: () => {},
      isObject: (own) => (own === id ? false : undefined),
      shape: () => undefined,
      partsOf: () => [],
      piecesOf: (own) => (own === 77 ? pieces : undefined),
    };
    viewer.objects.edited();
    await settle();
    expect(
      differences(
        viewer.ids(),
        wanted.ids.map((own) => (own === id ? 77 : own)),
      ).count,
    ).toBe(0);
    expect(await viewer.objects.piecesOf(77)).toBe(pieces);
    expect(viewer.objects.object(id)).toBeUndefined();
    viewer.objects.overlay = undefined;
    viewer.objects.edited();
    await settle();
    expect(differences(viewer.ids(), wanted.ids).count).toBe(0);
  });
});
