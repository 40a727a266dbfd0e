import { mkdir, stat, writeFile } from "node:fs/promises";
import { encode } from "fast-png";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { main } from "../../../src/cli/main.js";
import { formatDuration, ProgressBar } from "../../../src/cli/progress.js";
import { fillVoxels } from "../../support/make_zarr.js";
import { scratch, writePngStack } from "../../support/slices.js";
import { openGroup } from "../../support/zarr_compare.js";

const path = await scratch();
const size = [20, 12, 9] as const;
const voxels = fillVoxels("uint8", size, (x, y, z) => x + 20 * z + (y % 2)) as Uint8Array;

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

describe("chondria import", () => {
  it("imports a folder, shows how far it is, and sums up what it made", async () => {
    const input = await writePngStack(path("em"), voxels, size, (z) => `slice_${z}.png`);
    await main([
      "import",
      input,
      path("em.ome.zarr"),
      "--voxel-size",
      "0.005um,0.005um,0.05um",
      "--chunk",
      "16,16,4",
    ]);
    expect(process.exitCode ?? 0).toBe(0);
    expect(out).toBe(
      [
        `${path("em.ome.zarr")}: uint8, 4 levels`,
        "  20 x 12 x 9 voxels of 5,5,50nm",
        "  10 x 6 x 9 voxels of 10,10,50nm",
        "  5 x 3 x 5 voxels of 20,20,100nm",
        "  3 x 2 x 3 voxels of 40,40,200nm",
        "",
      ].join("\n"),
    );
    expect(err).toMatch(/importing 100 %/);
    expect((await openGroup(path("em.ome.zarr"), 2).level(0)).data).toEqual(voxels);
  });

  it("passes on every option", async () => {
    const input = path("colour");
    await mkdir(input);
    const data = new Uint8Array([9, 1, 0, 9, 5, 0, 9, 7, 0, 9, 0, 0]);
    for (const z of [1, 3])
      await writeFile(
        path("colour", `${z}.png`),
        encode({ width: 4, height: 1, channels: 3, depth: 8, data }),
      );
    const options = [
      "--labels",
      "--channel",
      "1",
      "--region",
      "1:4,:,0:1",
      "--binarise",
      "4",
      "--zarr",
      "3",
      "--chunk",
      "4,4,4",
    ];
    await main(["import", input, path("colour.zarr"), "--voxel-size", "5nm", ...options]);
    expect(err).toContain("chondria: warning: ");
    expect(err).toContain("1 of the numbers between 1.png and 3.png");
    const { data: found, shape } = await openGroup(path("colour.zarr"), 3).level(0);
    expect(shape).toEqual([1, 1, 3]);
    expect([...found]).toEqual([1, 1, 0]);
  });

  it.each([
    [["--voxel-size", "5,5nm"], /voxel size/],
    [["--voxel-size", "5nm", "--resume", "--overwrite"], /exclude each other/],
    [["--voxel-size", "5nm", "--region", "0:5"], /three ranges/],
    [["--voxel-size", "5nm", "--dataset", "raw"], /no HDF5 file/],
  ])("says what is wrong with %j", async (options, message) => {
    const input = await writePngStack(path("small"), new Uint8Array(4), [2, 2, 1]);
    await main(["import", input, path("wrong.zarr"), ...options]);
    expect(err).toMatch(/^chondria: /);
    expect(err).toMatch(message);
    expect(process.exitCode).toBe(1);
    await expect(stat(path("wrong.zarr"))).rejects.toThrow("ENOENT");
  });

  it("needs --resume or --overwrite for an output that is there", async () => {
    const input = await writePngStack(path("twice"), new Uint8Array(4), [2, 2, 1]);
    const args = ["import", input, path("twice.zarr"), "--voxel-size", "5nm"];
    await main(args);
    await main(args);
    expect(err).toMatch(/twice\.zarr: exists/);
    expect(process.exitCode).toBe(1);
    process.exitCode = 0;
    await main([...args, "--resume"]);
    expect(err).toContain("complete already");
    await main([...args, "--overwrite"]);
    expect(process.exitCode).toBe(0);
  });
});

describe("ProgressBar", () => {
  function bar(isTTY: boolean) {
    let text = "";
    let now = 0;
    const progress = new ProgressBar("work", { isTTY, write: (part) => (text += part) }, () => now);
    return { progress, text: () => text, at: (seconds: number) => (now = seconds * 1000) };
  }

  it("draws over one line on a terminal", () => {
    const { progress, text, at } = bar(true);
    progress.update(0);
    at(0.01);
    progress.update(0.1);
    at(10);
    progress.update(0.5, "level 0");
    at(20);
    progress.update(1);
    progress.end();
    expect(text()).toBe(
      `\r\x1b[Kwork [${".".repeat(24)}] 0 %` +
        `\r\x1b[Kwork [${"#".repeat(12)}${".".repeat(12)}] 50 %  0:10 left  level 0` +
        `\r\x1b[Kwork [${"#".repeat(24)}] 100 %  in 0:20\n`,
    );
  });

  it("writes a line now and then to a log", () => {
    const { progress, text, at } = bar(false);
    for (let second = 0; second <= 12; ++second) {
      at(second);
      progress.update(second / 12);
    }
    progress.end();
    expect(text()).toBe("work 0 %\nwork 41 %  0:07 left\nwork 83 %  0:02 left\nwork 100 %  in 0:12\n");
  });

  it("does not count what an earlier run did as this run's speed", () => {
    const { progress, text, at } = bar(false);
    at(10);
    progress.update(0.75, "", 0.5);
    expect(text()).toBe("work 75 %  0:10 left\n");
  });

  it("writes hours", () => {
    expect([0, 59.6, 3599, 3600, 36061].map(formatDuration)).toEqual([
      "0:00",
      "1:00",
      "59:59",
      "1:00:00",
      "10:01:01",
    ]);
  });
});
