import { describe, expect, it } from "vitest";
import { ExportMemory, idsInBox } from "../../../layers/mito/export_memory.js";
import type { Bytes, ExportSink } from "../../../src/export/types.js";
import type { ObjectMesh } from "../../../src/mesh/types.js";
import { boxVolume } from "../../../src/volume/box.js";
import type { Box, Vec3 } from "../../../src/volume/types.js";
import type { ExportPart, ExportUpdate } from "../../../workers/export_api.js";
import { type ExportSource, runExport } from "../../../workers/export_session.js";
import { mask, pieces } from "../mesh/masks.js";
import { readCsv } from "./read_csv.js";

const BOX: Box = { lower: [3, 0, 0], upper: [13, 6, 4] };
const MESH: ObjectMesh = {
  positions: Float32Array.of(0, 0, 0, 1, 0, 0, 0, 1, 0),
  indices: Uint32Array.of(0, 1, 2),
  step: [2, 2, 1],
};

function setUp(source: Partial<ExportSource>, more: { archive?: boolean } = {}) {
  const files = new Map<string, Bytes[]>();
  const updates: ExportUpdate[] = [];
  const controller = new AbortController();
  const sink: ExportSink = {
    name: "sink",
    write: async (path, parts) => {
      files.set(path, [...parts]);
    },
  };
  const keys = Array.from({ length: 20 }, (_, i) => `${i},0,0`);
  const host = {
    source: {
      chunksOf: async () => keys,
      prepare: async () => {},
      holdIds: async () => {},
      readLabels: async (box: Box) =>
        new BigUint64Array(boxVolume(box)).fill(2n ** 40n + BigInt(box.lower[0])),
      readProbability: async (box: Box) => new Uint8Array(boxVolume(box)),
      mesh: async () => MESH,
      ...source,
    },
    sink,
    ...(more.archive && {
      archive: async (name: string, write: (inner: ExportSink) => Promise<void>) => {
        await write({ name, write: (path, parts) => sink.write(`${name}!${path}`, parts) });
      },
    }),
    onUpdate: (update: ExportUpdate) => void updates.push(update),
    signal: controller.signal,
  };
  const run = (...parts: ExportPart[]) =>
    runExport({ name: "test", parts, voxelSize: [5, 5, 10], about: { model: "m" } }, host);
  return { files, updates, controller, run, keys };
}

const text = (parts: Bytes[] | undefined) => new TextDecoder().decode(Buffer.concat(parts ?? []));

describe("an export", () => {
  it("predicts all chunks, a few at once, before it takes down the ids and writes", async () => {
    const order: string[] = [];
    let running = 0;
    let most = 0;
    const { run, updates, keys } = setUp({
      prepare: async (key, labels) => {
        most = Math.max(most, ++running);
        await new Promise((resolve) => setTimeout(resolve, 1));
        order.push(`${key} ${labels}`);
        running--;
      },
      holdIds: async (held) => void order.push(`hold ${held.length}`),
      readLabels: async (box) => {
        order.push("read");
        return new BigUint64Array(boxVolume(box));
      },
    });
    await run({ kind: "labels", box: BOX, dataType: "uint64" });
    expect(new Set(order.slice(0, 20))).toEqual(new Set(keys.map((key) => `${key} true`)));
    expect(order.slice(20)).toEqual(["hold 20", "read"]);
    expect(most).toBe(3);
    const predicting = updates.filter(({ unit }) => unit === "chunks");
    expect(predicting.map(({ done }) => done)).toEqual(Array.from({ length: 21 }, (_, i) => i));
  });

  it("stops at the first chunk that fails, with its error", async () => {
    const asked: string[] = [];
    const { run, files } = setUp({
      prepare: async (key, _labels, signal) => {
        asked.push(key);
        if (key === "4,0,0") throw new Error("em/4_0_0: is damaged");
        await new Promise((resolve) => setTimeout(resolve, 5));
        signal.throwIfAborted();
      },
    });
    await expect(run({ kind: "probability", box: BOX })).rejects.toThrow("em/4_0_0: is damaged");
    expect(asked.length).toBeLessThan(8);
    expect(files.size).toBe(0);
  });

  it("ends when it is cancelled", async () => {
    const { run, controller } = setUp({
      prepare: async () => controller.abort(new DOMException("cancelled", "AbortError")),
    });
    await expect(run({ kind: "labels", box: BOX, dataType: "uint64" })).rejects.toThrow("cancelled");
  });

  it("numbers labels of 32 bits from 1 and says which object each is", async () => {
    const { run, files } = setUp({
      readLabels: async (box) =>
        BigUint64Array.from({ length: boxVolume(box) }, (_, i) => [0n, 2n ** 45n, 7n, 7n, 2n ** 45n][i % 5]),
    });
    const { items } = await run({ kind: "labels", box: BOX, dataType: "uint32" });
    expect(items).toEqual(["labels.ome.zarr", "label_ids.csv"]);
    expect(readCsv(text(files.get("label_ids.csv")))).toEqual([
      ["label", "id"],
      ["1", String(2 ** 45)],
      ["2", "7"],
    ]);
    expect(JSON.parse(text(files.get("labels.ome.zarr/0/.zarray"))).dtype).toBe("<u4");
  });

  it("says which meshes are missing or coarse, and puts names with a colon into an archive", async () => {
    const { run, files } = setUp({ mesh: async (id) => (id === 5 ? undefined : MESH) }, { archive: true });
    const ids = Float64Array.of(4, 5, 6);
    const { items, notes } = await run({ kind: "meshes", ids, format: "precomputed" });
    expect(items).toEqual(["meshes.zip"]);
    expect([...files.keys()].at(-1)).toBe("meshes.zip!info");
    expect(files.has("meshes.zip!4:0")).toBe(true);
    expect(notes.join(" ")).toMatch(/2 meshes\. 1 objects have no mesh.*2 objects are so large/);
    const ply = await run({ kind: "meshes", ids, format: "ply" });
    expect(ply.items).toEqual(["meshes"]);
    expect(text(files.get("meshes/4.ply"))).toContain("comment sampled every 2 x 2 x 1 voxels");
  });
});

describe("ids in a box", () => {
  it("are those of the chunk's labels where the two overlap", () => {
    const shape = mask([20, 10, 6], (x, y, z) => (x + y + z) % 3 !== 0);
    const [{ runs }] = pieces(shape);
    const lower: Vec3 = [5, 0, 2];
    const voxels = new BigUint64Array(boxVolume(BOX)).fill(1n);
    idsInBox(runs, lower, Float64Array.of(0, 2 ** 50), BOX, voxels);
    let at = 0;
    for (let z = BOX.lower[2]; z < BOX.upper[2]; ++z)
      for (let y = BOX.lower[1]; y < BOX.upper[1]; ++y)
        for (let x = BOX.lower[0]; x < BOX.upper[0]; ++x) {
          const [i, j, k] = [x - lower[0], y - lower[1], z - lower[2]];
          const inside = i >= 0 && k >= 0 && shape.voxels[i + 20 * (j + 10 * k)] === 1;
          expect(voxels[at++]).toBe(inside ? 2n ** 50n : 1n);
        }
  });
});

describe("what an export remembers", () => {
  it("is what was used last, up to so many bytes", async () => {
    const memory = new ExportMemory<Uint8Array>(30, ({ length }) => length);
    const made: string[] = [];
    const get = (key: string) =>
      memory.get(key, async () => {
        made.push(key);
        return new Uint8Array(10);
      });
    for (const key of ["a", "b", "c", "a", "d", "a", "b"]) await get(key);
    expect(made).toEqual(["a", "b", "c", "d", "b"]);
    expect(await memory.get("large", async () => new Uint8Array(100))).toHaveLength(100);
    expect(await memory.get("none", async () => undefined)).toBeUndefined();
  });
});
