import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { encode as encodeJpeg } from "jpeg-js";
import { describe, expect, it } from "vitest";
import { openOmeZarr } from "../../../src/volume/ome_zarr.js";
import { openPrecomputed } from "../../../src/volume/precomputed.js";
import { VolumeError, type VolumeSource } from "../../../src/volume/types.js";
import { asBigints, editJson, goldenBox, goldenVolumes, MemoryStore } from "../../support/golden_volumes.js";

const goldens = goldenVolumes();
const filesOf = (name: string) => new Map(goldens.find((golden) => golden.name === name)!.files);
const whole = { lower: [0, 0, 0], upper: [21, 13, 7] } as const;
const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

function openFiles(name: string, files: Map<string, Uint8Array>): Promise<VolumeSource | undefined> {
  const store = new MemoryStore(files, name);
  return name.startsWith("zarr") ? openOmeZarr(store, { voxelSize: [4, 4, 40] }) : openPrecomputed(store);
}

/** An OME-Zarr 0.4 image with two scales made of one golden array, under the given metadata. */
function omeZarr(edit: (multiscale: Record<string, unknown>) => void = () => {}, array = "zarr2 zlib") {
  const files = new Map<string, Uint8Array>();
  for (const [key, value] of filesOf(array)) files.set(`s0/${key}`, value).set(`s1/${key}`, value);
  const multiscale = {
    version: "0.4",
    axes: [
      { name: "z", type: "space", unit: "micrometer" },
      { name: "y", type: "space", unit: "angstrom" },
      { name: "x", type: "space" },
    ],
    datasets: [
      { path: "s0", coordinateTransformations: [{ type: "scale", scale: [0.05, 46, 4.6] }] },
      { path: "s1", coordinateTransformations: [{ type: "scale", scale: [0.05, 92, 9.2] }] },
    ],
  };
  edit(multiscale);
  files.set(".zattrs", json({ multiscales: [multiscale] }));
  return files;
}

describe("OME-Zarr metadata", () => {
  const open = (files: Map<string, Uint8Array>, options = {}) =>
    openOmeZarr(new MemoryStore(files, "em.zarr"), options);

  it("gives voxel sizes in nm, whatever the units", async () => {
    const volume = await open(omeZarr());
    expect(volume!.scales.map(({ voxelSize }) => voxelSize)).toEqual([
      [4.6, 4.6, 50],
      [9.2, 9.2, 50],
    ]);
  });

  it("applies the scale of the whole image too", async () => {
    const files = omeZarr((m) => {
      m.coordinateTransformations = [{ type: "scale", scale: [2, 1, 1] }];
    });
    expect((await open(files))!.scales[0].voxelSize).toEqual([4.6, 4.6, 100]);
  });

  it("keeps the ratio of scales under a voxel size that is given", async () => {
    const volume = await open(omeZarr(), { voxelSize: [10, 10, 20] });
    expect(volume!.scales.map(({ voxelSize }) => voxelSize)).toEqual([
      [10, 10, 20],
      [20, 20, 20],
    ]);
  });

  it("takes axes in any order", async () => {
    const files = omeZarr((m) => {
      m.axes = ["x", "y", "z"].map((name) => ({ name, type: "space", unit: "nanometer" }));
    });
    const volume = (await open(files))!;
    expect(volume.scales[0].bounds.upper).toEqual([7, 13, 21]);
    const [voxel] = asBigints(await volume.read(0, { lower: [6, 2, 3], upper: [7, 3, 4] }));
    expect([voxel]).toEqual(goldenBox("uint8", { lower: [3, 2, 6], upper: [4, 3, 7] }));
  });

  it("asks which channel when there are several, and reads the one that is chosen", async () => {
    const files = omeZarr((m) => {
      m.axes = ["c", "y", "x"].map((name) => ({ name, type: name === "c" ? "channel" : "space" }));
    });
    await expect(open(files)).rejects.toThrow(/axis "c" has 7 entries: choose one/);
    await expect(open(files, { channel: 7 })).rejects.toThrow(/there is no number 7/);
    const volume = (await open(files, { channel: 5 }))!;
    expect(volume.scales[0].bounds.upper).toEqual([21, 13, 1]);
    const found = asBigints(await volume.read(0, { lower: [0, 0, 0], upper: [21, 13, 1] }));
    expect(found).toEqual(goldenBox("uint8", { lower: [0, 0, 5], upper: [21, 13, 6] }));
  });

  it.each<[string, RegExp, (multiscale: Record<string, unknown>) => void]>([
    [
      "a unit that is no length",
      /parsec.*no length/,
      (m) => ((m.axes as { unit: string }[])[0].unit = "parsec"),
    ],
    ["no x axis", /x, y and z are needed/, (m) => ((m.axes as { name: string }[])[2].name = "w")],
    ["an axis twice", /each once/, (m) => ((m.axes as { name: string }[])[0].name = "X")],
    ["no datasets", /datasets/, (m) => (m.datasets = [])],
    ["a dataset that is not there", /incomplete/, (m) => (m.datasets = [{ path: "s7" }])],
    ["a path out of the volume", /points outside/, (m) => (m.datasets = [{ path: "../../other" }])],
    [
      "a scale of the wrong length",
      /2 numbers for 3 axes/,
      (m) => (m.coordinateTransformations = [{ type: "scale", scale: [1, 1] }]),
    ],
    [
      "a voxel of no size",
      /voxel size/,
      (m) => (m.coordinateTransformations = [{ type: "scale", scale: [0, 1, 1] }]),
    ],
    ["no voxel size at all", /give the voxel size/, (m) => (m.datasets = [{ path: "s0" }])],
    ["axes that are numbers", /axes/, (m) => (m.axes = [1, 2, 3])],
  ])("with %s gives a VolumeError that says so", async (_, message, edit) => {
    const error = await open(omeZarr(edit)).catch((reason) => reason);
    expect(error).toBeInstanceOf(VolumeError);
    expect(error.message).toMatch(message);
    expect(error.message).toContain("em.zarr");
  });

  it("that is no JSON gives a VolumeError", async () => {
    const files = omeZarr().set(".zattrs", new TextEncoder().encode('{"multiscales": ['));
    await expect(open(files)).rejects.toThrow(/\.zattrs: is not JSON/);
  });
});

describe("claims of size", () => {
  it("a gzip bomb is stopped at the size of its chunk", async () => {
    const files = filesOf("zarr2 gzip").set("0.0.0", new Uint8Array(gzipSync(new Uint8Array(50_000_000))));
    const volume = (await openFiles("zarr2 gzip", files))!;
    await expect(volume.read(0, whole)).rejects.toThrow(/inflates to more than/);
  });

  it.each([
    ["zarr2 blosc lz4 shuffle", 4],
    ["zarr2 blosc blosclz", 4],
  ])("a blosc header that claims gigabytes is refused (%s), and the next chunk is read", async (name, at) => {
    const files = filesOf(name);
    const bytes = files.get("0.0.0")!.slice();
    new DataView(bytes.buffer).setUint32(at, 0x7fffffff, true);
    const volume = (await openFiles(name, new Map(files).set("0.0.0", bytes)))!;
    await expect(volume.read(0, whole)).rejects.toThrow(/chunk 0,0,0.*more than the chunk has/);
    await expect(volume.read(0, { lower: [8, 0, 0], upper: [9, 1, 1] })).resolves.toHaveLength(1);
  });

  it("a zstd frame that does not state its size is read, and one that is a bomb is not", async () => {
    // RFC 8878: magic, no content size, a window of 128 KiB, then blocks that repeat one byte.
    const frame = (blocks: number[]) =>
      Uint8Array.from([
        ...[0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38],
        ...blocks.flatMap((size, i) => {
          const header = (size << 3) | (1 << 1) | (i === blocks.length - 1 ? 1 : 0);
          return [header & 255, (header >> 8) & 255, header >> 16, 77];
        }),
      ]);
    const box = { lower: [0, 0, 0], upper: [8, 8, 4] } as const;
    const honest = filesOf("zarr2 zstd").set("0.0.0", frame([200, 56]));
    const voxels = await (await openFiles("zarr2 zstd", honest))!.read(0, box);
    expect(new Set(voxels as Uint8Array)).toEqual(new Set([77]));
    const bomb = filesOf("zarr2 zstd").set("0.0.0", frame(new Array(2000).fill(2 ** 17)));
    await expect((await openFiles("zarr2 zstd", bomb))!.read(0, box)).rejects.toThrow(
      /more than the chunk has/,
    );
    const tooLong = filesOf("zarr2 zstd").set("0.0.0", frame([200, 57]));
    await expect((await openFiles("zarr2 zstd", tooLong))!.read(0, box)).rejects.toThrow(
      /257 voxels where 256 belong/,
    );
  });

  it("a shape and chunks of absurd size are refused before anything is allocated", async () => {
    for (const [key, value] of [
      ["chunks", [1e5, 1e5, 1e5]],
      ["shape", [-1, 5, 5]],
      ["chunks", [0, 8, 8]],
      ["shape", ["a", 1, 1]],
    ] as const) {
      const files = filesOf("zarr2 raw");
      editJson(files, ".zarray", (array: Record<string, unknown>) => (array[key] = value));
      await expect(openFiles("zarr2 raw", files)).rejects.toThrow(VolumeError);
    }
  });

  it("a shard index of absurd size is refused", async () => {
    const files = filesOf("zarr3 sharded zstd");
    editJson(files, "zarr.json", (array: Record<string, never>) => {
      (array.chunk_grid as { configuration: { chunk_shape: number[] } }).configuration.chunk_shape = [
        4e6, 4e6, 8e6,
      ];
    });
    await expect(openFiles("zarr3 sharded zstd", files)).rejects.toThrow(/shards of/);
  });

  it("an index at the start of a shard is refused, not misread", async () => {
    const files = filesOf("zarr3 sharded zstd");
    editJson(files, "zarr.json", (array: { codecs: { configuration: Record<string, string> }[] }) => {
      array.codecs[0].configuration.index_location = "start";
    });
    await expect(openFiles("zarr3 sharded zstd", files)).rejects.toThrow(/index at the end/);
  });

  it("a JPEG of another size is refused before it is decoded", async () => {
    const files = filesOf("precomputed jpeg");
    const jpeg = encodeJpeg({ data: new Uint8Array(4 * 16 * 20), width: 16, height: 20 }, 90).data;
    const key = [...files.keys()].find((name) => name.includes("100-108_200-208"))!;
    const volume = (await openFiles("precomputed jpeg", files.set(key, new Uint8Array(jpeg))))!;
    const box = { lower: [100, 200, -3], upper: [101, 201, -2] } as const;
    await expect(volume.read(0, box)).rejects.toThrow(/JPEG of 16 x 20 where 256 voxels belong/);
  });
});

describe("precomputed", () => {
  const box = { lower: [100, 200, -3], upper: [121, 213, 4] } as const;

  it("reads chunks that are compressed with gzip, in place or as CloudVolume names them on a disk", async () => {
    const files = filesOf("precomputed raw 16");
    const zipped = new Map<string, Uint8Array>([["info", files.get("info")!]]);
    let inPlace = false;
    for (const [key, value] of files) {
      if (key === "info") continue;
      inPlace = !inPlace;
      zipped.set(inPlace ? key : `${key}.gz`, new Uint8Array(gzipSync(value)));
    }
    const store = Object.assign(new MemoryStore(zipped), { hasLocalFiles: true });
    const volume = (await openPrecomputed(store))!;
    expect(asBigints(await volume.read(0, box))).toEqual(goldenBox("uint16", box, [100, 200, -3]));
  });

  it("takes a chunk that is not there for zeros", async () => {
    const files = filesOf("precomputed raw");
    for (const key of files.keys()) if (key !== "info") files.delete(key);
    const voxels = await (await openFiles("precomputed raw", files))!.read(0, box);
    expect(new Set(voxels as Uint8Array)).toEqual(new Set([0]));
  });

  it.each<[string, RegExp, (info: Record<string, unknown>, scale: Record<string, unknown>) => void]>([
    ["float32", /holds float32/, (info) => (info.data_type = "float32")],
    ["several channels", /3 channels/, (info) => (info.num_channels = 3)],
    ["an encoding that is not known", /encoded as jxl/, (_, scale) => (scale.encoding = "jxl")],
    [
      "jpeg of 16 bits",
      /cannot hold uint16/,
      (info, scale) => {
        scale.encoding = "jpeg";
        info.data_type = "uint16";
      },
    ],
    ["a negative size", /size/, (_, scale) => (scale.size = [1, -1, 1])],
    ["chunks of a terabyte", /too large/, (_, scale) => (scale.chunk_sizes = [[1e4, 1e4, 1e4]])],
    [
      "2^40 minishards",
      /minishard_bits/,
      (_, scale) =>
        (scale.sharding = {
          "@type": "neuroglancer_uint64_sharded_v1",
          preshift_bits: 0,
          minishard_bits: 40,
          shard_bits: 1,
          hash: "identity",
        }),
    ],
    ["a mesh's info", /no volume/, (info) => (info["@type"] = "neuroglancer_legacy_mesh")],
    ["a key that leads out of the volume", /points outside/, (_, scale) => (scale.key = "../../home")],
    ["no scales", /scales/, (info) => (info.scales = [])],
  ])("with %s gives a VolumeError that says so", async (_, message, edit) => {
    const files = filesOf("precomputed raw");
    editJson(files, "info", (info: { scales: Record<string, unknown>[] } & Record<string, unknown>) => {
      edit(info, info.scales[0]);
    });
    const error = await openFiles("precomputed raw", files).catch((reason) => reason);
    expect(error).toBeInstanceOf(VolumeError);
    expect(error.message).toMatch(message);
  });
});

describe("any damage gives voxels or a VolumeError", () => {
  it.each(goldens.map(({ name }) => name))("%s", async (name) => {
    const golden = goldens.find((one) => one.name === name)!;
    const keys = [...golden.files.keys()].filter((key) => !/info$|zarr.json$|\.z/.test(key));
    const box = name.startsWith("zarr") ? whole : ({ lower: [100, 200, -3], upper: [121, 213, 4] } as const);
    const edit = fc.record({
      key: fc.constantFrom(...keys),
      at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      nearStart: fc.boolean(),
      value: fc.nat(255),
      cut: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(edit, { minLength: 1, maxLength: 6 }),
        fc.boolean(),
        async (edits, random) => {
          const files = new Map(golden.files);
          for (const { key, at, nearStart, value, cut } of edits) {
            const bytes = files.get(key)!.slice();
            if (bytes.length === 0) continue;
            bytes[Math.floor(at * (nearStart ? Math.min(bytes.length, 32) : bytes.length))] = value;
            if (random)
              for (let i = 0; i < bytes.length; i++) bytes[i] = (i * 197 + value * 31 + ((i * i) >> 3)) & 255;
            files.set(key, cut ? bytes.subarray(0, Math.floor(at * bytes.length)) : bytes);
          }
          try {
            const volume = (await openFiles(name, files))!;
            expect(await volume.read(0, box)).toHaveLength(21 * 13 * 7);
          } catch (error) {
            expect(error).toBeInstanceOf(VolumeError);
          }
        },
      ),
      { numRuns: 25 },
    );
    // Whatever a decoder went through, it must still read what is intact.
    const intact = await (await openFiles(name, golden.files))!.read(0, box);
    if (!name.includes("jpeg")) expect(asBigints(intact)).toEqual(goldenBox(golden.dataType, box, box.lower));
  });
});
