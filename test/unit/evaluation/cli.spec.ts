import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encode } from "fast-png";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { main } from "../../../src/cli/main.js";
import { folderFiles, readPackageFolder } from "../../../src/model/read_node.js";
import { readIndex } from "../../../src/model/registry.js";
import { openVolume } from "../../../src/volume/open_node.js";
import { writeTinyModel } from "../../support/tiny_model.js";

const [WIDTH, HEIGHT, DEPTH] = [96, 64, 6];
const inside = (x: number, y: number, z: number) => (x - 40 - 3 * z) ** 2 + (y - 30) ** 2 < 15 ** 2;

let root: string;
let model: string;
let out = "";
let err = "";

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "chondria-cli-"));
  model = join(root, "models", "tiny");
  await writeTinyModel(model);
  for (const [folder, value] of [
    ["em", (x: number, y: number, z: number) => (inside(x, y, z) ? 40 : 190) + ((x * 7 + y * 13) % 20)],
    ["labels", (x: number, y: number, z: number) => (inside(x, y, z) ? 255 : 0)],
  ] as const) {
    await mkdir(join(root, folder));
    for (let z = 0; z < DEPTH; z++) {
      const data = Uint8Array.from({ length: WIDTH * HEIGHT }, (_, i) =>
        value(i % WIDTH, Math.floor(i / WIDTH), z),
      );
      await writeFile(
        join(root, folder, `${z}.png`),
        encode({ width: WIDTH, height: HEIGHT, data, channels: 1 }),
      );
    }
  }
});
afterAll(() => rm(root, { recursive: true }));

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
  process.exitCode = undefined;
});

const evaluate = (...flags: string[]) =>
  main([
    "evaluate",
    model,
    join(root, "em"),
    join(root, "labels"),
    "--voxel-size",
    "5,5,30nm",
    "--backend",
    "wasm",
    ...flags,
  ]);

describe("chondria evaluate", () => {
  it("prints IoU and morphology, and everything that was used as JSON", async () => {
    const json = join(root, "report.json");
    await evaluate("--json", json, "--tta", "flip");
    expect(out).toMatch(/IoU per slice +0\.7\d+ +\(mean over 6 slices/);
    expect(out).toMatch(/prediction +1 /);
    const report = JSON.parse(await readFile(json, "utf8"));
    expect(report).toMatchObject({
      model: { id: "tiny" },
      region: "0:96,0:64,0:6",
      voxelSize: [5, 5, 30],
      scale: 0,
      ratio: [2, 2],
      sliceAxis: "z",
      window: [0, 255],
      threshold: 0.5,
      tta: "flip",
      tiling: { kind: "exact", halo: 10 },
      backend: "WebAssembly SIMD, one thread",
      nonFinitePixels: 0,
      morphology: { voxelSize: [10, 10, 30], labels: { objects: 1, regions: 6 } },
    });
    expect(report.iouPerSlice).toBeGreaterThan(0.7);
    expect(report.slices).toHaveLength(6);
  });

  it("cuts the volume to the region, so that nothing outside of it matters", async () => {
    await evaluate("--region", "30:70,10:50,2:4", "--json");
    const report = JSON.parse(out);
    expect(report.region).toBe("30:70,10:50,2:4");
    expect(report.slices.map((s: { slice: number }) => s.slice)).toEqual([2, 3]);
    expect(report.iouPerSlice).toBeGreaterThan(0.7);
  });

  it("takes another window, threshold and tiling", async () => {
    await evaluate("--tiling", "overlap", "--tile", "32", "--overlap", "0.5", "--json");
    const overlap = JSON.parse(out);
    expect(overlap.tiling).toEqual({ kind: "overlap", tile: 32, overlap: 0.5 });
    expect(overlap.iouPerSlice).toBeGreaterThan(0.7);
    out = "";
    await evaluate("--threshold", "1", "--window", "200,255", "--json");
    expect(JSON.parse(out)).toMatchObject({ threshold: 1, window: [200, 255] });
    expect(JSON.parse(out).precision).toBeLessThan(0.7);
  });

  it("records a score in the package and lists it", async () => {
    await evaluate("--record", "circles");
    await evaluate("--record", "circles");
    const { config, digest } = await readPackageFolder(model);
    expect(config.scores).toHaveLength(1);
    expect(config.scores[0]).toMatchObject({ data: "circles", tta: "none" });
    const [entry] = await readIndex(folderFiles(join(root, "models")));
    expect(entry.digest).toBe(digest);
    out = "";
    await main(["models", join(root, "models")]);
    expect(out).toMatch(/^id +strategy/);
    expect(out).toMatch(/tiny +untrained +none +- +10 x 10 +1,690 +0\.0 +ok/);
    expect(out).toContain("per slice");
  });

  it("says what is wrong, by name", async () => {
    await main(["evaluate", "nothing", join(root, "em"), join(root, "labels")]);
    expect(err).toContain("model nothing: is neither the folder of a package");
    err = "";
    await evaluate("--region", "0:500,:,:");
    expect(err).toContain("leaves the volume");
    err = "";
    await main(["evaluate", model, join(root, "em"), join(root, "labels")]);
    expect(err).toContain("em: does not say how large a voxel is: give --voxel-size");
    expect(process.exitCode).toBe(1);
  });
});

describe("chondria predict", () => {
  const predict = (output: string, ...flags: string[]) =>
    main([
      "predict",
      model,
      join(root, "em"),
      join(root, output),
      "--voxel-size",
      "5,5,30nm",
      "--backend",
      "wasm",
      ...flags,
    ]);

  it("writes probabilities that read back, and a mask of them", async () => {
    await predict("p.ome.zarr");
    expect(err).not.toContain("chondria:");
    const p = await openVolume(join(root, "p.ome.zarr"));
    expect(p.scales[0]).toMatchObject({ voxelSize: [5, 5, 30], bounds: { upper: [WIDTH, HEIGHT, DEPTH] } });
    const probability = (await p.read(0, p.scales[0].bounds)) as Uint8Array;
    expect(probability[40 + WIDTH * 30]).toBeGreaterThan(240);
    expect(probability[2 + WIDTH * 2]).toBeLessThan(15);
    await predict("mask.ome.zarr", "--mask", "--threshold", "0.25");
    const m = await openVolume(join(root, "mask.ome.zarr"));
    const mask = (await m.read(0, m.scales[0].bounds)) as Uint8Array;
    expect([...mask]).toEqual([...probability].map((value) => (value / 255 >= 0.25 ? 1 : 0)));
  });

  it("does not overwrite unasked", async () => {
    await predict("twice.ome.zarr");
    await predict("twice.ome.zarr");
    expect(err).toContain("--overwrite");
    err = "";
    await predict("twice.ome.zarr", "--resume");
    expect(err).not.toContain("chondria:");
    await predict("twice.ome.zarr", "--resume", "--window", "10,200");
    expect(err).toContain("with other options");
  });
});
