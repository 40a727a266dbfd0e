import type { VolumeChunkSource } from "neuroglancer/unstable/sliceview/volume/backend.js";
import { describe, expect, it } from "vitest";
import type { ReferencePlacement } from "../../../../layers/mito/agreement_protocol.js";
import { ReferenceReader } from "../../../../layers/mito/agreement_reference.js";
import type { Box, Vec3 } from "../../../../src/volume/types.js";

interface FakeChunk {
  data: BigUint64Array | null;
  chunkDataSize: Uint32Array | null;
  grid: Float32Array;
}

/** Labels of `shape` in chunks of `chunkShape`, in axes of their own, first fastest. */
class FakeLabels {
  readonly spec;
  downloads = 0;
  broken = false;
  readonly chunkConstructor = class {
    data: FakeChunk["data"] = null;
    chunkDataSize: FakeChunk["chunkDataSize"] = null;
    grid!: Float32Array;
    initializeVolumeChunk(_key: string, grid: Float32Array) {
      this.grid = grid.slice();
    }
  };
  constructor(
    private readonly shape: Vec3,
    private readonly chunkShape: Vec3,
    private readonly label: (position: Vec3) => number,
  ) {
    this.spec = {
      chunkDataSize: Uint32Array.from(chunkShape),
      lowerVoxelBound: Float32Array.of(0, 0, 0),
      upperVoxelBound: Float32Array.from(shape),
      compressedSegmentationBlockSize: undefined,
    };
  }
  async download(chunk: FakeChunk) {
    this.downloads++;
    if (this.broken) throw new Error("HTTP error 500");
    const origin = Array.from(chunk.grid, (g, i) => g * this.chunkShape[i]);
    const size = origin.map((o, i) => Math.min(this.chunkShape[i], this.shape[i] - o));
    chunk.chunkDataSize = Uint32Array.from(size);
    const data = new BigUint64Array(size[0] * size[1] * size[2]);
    for (let i = 0; i < data.length; i++) {
      const x = i % size[0];
      const y = Math.floor(i / size[0]) % size[1];
      const z = Math.floor(i / (size[0] * size[1]));
      data[i] = BigInt(this.label([origin[0] + x, origin[1] + y, origin[2] + z]));
    }
    chunk.data = data;
  }
}

const reader = (source: FakeLabels, placement: ReferencePlacement) =>
  new ReferenceReader(source as unknown as VolumeChunkSource, placement, "truth");
const { signal } = new AbortController();

describe("reading a reference", () => {
  it("takes the label at each voxel's middle, over chunks, other axes and voxel sizes", async () => {
    const labels = (p: Vec3) => ((p[0] * 5 + p[1] * 3 + p[2] * 7) % 4 === 0 ? 9 : 0);
    const source = new FakeLabels([9, 14, 30], [4, 5, 8], labels);
    // x runs along the reference's last axis at half its voxel size, z along its first, at twice its size and three voxels on.
    const placement: ReferencePlacement = { dims: [2, 1, 0], scale: [2, 1, 0.5], offset: [0, 0, 3] };
    const box: Box = { lower: [2, 1, 0], upper: [11, 10, 6] };
    const mask = await reader(source, placement).read(box, signal);
    let at = 0;
    for (let z = 0; z < 6; z++)
      for (let y = 1; y < 10; y++)
        for (let x = 2; x < 11; x++) {
          const p: Vec3 = [Math.floor(0.5 * (z + 0.5) + 3), y, Math.floor(2 * (x + 0.5))];
          expect(mask[at++], `${x},${y},${z}`).toBe(labels(p) === 0 ? 0 : 1);
        }
  });

  it("has nothing outside of the reference, and reads no chunk twice", async () => {
    const source = new FakeLabels([6, 6, 2], [4, 4, 2], () => 1);
    const read = reader(source, { dims: [0, 1, 2], scale: [1, 1, 1], offset: [-2, -2, 0] });
    const box: Box = { lower: [0, 0, 0], upper: [10, 10, 2] };
    const mask = await read.read(box, signal);
    expect(mask.reduce((sum, value) => sum + value, 0)).toBe(6 * 6 * 2);
    expect([mask[0], mask[22], mask[7 + 70], mask[8 + 80]]).toEqual([0, 1, 1, 0]);
    await read.read(box, signal);
    expect(source.downloads).toBe(4);
  });

  it("reads a mirrored reference", async () => {
    const source = new FakeLabels([6, 1, 1], [4, 1, 1], ([x]) => (x < 2 ? 1 : 0));
    const read = reader(source, { dims: [0, 1, 2], scale: [-1, 1, 1], offset: [6, 0, 0] });
    const mask = await read.read({ lower: [0, 0, 0], upper: [6, 1, 1] }, signal);
    expect([...mask]).toEqual([0, 0, 0, 0, 1, 1]);
  });

  it("names the layer whose chunk cannot be read", async () => {
    const source = new FakeLabels([6, 6, 2], [4, 4, 2], () => 1);
    source.broken = true;
    const read = reader(source, { dims: [0, 1, 2], scale: [1, 1, 1], offset: [0, 0, 0] });
    await expect(read.read({ lower: [0, 0, 0], upper: [2, 2, 2] }, signal)).rejects.toThrow(
      "layer “truth”: chunk 0,0,0 cannot be read: HTTP error 500",
    );
  });
});
