import { mkdir, readFile, writeFile } from "node:fs/promises";
import { h5wasm } from "h5wasm/node";
import { describe, expect, it } from "vitest";
import { openHdf5 } from "../../../src/volume/hdf5_node.js";
import { VolumeError } from "../../../src/volume/types.js";
import { fillVoxels } from "../../support/make_zarr.js";
import { scratch } from "../../support/slices.js";

const path = await scratch();
await h5wasm.ready;

interface DatasetSpec {
  name: string;
  data: Uint8Array | Uint16Array | Int32Array | BigUint64Array | Float32Array;
  shape: number[];
  dtype: string;
  chunks?: number[];
}

function makeHdf5(name: string, datasets: DatasetSpec[], groups: string[] = []): string {
  const file = new h5wasm.File(path(name), "w");
  for (const group of groups) file.create_group(group);
  for (const { chunks, ...dataset } of datasets) {
    file.create_dataset(chunks ? { ...dataset, chunks, compression: 6 } : dataset);
  }
  file.close();
  return path(name);
}

const size = [7, 6, 5] as const;
const raw: DatasetSpec = {
  name: "volumes/raw",
  data: fillVoxels("uint8", size, (x, y, z) => x + 7 * y + 42 * z) as Uint8Array,
  shape: [5, 6, 7],
  dtype: "<B",
  chunks: [2, 3, 4],
};
const ids: DatasetSpec = {
  name: "ids",
  data: new BigUint64Array(210).map((_, i) => 2n ** 40n + BigInt(i)),
  shape: [5, 6, 7],
  dtype: "<Q",
};

describe("openHdf5", () => {
  it("takes the only volume, z y x, and reads any box", async () => {
    const name = makeHdf5(
      "one.h5",
      [raw, { name: "flat", data: new Uint8Array(4), shape: [2, 2], dtype: "<B" }],
      ["volumes"],
    );
    const source = await openHdf5(name, undefined, { voxelSize: [3, 3, 30] });
    expect(source.name).toBe(`${name}:/volumes/raw`);
    expect(source.dataType).toBe("uint8");
    expect(source.scales[0]).toEqual({
      bounds: { lower: [0, 0, 0], upper: [7, 6, 5] },
      voxelSize: [3, 3, 30],
      chunkSize: [4, 3, 2],
    });
    expect(await source.read(0, source.scales[0].bounds)).toEqual(raw.data);
    const box = await source.read(0, { lower: [5, 1, 3], upper: [7, 3, 5] });
    expect([...box]).toEqual([5, 6, 12, 13, 47, 48, 54, 55].map((v) => v + 7 + 126));
    await expect(source.read(0, { lower: [0, 0, 0], upper: [8, 1, 1] })).rejects.toThrow(/outside/);
    await source.close?.();
  });

  it("reads uint16 and uint64, drops axes of length 1", async () => {
    const four = {
      name: "four",
      data: new Uint16Array(24).map((_, i) => i * 1000),
      shape: [1, 2, 3, 4],
      dtype: "<H",
    };
    const last = {
      name: "last",
      data: new Uint16Array(24).map((_, i) => i * 1000),
      shape: [2, 3, 4, 1],
      dtype: "<H",
    };
    const name = makeHdf5("types.h5", [ids, four, last]);
    const wide = await openHdf5(name, "/ids");
    expect(wide.dataType).toBe("uint64");
    expect(await wide.read(0, wide.scales[0].bounds)).toEqual(ids.data);
    for (const dataset of ["four", "last"]) {
      const source = await openHdf5(name, dataset);
      expect(source.scales[0].bounds.upper).toEqual([4, 3, 2]);
      expect(await source.read(0, source.scales[0].bounds)).toEqual(four.data);
    }
  });

  it("lists the candidates when the choice is open or wrong", async () => {
    const name = makeHdf5("two.h5", [raw, ids], ["volumes"]);
    await expect(openHdf5(name)).rejects.toThrow(
      /--dataset.*\/ids \(5 x 6 x 7, uint64\).*\/volumes\/raw \(5 x 6 x 7, uint8\)/,
    );
    await expect(openHdf5(name, "labels")).rejects.toThrow(/no data set \/labels\. It has \/ids/);
  });

  it("takes signed integers as labels only, and none below 0", async () => {
    const signed = (name: string, first: number) => ({
      name,
      data: new Int32Array(8).fill(first),
      shape: [2, 2, 2],
      dtype: "<i",
    });
    const name = makeHdf5("signed.h5", [signed("good", 5), signed("bad", -1)]);
    await expect(openHdf5(name, "good")).rejects.toThrow(/signed.*--labels/);
    const labels = await openHdf5(name, "good", { labels: true });
    expect(await labels.read(0, labels.scales[0].bounds)).toEqual(new Uint32Array(8).fill(5));
    const bad = await openHdf5(name, "bad", { labels: true });
    await expect(bad.read(0, bad.scales[0].bounds)).rejects.toThrow(/negative label -1/);
  });

  it("says why a data set cannot be a volume", async () => {
    const float = { name: "f", data: new Float32Array(8), shape: [2, 2, 2], dtype: "<f" };
    await expect(openHdf5(makeHdf5("float.h5", [float]))).rejects.toThrow(/\/f holds floating point/);
    const wide = { name: "rgb", data: new Uint8Array(24), shape: [2, 2, 2, 3], dtype: "<B" };
    await expect(openHdf5(makeHdf5("rgb.h5", [wide]))).rejects.toThrow(/2 x 2 x 2 x 3/);
    await expect(openHdf5(makeHdf5("none.h5", []))).rejects.toThrow(/no data set that is a volume/);
  });

  it("follows no link in a circle or into nothing", async () => {
    const name = makeHdf5("links.h5", [{ ...raw, name: "raw" }]);
    const file = new h5wasm.File(name, "a");
    file.create_soft_link("/", "circle");
    file.create_soft_link("/nowhere", "broken");
    file.create_external_link("elsewhere.h5", "/raw", "external");
    file.close();
    expect((await openHdf5(name)).name).toContain("/raw");
  });

  it("names a truncated, empty, foreign or missing file", async () => {
    const whole = await readFile(makeHdf5("whole.h5", [raw], ["volumes"]));
    for (const length of [0, 5, 100, whole.length >> 1, whole.length - 1]) {
      await writeFile(path("cut.h5"), whole.subarray(0, length));
      const error: unknown = await openHdf5(path("cut.h5")).catch((e) => e);
      expect(error).toBeInstanceOf(VolumeError);
      expect(String(error)).toMatch(/cut\.h5: is not an HDF5 file or is truncated/);
    }
    await expect(openHdf5(path("absent.h5"))).rejects.toThrow(/absent\.h5: does not exist/);
    await mkdir(path("folder.h5"));
    await expect(openHdf5(path("folder.h5"))).rejects.toThrow(/is not a file/);
  });

  it("names a data set whose compressed chunk is damaged", async () => {
    const noise = new Uint8Array(4096).map((_, i) => (i * i * 31 + i * 7) % 253);
    const name = makeHdf5("chunk.h5", [
      { name: "n", data: noise, shape: [16, 16, 16], dtype: "<B", chunks: [16, 16, 16] },
    ]);
    const bytes = await readFile(name);
    // The deflate stream begins with the two bytes 78 5e (level 6 and lower) or 78 9c.
    const at = bytes.findIndex(
      (byte, i) => byte === 0x78 && (bytes[i + 1] === 0x5e || bytes[i + 1] === 0x9c),
    );
    expect(at).toBeGreaterThan(0);
    bytes.fill(0xff, at + 2, at + 40);
    await writeFile(name, bytes);
    const source = await openHdf5(name);
    await expect(source.read(0, source.scales[0].bounds)).rejects.toThrow(/chunk\.h5:\/n: cannot be read/);
  });
});
