import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { unzipSync } from "fflate";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as zarr from "zarrita";
import { FolderSink } from "../../../src/export/folder_sink_node.js";
import type { Bytes } from "../../../src/export/types.js";
import { writeZarrBox, type ZarrBoxOptions } from "../../../src/export/zarr_box.js";
import { MOST_ZIP_FILES, ZipSink } from "../../../src/export/zip_sink.js";
import { boxSize } from "../../../src/volume/box.js";
import { importVolume } from "../../../src/volume/import_node.js";
import { openVolume } from "../../../src/volume/open_node.js";
import type { Box, DataType, Vec3, VoxelArray } from "../../../src/volume/types.js";
import { fillVoxels } from "../../support/make_zarr.js";
import { digestTree, firstDifference, openGroup } from "../../support/zarr_compare.js";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "chondria-export-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Objects of a few voxels in 32^3 cells, so that every level differs; ids beyond 32 bits. */
const value = (x: number, y: number, z: number) => ((x >> 2) * 7 + (y >> 2) * 13 + (z >> 1) * 5) % 11;

function source(type: DataType) {
  return async ({ lower, upper }: Box): Promise<VoxelArray> => {
    const size = boxSize({ lower, upper });
    const voxels = fillVoxels(type === "uint64" ? "uint32" : type, size, (x, y, z) =>
      value(x + lower[0], y + lower[1], z + lower[2]),
    );
    return type === "uint64"
      ? BigUint64Array.from(voxels as Uint32Array, (v) => (v === 0 ? 0n : (BigInt(v) << 40n) | 5n))
      : voxels;
  };
}

const BOX: Box = { lower: [30, 17, 5], upper: [30 + 150, 17 + 90, 5 + 41] };

function options(
  type: DataType,
  sink: ZarrBoxOptions["sink"],
  more: Partial<ZarrBoxOptions> = {},
): ZarrBoxOptions {
  return {
    sink,
    folder: "box.ome.zarr",
    box: BOX,
    voxelSize: [10, 10, 10],
    dataType: type,
    labels: type !== "uint8",
    chunkSize: [32, 32, 16],
    provenance: { source: "a test" },
    read: source(type),
    ...more,
  };
}

describe("a box as OME-Zarr", () => {
  it.each([
    ["uint64", 2],
    ["uint32", 3],
    ["uint8", 2],
    ["uint8", 3],
  ] as const)("%s, version %i, is what zarrita reads, voxel by voxel", async (type, version) => {
    const name = `${type}-${version}`;
    await writeZarrBox(options(type, new FolderSink(join(folder, name)), { zarr: version }));
    const group = openGroup(join(folder, name, "box.ome.zarr"), version);
    const level = await group.level(0);
    expect(level.shape).toEqual([41, 90, 150]);
    expect(level.dtype).toBe(type);
    expect(firstDifference(level.data, await source(type)(BOX))).toBe(-1);
    const attributes = await group.attributes();
    const multiscales = (
      version === 2 ? attributes.multiscales : (attributes.ome as Record<string, unknown>).multiscales
    ) as { datasets: { coordinateTransformations: { translation?: number[] }[] }[] }[];
    expect(multiscales[0].datasets[0].coordinateTransformations[1].translation).toEqual([50, 170, 300]);
    expect(multiscales[0].datasets.length).toBe(4);
    expect(attributes.chondria).toEqual({ source: "a test" });
  });

  it.each(["uint8", "uint64"] as const)(
    "%s has in all its files the bytes of an import of the same voxels",
    async (type) => {
      // 1 voxel thick chunks: a coarser chunk takes its slices from several.
      for (const chunkSize of [[32, 32, 16] as Vec3, [64, 64, 1] as Vec3]) {
        const name = `same-${type}-${chunkSize[2]}`;
        await writeZarrBox(options(type, new FolderSink(join(folder, name)), { chunkSize }));
        const read = source(type);
        const imported = join(folder, `${name}-imported.ome.zarr`);
        await importVolume({
          input: {
            name: "test",
            dataType: type,
            scales: [{ bounds: BOX, voxelSize: [10, 10, 10], chunkSize: [32, 32, 32] }],
            read: (_scale, box) => read(box),
          },
          output: imported,
          labels: type === "uint64",
          chunkSize,
        });
        const [mine, its] = await Promise.all([
          digestTree(join(folder, name, "box.ome.zarr")),
          digestTree(imported),
        ]);
        // Name and provenance differ.
        for (const files of [mine, its]) delete files[".zattrs"];
        expect(mine).toEqual(its);
      }
    },
  );

  it("is opened by our own reader, in its place", async () => {
    await writeZarrBox(options("uint8", new FolderSink(join(folder, "own"))));
    const volume = await openVolume(join(folder, "own", "box.ome.zarr"));
    expect(volume.scales[0].voxelSize).toEqual([10, 10, 10]);
    const { bounds } = volume.scales[0];
    expect(boxSize(bounds)).toEqual([150, 90, 41]);
    expect(firstDifference(await volume.read(0, bounds), await source("uint8")(BOX))).toBe(-1);
  });

  it("comes out of a zip archive as it went in", async () => {
    const parts: Bytes[] = [];
    const zip = new ZipSink("export.zip", (bytes) => parts.push(bytes));
    await writeZarrBox(options("uint64", zip));
    await zip.write("table.csv", [new TextEncoder().encode("a,b\r\n"), new TextEncoder().encode("1,2\r\n")]);
    await zip.write("empty", []);
    zip.finish();
    const files = unzipSync(Buffer.concat(parts));
    expect(new TextDecoder().decode(files["table.csv"])).toBe("a,b\r\n1,2\r\n");
    expect(files.empty.length).toBe(0);
    const store = new Map(Object.entries(files).map(([path, bytes]) => [`/${path}` as const, bytes]));
    const array = await zarr.open.v2(zarr.root(store).resolve("box.ome.zarr/0"), { kind: "array" });
    const { data } = await zarr.get(array);
    expect(firstDifference(data as VoxelArray, await source("uint64")(BOX))).toBe(-1);
  });

  it("asks for each voxel once, tells how far it is, and is no volume when it is stopped", async () => {
    const controller = new AbortController();
    const asked: Box[] = [];
    const read = source("uint8");
    const seen: number[] = [];
    const stopped = writeZarrBox(
      options("uint8", new FolderSink(join(folder, "stopped")), {
        read: (box) => {
          asked.push(box);
          return read(box);
        },
        signal: controller.signal,
        onProgress: ({ done, total }) => {
          seen.push(done / total);
          if (done === 20) controller.abort(new Error("enough"));
        },
      }),
    );
    await expect(stopped).rejects.toThrow("enough");
    expect(seen.length).toBe(20);
    expect(seen.at(-1)).toBeCloseTo(20 / (5 * 3 * 3 + 3 * 2 * 2 + 2 + 1), 10);
    expect(new Set(asked.map(({ lower }) => lower.join())).size).toBe(asked.length);
    expect(await readdir(join(folder, "stopped", "box.ome.zarr"))).not.toContain(".zattrs");
  });

  it("names the target when it cannot be written, and an empty box", async () => {
    const full = {
      name: "a full disk",
      write: async () => {
        throw new Error("a full disk: no space left");
      },
    };
    await expect(writeZarrBox(options("uint8", full))).rejects.toThrow("a full disk");
    const empty = { lower: [0, 0, 0], upper: [0, 5, 5] } as const;
    await expect(writeZarrBox(options("uint8", full, { box: empty }))).rejects.toThrow(
      /box.ome.zarr: .*empty/,
    );
  });

  it("says when an archive would be too large", async () => {
    const zip = new ZipSink("export.zip", () => {});
    for (let i = 0; i < MOST_ZIP_FILES; ++i) await zip.write(`${i}`, []);
    await expect(zip.write("one more", [])).rejects.toThrow(/export\.zip: .*choose a folder/);
    const large = new ZipSink("large.zip", () => {});
    const part = { length: 2 ** 30 } as unknown as Bytes;
    await expect(large.write("a", [part, part])).rejects.toThrow(/2 GiB/);
  });
});
