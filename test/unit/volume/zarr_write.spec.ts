import { execFileSync } from "node:child_process";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { h5wasm } from "h5wasm/node";
import { describe, expect, it, vi } from "vitest";
import { downsampleMean, downsampleMode } from "../../../src/volume/downsample.js";
import { importVolume } from "../../../src/volume/import_node.js";
import { openVolume } from "../../../src/volume/open_node.js";
import type { Box, DataType, Vec3, VoxelArray } from "../../../src/volume/types.js";
import { arrayVolume, fillVoxels, makeZarr } from "../../support/make_zarr.js";
import { makeTiff, scratch } from "../../support/slices.js";
import { firstDifference, openGroup } from "../../support/zarr_compare.js";

const path = await scratch();

// Hundreds of small files: slow on a machine that is busy otherwise.
vi.setConfig({ testTimeout: 120_000 });

// Odd sizes: border chunks are cut on every axis, and levels round up.
const size = [75, 41, 29] as const;
const chunkSize = [32, 16, 8] as const;
const value = (x: number, y: number, z: number) => (x * 7 + y * 13 + z * 29 + x * y) % 241;

interface Multiscale {
  axes: { name: string; type: string; unit: string }[];
  datasets: { path: string; coordinateTransformations: Record<string, unknown>[] }[];
  type: string;
}

describe("importVolume writes what zarrita reads", () => {
  const cases: [DataType, 2 | 3, boolean][] = [
    ["uint8", 2, false],
    ["uint8", 3, false],
    ["uint16", 2, false],
    ["uint16", 3, false],
    ["uint8", 2, true],
    ["uint32", 2, true],
    ["uint64", 3, true],
    ["uint64", 2, true],
  ];
  it.each(cases)("%s, Zarr v%i, labels %s: every level, voxel by voxel", async (type, version, labels) => {
    const factor = type === "uint8" ? 1 : type === "uint16" ? 257 : 2 ** 20;
    const data = fillVoxels(type, size, (x, y, z) => value(x, y, z) * factor);
    const folder = path(`${type}_${version}_${labels}.ome.zarr`);
    await makeZarr(folder, { data, size, voxelSize: [5, 5, 5], zarr: version, labels, chunkSize });
    const group = openGroup(folder, version);
    let expected: VoxelArray = data;
    let at: Vec3 = size;
    for (let level = 0; level < 3; ++level) {
      const { data: found, shape, chunks, dtype } = await group.level(level);
      expect(dtype).toBe(type);
      expect(shape).toEqual([...at].reverse());
      expect(chunks).toEqual([8, 16, 32]);
      expect(firstDifference(found, expected)).toBe(-1);
      const step: Vec3 = [2, 2, 2];
      expected =
        labels || expected instanceof BigUint64Array
          ? downsampleMode(expected, at, step)
          : downsampleMean(expected, at, step);
      at = [Math.ceil(at[0] / 2), Math.ceil(at[1] / 2), Math.ceil(at[2] / 2)];
    }
    await expect(group.level(3)).rejects.toThrow();
  });

  it.each([2, 3] as const)("says voxel sizes and half-voxel shifts (Zarr v%i)", async (version) => {
    const folder = path(`meta_${version}.ome.zarr`);
    const data = fillVoxels("uint8", size, value);
    await makeZarr(folder, { data, size, voxelSize: [4.6, 4.6, 50], zarr: version, chunkSize: [16, 16, 16] });
    const attributes = await openGroup(folder, version).attributes();
    const ome = version === 2 ? attributes : (attributes.ome as Record<string, unknown>);
    const [multiscale] = ome.multiscales as Multiscale[];
    expect(version === 2 ? (multiscale as unknown as { version: string }).version : ome.version).toBe(
      version === 2 ? "0.4" : "0.5",
    );
    expect(multiscale.axes).toEqual(
      ["z", "y", "x"].map((name) => ({ name, type: "space", unit: "nanometer" })),
    );
    expect(multiscale.type).toBe("mean");
    const transforms = multiscale.datasets.map(
      ({ path: level, coordinateTransformations: [scale, translation] }) => [
        level,
        scale.scale,
        translation.translation,
      ],
    );
    expect(transforms).toEqual([
      ["0", [50, 4.6, 4.6], [0, 0, 0]],
      ["1", [50, 9.2, 9.2], [0, 2.3, 2.3]],
      ["2", [50, 18.4, 18.4], [0, 6.9, 6.9]],
      ["3", [50, 36.8, 36.8], [0, 16.1, 16.1]],
      ["4", [100, 73.6, 73.6], [25, 34.5, 34.5]],
    ]);
    expect(ome["image-label"]).toBeUndefined();
  });

  it("keeps a region where it was, and marks labels as labels", async () => {
    const data = fillVoxels("uint8", size, value);
    const output = path("region.ome.zarr");
    const input = arrayVolume(data, size, [5, 5, 10], "em");
    await importVolume({ input, output, region: "10:,4:40,:20", labels: true, chunkSize: [64, 64, 32] });
    const group = openGroup(output, 2);
    const { data: found, shape } = await group.level(0);
    expect(shape).toEqual([20, 36, 65]);
    expect(
      firstDifference(
        found,
        fillVoxels("uint8", [65, 36, 20], (x, y, z) => value(x + 10, y + 4, z)),
      ),
    ).toBe(-1);
    const attributes = await group.attributes();
    const [{ datasets, type }] = attributes.multiscales as Multiscale[];
    expect(datasets[0].coordinateTransformations[1]).toEqual({
      type: "translation",
      translation: [0, 20, 50],
    });
    expect(type).toBe("mode");
    expect(attributes["image-label"]).toEqual({ version: "0.4" });
    expect(attributes.chondria).toMatchObject({ kind: "labels", region: "10:75,4:40,0:20" });
  });

  it("imports a multi-page TIFF and a data set of an HDF5 file alike", async () => {
    const data = fillVoxels("uint16", size, (x, y, z) => value(x, y, z) * 200) as Uint16Array;
    const [sx, sy, sz] = size;
    const pages = Array.from({ length: sz }, (_, z) => ({
      width: sx,
      height: sy,
      data: data.slice(z * sx * sy, (z + 1) * sx * sy),
    }));
    await writeFile(path("pages.tif"), makeTiff(pages, { deflate: true, rowsPerStrip: 10 }));
    await h5wasm.ready;
    const file = new h5wasm.File(path("two.h5"), "w");
    file.create_dataset({
      name: "raw",
      data,
      shape: [sz, sy, sx],
      dtype: "<H",
      chunks: [9, 9, 9],
      compression: 1,
    });
    file.create_dataset({ name: "other", data: new Uint8Array(8), shape: [2, 2, 2], dtype: "<B" });
    file.close();
    const voxelSize = [5, 5, 5] as const;
    await importVolume({ input: path("pages.tif"), output: path("pages.zarr"), voxelSize, chunkSize });
    await importVolume({
      input: path("two.h5"),
      dataset: "raw",
      output: path("h5.zarr"),
      voxelSize,
      chunkSize,
    });
    await expect(importVolume({ input: path("two.h5"), output: path("x.zarr"), voxelSize })).rejects.toThrow(
      /--dataset/,
    );
    for (const name of ["pages.zarr", "h5.zarr"]) {
      expect(firstDifference((await openGroup(path(name), 2).level(0)).data, data)).toBe(-1);
    }
  });

  it("makes 0 and 1 of masks", async () => {
    const data = new Uint8Array([0, 1, 127, 128, 255, 0, 0, 3]);
    const input = arrayVolume(data, [2, 2, 2]);
    await importVolume({ input, output: path("mask.zarr"), labels: true, binarise: 0 });
    expect([...(await openGroup(path("mask.zarr"), 2).level(0)).data]).toEqual([0, 1, 1, 1, 1, 0, 0, 1]);
    await importVolume({ input, output: path("mask127.zarr"), labels: true, binarise: 127 });
    expect([...(await openGroup(path("mask127.zarr"), 2).level(0)).data]).toEqual([0, 0, 0, 1, 1, 0, 0, 0]);
  });

  it("is read back by our own reader", async () => {
    const data = fillVoxels("uint16", size, (x, y, z) => value(x, y, z) * 200);
    const source = await openVolume(
      await makeZarr(path("own.ome.zarr"), { data, size, voxelSize: [5, 5, 40], chunkSize }),
    );
    expect(source.dataType).toBe("uint16");
    expect(source.scales.map(({ voxelSize }) => voxelSize).slice(0, 3)).toEqual([
      [5, 5, 40],
      [10, 10, 40],
      [20, 20, 40],
    ]);
    const box: Box = { lower: [3, 4, 5], upper: [70, 40, 20] };
    expect(source.scales[0].bounds).toEqual({ lower: [0, 0, 0], upper: size });
    expect(firstDifference(await source.read(0, box), await arrayVolume(data, size).read(0, box))).toBe(-1);
  });

  it("writes every chunk, metadata, and nothing else", async () => {
    const folder = await makeZarr(path("files.zarr"), {
      data: new Uint8Array(75 * 41 * 29),
      size,
      chunkSize,
    });
    const files = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((e) => e.isFile());
    const grid = [3 * 3 * 4, 2 * 2 * 2, 1 * 1 * 1];
    expect(files.filter((e) => /^\d+$/.test(e.name)).length).toBe(grid.reduce((a, b) => a + b));
    expect(
      files
        .map((e) => e.name)
        .filter((name) => !/^\d+$/.test(name))
        .sort(),
    ).toEqual([".zarray", ".zarray", ".zarray", ".zattrs", ".zgroup"]);
    expect(await readdir(path()).then((names) => names.filter((name) => name.includes("partial")))).toEqual(
      [],
    );
  });
});

/** Neuroglancer's own parsers, which run in Node as well; the package ships no types for them. */
async function neuroglancer<T>(module: string): Promise<T> {
  return import(`neuroglancer/unstable/datasource/zarr/${module}`) as Promise<T>;
}

describe("Neuroglancer's parsers", () => {
  interface Ome {
    parseOmeMetadata(
      url: string,
      attributes: unknown,
      version: number,
    ): {
      multiscale: {
        coordinateSpace: { names: string[]; scales: Float64Array };
        scales: { url: string; transform: Float64Array }[];
      };
    };
  }
  interface ArrayParser {
    parseV2Metadata(json: unknown, attributes: unknown, separator: undefined): ArrayMetadata;
    parseV3Metadata(json: unknown, kind: "array"): ArrayMetadata;
  }
  interface ArrayMetadata {
    shape: number[];
    codecs: { layoutInfo: { readChunkShape: number[] }[] };
  }

  it.each([2, 3] as const)(
    "take the metadata, and every level has the same corner (Zarr v%i)",
    async (version) => {
      const output = path(`neuroglancer_${version}.zarr`);
      const input = arrayVolume(fillVoxels("uint8", size, value), size, [4, 4, 40]);
      await importVolume({ input, output, region: "10:,4:40,2:", zarr: version, chunkSize });
      const { parseOmeMetadata } = await neuroglancer<Ome>("ome.js");
      const attributes = await openGroup(output, version).attributes();
      const { coordinateSpace, scales } = parseOmeMetadata("file:///v/", attributes, version).multiscale;
      expect(coordinateSpace.names).toEqual(["z", "y", "x"]);
      expect([...coordinateSpace.scales].map((metres) => metres * 1e9)).toEqual([40, 4, 4]);
      expect(scales.map(({ url }) => url)).toEqual(
        ["0", "1", "2", "3", "4"].map((level) => `file:///v/${level}/`),
      );
      for (const { transform } of scales) {
        // Its column-major 4 x 4 matrix maps corners, with the centre of voxel 0 at 0.
        [2, 4, 10].forEach((first, axis) => {
          expect(transform[12 + axis]).toBeCloseTo(first - 0.5, 6);
        });
      }
      await neuroglancer("codec/blosc/resolve.js");
      await neuroglancer("codec/bytes/resolve.js");
      const { parseV2Metadata, parseV3Metadata } = await neuroglancer<ArrayParser>("metadata/parse.js");
      const text = await readFile(
        path(`neuroglancer_${version}.zarr`, "1", version === 2 ? ".zarray" : "zarr.json"),
        "utf8",
      );
      const array =
        version === 2
          ? parseV2Metadata(JSON.parse(text), {}, undefined)
          : parseV3Metadata(JSON.parse(text), "array");
      expect(array.shape).toEqual([27, 18, 33]);
      expect(array.codecs.layoutInfo[0].readChunkShape).toEqual([8, 16, 32]);
    },
  );
});

describe("Python's zarr", () => {
  const python = ["/usr/bin/python3", "python3"].find((command) => {
    try {
      execFileSync(command, ["-c", "import zarr"], { stdio: "ignore" });
      return true;
    } catch {
      return false;
    }
  });
  if (!python)
    console.log(
      "skipped: reading our output with Python needs the package zarr (apt-get install python3-zarr)",
    );

  it.skipIf(!python)("reads the same voxels", async () => {
    const data = fillVoxels("uint16", size, (x, y, z) => value(x, y, z) * 200) as Uint16Array;
    const folder = await makeZarr(path("python.ome.zarr"), { data, size, chunkSize });
    const script = [
      "import sys, zarr",
      "group = zarr.open_group(sys.argv[1], mode='r')",
      "levels = [d['path'] for d in group.attrs['multiscales'][0]['datasets']]",
      "for level in levels:",
      "  array = group[level]",
      "  open(sys.argv[1] + '.' + level, 'wb').write(array[:].astype('<u2').tobytes())",
      "print(len(levels), group['0'].shape, group['0'].chunks, group['0'].dtype)",
    ].join("\n");
    const said = execFileSync(python!, ["-c", script, folder], { encoding: "utf8" }).trim();
    expect(said).toBe("3 (29, 41, 75) (8, 16, 32) uint16");
    const group = openGroup(folder, 2);
    expect(firstDifference(new Uint16Array(await bufferOf(`${folder}.0`)), data)).toBe(-1);
    for (let level = 1; level < 3; ++level) {
      expect(
        firstDifference(
          new Uint16Array(await bufferOf(`${folder}.${level}`)),
          (await group.level(level)).data,
        ),
      ).toBe(-1);
    }
  });

  async function bufferOf(file: string): Promise<ArrayBuffer> {
    const bytes = await readFile(file);
    return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer;
  }
});
