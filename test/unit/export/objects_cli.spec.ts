import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parquetReadObjects } from "hyparquet";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { main } from "../../../src/cli/main.js";
import { FolderSink } from "../../../src/export/folder_sink_node.js";
import { writeZarrBox } from "../../../src/export/zarr_box.js";
import { boxSize } from "../../../src/volume/box.js";
import type { Box, DataType, Vec3, VoxelArray } from "../../../src/volume/types.js";
import { fillVoxels } from "../../support/make_zarr.js";
import { scratch } from "../../support/slices.js";
import { readPly, readPrecomputed } from "../mesh/read_meshes.js";
import { readCsv } from "./read_csv.js";

const path = await scratch();
const SIZE: Vec3 = [300, 40, 20];

/** A rod over the face between two chunks (x = 256), a ball, and one voxel in a corner of the volume. */
function inside(x: number, y: number, z: number): number {
  if (x >= 200 && x < 290 && Math.hypot(y - 10, z - 9) <= 3.3) return 5;
  if (Math.hypot(x - 100, y - 20, z - 10) <= 8) return 7;
  return x === 0 && y === 0 && z === 0 ? 9 : 0;
}

async function write(name: string, type: DataType, value: (x: number, y: number, z: number) => number) {
  const read = async ({ lower, upper }: Box): Promise<VoxelArray> => {
    const voxels = fillVoxels(type === "uint64" ? "uint32" : type, boxSize({ lower, upper }), (x, y, z) =>
      value(x + lower[0], y + lower[1], z + lower[2]),
    );
    return type === "uint64" ? BigUint64Array.from(voxels as Uint32Array, BigInt) : voxels;
  };
  await writeZarrBox({
    sink: new FolderSink(path(".")),
    folder: name,
    box: { lower: [0, 0, 0], upper: SIZE },
    voxelSize: [5, 5, 10],
    dataType: type,
    labels: type !== "uint8",
    provenance: {},
    read,
  });
  return path(name);
}

const probability = await write("p.ome.zarr", "uint8", (x, y, z) => (inside(x, y, z) === 0 ? 90 : 200));
const labels = await write("l.ome.zarr", "uint64", inside);
const voxelsOf = (label: number) => {
  let count = 0;
  for (let z = 0; z < SIZE[2]; ++z)
    for (let y = 0; y < SIZE[1]; ++y)
      for (let x = 0; x < SIZE[0]; ++x) if (inside(x, y, z) === label) ++count;
  return count;
};

let out = "";
let err = "";

beforeEach(() => {
  out = "";
  err = "";
  vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    out += text;
    return true;
  });
  vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    err += text;
    return true;
  });
});

afterEach(() => {
  vi.restoreAllMocks();
  process.exitCode = 0;
});

async function rowsOf(file: string): Promise<Record<string, string>[]> {
  const [head, ...rows] = readCsv(await readFile(file, "utf8"));
  return rows.map((row) => Object.fromEntries(row.map((value, i) => [head[i], value])));
}

describe("chondria objects", () => {
  it("measures the objects of a probability, over chunk faces, and meshes them", async () => {
    await main(["objects", probability, "--out", path("p.csv"), "--meshes", path("meshes")]);
    expect(err).not.toContain("chondria:");
    expect(out).toContain("3 objects, voxels of 5,5,10nm");
    const rows = await rowsOf(path("p.csv"));
    // In the order of the smallest piece; ids are those of the viewer's chunks.
    expect(rows.map(({ voxels }) => Number(voxels))).toEqual([9, 7, 5].map(voxelsOf));
    expect(rows.map(({ id }) => id)).toEqual(["1", "2", "3"]);
    expect(rows.map((row) => row.touches_border)).toEqual(["true", "false", "false"]);
    expect(rows.every(({ status }) => status === "ok")).toBe(true);
    expect(Number(rows[2].volume_nm3)).toBe(voxelsOf(5) * 250);
    expect(rows.map((row) => row.euler_number)).toEqual(["1", "1", "1"]);
    for (const row of rows) expect(Object.values(row).join()).not.toMatch(/NaN|Infinity/);
    const about = JSON.parse(await readFile(path("p.csv.json"), "utf8")).about;
    expect(about).toMatchObject({ volume: probability, threshold: "0.5", voxelSize: "5 x 5 x 10 nm" });

    const names = await readdir(path("meshes"));
    expect(names.sort()).toEqual(["1.mesh", "1:0", "2.mesh", "2:0", "3.mesh", "3:0", "info"]);
    const files = new Map<string, Uint8Array>();
    for (const name of names) files.set(name, await readFile(join(path("meshes"), name)));
    const rod = readPrecomputed("3", (name) => files.get(name)!);
    const xs = rod.positions.filter((_, i) => i % 3 === 0);
    expect(Math.abs(Math.min(...xs) - 200 * 5)).toBeLessThan(5);
    expect(Math.abs(Math.max(...xs) - 290 * 5)).toBeLessThan(5);
  });

  it("takes labels as they are, writes Parquet and PLY", async () => {
    await main([
      "objects",
      labels,
      "--out",
      path("l.parquet"),
      "--meshes",
      path("ply"),
      "--mesh-format",
      "ply",
      "--minimum",
      "2",
    ]);
    expect(err).not.toContain("chondria:");
    const file = await readFile(path("l.parquet"));
    const rows = await parquetReadObjects({
      file: file.buffer.slice(file.byteOffset, file.byteOffset + file.length),
    });
    expect(rows.map(({ id, voxels }) => [id, voxels])).toEqual([
      [5n, BigInt(voxelsOf(5))],
      [7n, BigInt(voxelsOf(7))],
    ]);
    expect((await readdir(path("ply"))).sort()).toEqual(["5.ply", "7.ply"]);
    const { positions } = readPly(await readFile(join(path("ply"), "7.ply")));
    const xs = positions.filter((_, i) => i % 3 === 0);
    expect((Math.min(...xs) + Math.max(...xs)) / 2).toBeCloseTo(100.5 * 5, 0);
  });

  it("gives the same numbers for a mask, a probability and a region's labels", async () => {
    await main(["objects", labels, "--kind", "mask", "--out", path("m.csv")]);
    await main(["objects", probability, "--out", path("again.csv")]);
    expect(await readFile(path("m.csv"), "utf8")).toBe(await readFile(path("again.csv"), "utf8"));
    await main(["objects", probability, "--region", "195:,3:,2:", "--out", path("region.csv")]);
    const [rod, ...others] = await rowsOf(path("region.csv"));
    expect(others).toEqual([]);
    const whole = (await rowsOf(path("again.csv")))[2];
    // The same object in other chunks: another id, the same numbers.
    expect({ ...rod, id: "" }).toEqual({ ...whole, id: "" });
  });

  it("says so when there is nothing, and what the volume may be instead", async () => {
    await main(["objects", probability, "--threshold", "0.9", "--out", path("none.csv")]);
    expect(out).toContain("0 objects");
    expect(err).toMatch(/--kind mask/);
    expect((await rowsOf(path("none.csv"))).length).toBe(0);
  });

  it.each([
    [["--out", "t.txt"], /--out .*t\.txt: .*\.csv or \.parquet/],
    [[], /nothing to write/],
    [["--out", "p.csv"], /p\.csv: is there already/],
  ])("refuses %j", async (flags, message) => {
    await writeFile(path("p.csv"), "kept");
    const resolved = flags.map((flag) => (flag.startsWith("--") ? flag : path(flag)));
    await main(["objects", probability, ...resolved]);
    expect(process.exitCode).toBe(1);
    expect(err).toMatch(message);
    expect(await readFile(path("p.csv"), "utf8")).toBe("kept");
  });

  it("never replaces a folder that holds something else", async () => {
    await mkdir(path("mine"));
    await writeFile(join(path("mine"), "thesis.doc"), "years");
    await main(["objects", probability, "--meshes", path("mine"), "--overwrite"]);
    expect(err).toMatch(/mine: holds thesis\.doc/);
    expect(await readdir(path("mine"))).toEqual(["thesis.doc"]);
    expect(await readdir(path("."))).not.toContain("mine.partial");
    await main(["objects", path("nowhere"), "--out", path("x.csv")]);
    expect(err).toMatch(/nowhere: there is no such file/);
  });
});
