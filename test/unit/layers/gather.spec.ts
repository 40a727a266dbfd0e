import type { VolumeChunkSource } from "neuroglancer/unstable/sliceview/volume/backend.js";
import { describe, expect, it } from "vitest";
import { BlockCache } from "../../../layers/mito/block_cache.js";
import { type EmBlock, EmGatherer } from "../../../layers/mito/gather.js";
import type { Box, Vec3 } from "../../../src/volume/types.js";

interface FakeChunk {
  data: Uint8Array | Uint16Array | null;
  chunkDataSize: Uint32Array | null;
  grid: Float32Array;
}

/** A chunk source of `shape` (its own axes, first fastest) in chunks of `chunkShape`, with a value for each voxel. */
class FakeSource {
  readonly rpcId = 7;
  readonly spec: { chunkDataSize: Uint32Array };
  downloads = 0;
  /** Grid positions that fail, or are not stored. */
  readonly broken = new Set<string>();
  readonly absent = new Set<string>();
  readonly truncated = new Set<string>();
  readonly chunkConstructor = class {
    data: FakeChunk["data"] = null;
    chunkDataSize: FakeChunk["chunkDataSize"] = null;
    grid!: Float32Array;
    initializeVolumeChunk(_key: string, grid: Float32Array) {
      this.grid = grid;
    }
  };
  constructor(
    private readonly shape: readonly number[],
    chunkShape: readonly number[],
    private readonly value: (position: readonly number[]) => number,
    private readonly type: Uint8ArrayConstructor | Uint16ArrayConstructor = Uint8Array,
  ) {
    this.spec = { chunkDataSize: Uint32Array.from(chunkShape) };
  }
  async download(chunk: FakeChunk) {
    this.downloads++;
    const key = chunk.grid.join();
    await Promise.resolve();
    if (this.broken.has(key)) throw new Error("HTTP error 403");
    const origin = Array.from(chunk.grid, (g, i) => g * this.spec.chunkDataSize[i]);
    const size = origin.map((o, i) => Math.min(this.spec.chunkDataSize[i], this.shape[i] - o));
    chunk.chunkDataSize = Uint32Array.from(size);
    if (this.absent.has(key)) return;
    const count = size.reduce((a, b) => a * b, 1);
    const data = new this.type(count);
    for (let i = 0; i < count; i++) {
      let rest = i;
      data[i] = this.value(
        size.map((s, d) => {
          const at = rest % s;
          rest = (rest - at) / s;
          return at + origin[d];
        }),
      );
    }
    chunk.data = this.truncated.has(key) ? data.subarray(1) : data;
  }
}

const live = () => new AbortController().signal;
const value = ([x, y, z]: readonly number[]) => (x * 3 + y * 17 + z * 101) % 256;

function expected(box: Box, of: (p: readonly number[]) => number): number[] {
  const out: number[] = [];
  for (let z = box.lower[2]; z < box.upper[2]; z++)
    for (let y = box.lower[1]; y < box.upper[1]; y++)
      for (let x = box.lower[0]; x < box.upper[0]; x++) out.push(of([x, y, z]));
  return out;
}

function gatherer(source: FakeSource, chunkDims: Vec3, fixed: number[], bytesPerVoxel: 1 | 2 = 1) {
  return new EmGatherer(source as unknown as VolumeChunkSource, new BlockCache<EmBlock>(1e6), {
    chunkDims,
    fixed,
    bytesPerVoxel,
    url: "zarr://http://host/em",
  });
}

const box: Box = { lower: [5, 3, 2], upper: [23, 19, 9] };

describe("EmGatherer", () => {
  it("puts a box together from the chunks that it meets, each fetched once", async () => {
    const source = new FakeSource([24, 20, 10], [8, 8, 4], value);
    const em = gatherer(source, [0, 1, 2], [-1, -1, -1]);
    expect([...(await em.gather(box, live()))]).toEqual(expected(box, value));
    expect(source.downloads).toBe(27);
    await em.gather({ lower: [0, 0, 0], upper: [24, 20, 10] }, live());
    expect(source.downloads).toBe(27);
  });

  it("reads any order of axes as x, y, z", async () => {
    const source = new FakeSource([10, 20, 24], [4, 8, 8], ([z, y, x]) => value([x, y, z]));
    expect([...(await gatherer(source, [2, 1, 0], [-1, -1, -1]).gather(box, live()))]).toEqual(
      expected(box, value),
    );
  });

  it("reads one channel of several, 16 bit", async () => {
    const deep = (p: readonly number[], c: number) => 256 * value(p) + c;
    const source = new FakeSource(
      [24, 20, 10, 5],
      [8, 8, 4, 2],
      ([x, y, z, c]) => deep([x, y, z], c),
      Uint16Array,
    );
    const em = await gatherer(source, [0, 1, 2], [-1, -1, -1, 3], 2).gather(box, live());
    expect(em).toBeInstanceOf(Uint16Array);
    expect([...em]).toEqual(expected(box, (p) => deep(p, 3)));
  });

  it("takes chunks that are not stored as zeros", async () => {
    const source = new FakeSource([24, 20, 10], [8, 8, 4], value);
    source.absent.add("1,1,1");
    const isAbsent = (p: readonly number[]) => p[0] >> 3 === 1 && p[1] >> 3 === 1 && p[2] >> 2 === 1;
    expect([...(await gatherer(source, [0, 1, 2], [-1, -1, -1]).gather(box, live()))]).toEqual(
      expected(box, (p) => (isAbsent(p) ? 0 : value(p))),
    );
  });

  it("names the chunk that cannot be read, and reads it again the next time", async () => {
    const source = new FakeSource([24, 20, 10], [8, 8, 4], value);
    source.broken.add("2,0,1");
    const em = gatherer(source, [0, 1, 2], [-1, -1, -1]);
    await expect(em.gather(box, live())).rejects.toThrow(
      "zarr://http://host/em: EM chunk 2,0,1 cannot be read: HTTP error 403",
    );
    source.broken.clear();
    expect([...(await em.gather(box, live()))]).toEqual(expected(box, value));
  });

  it("refuses a chunk of the wrong length", async () => {
    const source = new FakeSource([24, 20, 10], [8, 8, 4], value);
    source.truncated.add("0,0,0");
    await expect(gatherer(source, [0, 1, 2], [-1, -1, -1]).gather(box, live())).rejects.toThrow(
      /EM chunk 0,0,0 cannot be read: has 255 bytes, expected 256/,
    );
  });

  it("stops when aborted", async () => {
    const source = new FakeSource([24, 20, 10], [8, 8, 4], value);
    const controller = new AbortController();
    const result = gatherer(source, [0, 1, 2], [-1, -1, -1]).gather(box, controller.signal);
    controller.abort(new DOMException("left", "AbortError"));
    await expect(result).rejects.toMatchObject({ name: "AbortError" });
  });
});
