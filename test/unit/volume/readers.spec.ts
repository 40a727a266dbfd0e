import { describe, expect, it } from "vitest";
import { openOmeZarr } from "../../../src/volume/ome_zarr.js";
import { openPrecomputed } from "../../../src/volume/precomputed.js";
import { type Box, VolumeError, type VolumeSource } from "../../../src/volume/types.js";
import {
  asBigints,
  GOLDEN_SIZE,
  type GoldenVolume,
  goldenBox,
  goldenVolumes,
  MemoryStore,
} from "../../support/golden_volumes.js";

async function open({ name, files }: GoldenVolume): Promise<{ volume: VolumeSource; store: MemoryStore }> {
  const store = new MemoryStore(files, name);
  const volume = name.startsWith("zarr")
    ? await openOmeZarr(store, { voxelSize: [4, 4, 40] })
    : await openPrecomputed(store);
  return { volume: volume!, store };
}

describe.each(goldenVolumes())("volume written by TensorStore: $name", (golden) => {
  const origin = golden.name.startsWith("zarr") ? [0, 0, 0] : [100, 200, -3];
  const isJpeg = golden.name.includes("jpeg");
  const at = (lower: number[], upper: number[]): Box => ({
    lower: lower.map((n, i) => n + origin[i]) as unknown as Box["lower"],
    upper: upper.map((n, i) => n + origin[i]) as unknown as Box["upper"],
  });

  it("has its type, bounds and voxel size", async () => {
    const { volume } = await open(golden);
    expect(volume.dataType).toBe(golden.dataType);
    expect(volume.scales).toHaveLength(1);
    expect(volume.scales[0].bounds).toEqual(at([0, 0, 0], [...GOLDEN_SIZE]));
    expect(volume.scales[0].voxelSize).toEqual([4, 4, 40]);
  });

  it.each([
    ["the whole", at([0, 0, 0], [...GOLDEN_SIZE])],
    ["a box over several chunks", at([3, 5, 2], [19, 12, 6])],
    ["one voxel at the far corner", at([20, 12, 6], [21, 13, 7])],
  ])("reads %s", async (_, box) => {
    const { volume } = await open(golden);
    const found = asBigints(await volume.read(0, box));
    const expected = goldenBox(golden.dataType, box, origin);
    expect(found).toHaveLength(expected.length);
    if (isJpeg) {
      const errors = found.map((value, i) => Math.abs(Number(value - expected[i])));
      // The texture wraps from 255 to 0, which JPEG blurs: close on the average, not everywhere.
      expect(errors.reduce((a, b) => a + b) / errors.length).toBeLessThan(8);
    } else {
      expect(found).toEqual(expected);
    }
  });

  it("fetches a chunk once for all who ask for it at the same time", async () => {
    const { volume, store } = await open(golden);
    const before = store.reads.length;
    const box = at([0, 0, 0], [8, 8, 4]);
    await Promise.all([volume.read(0, box), volume.read(0, box), volume.read(0, box)]);
    const first = store.reads.length - before;
    expect(first).toBeLessThanOrEqual(golden.name.includes("sharded") ? 6 : 1);
    await volume.read(0, box);
    expect(store.reads.length - before).toBe(first);
  });

  it("names the volume and the chunk when a chunk is cut off", async () => {
    const files = new Map(golden.files);
    const isMetadata = (key: string) => /info$|zarr.json$|\.z/.test(key);
    for (const [key, value] of files) {
      if (!isMetadata(key)) files.set(key, value.subarray(0, Math.max(1, Math.floor(value.length * 0.6))));
    }
    const { volume } = await open({ ...golden, files });
    const error = await volume.read(0, at([0, 0, 0], [...GOLDEN_SIZE])).catch((reason) => reason);
    expect(error).toBeInstanceOf(VolumeError);
    expect(error.message).toMatch(golden.name.includes("precomputed sharded") ? /\.shard/ : /chunk|0/);
  });
});
