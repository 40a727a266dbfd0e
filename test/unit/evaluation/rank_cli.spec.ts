import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encode } from "fast-png";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { main } from "../../../src/cli/main.js";
import { writePackage } from "../../../src/model/write_node.js";
import { measureDistribution } from "../../../src/morphology/distribution.js";
import { tinyContents, writeTinyModel } from "../../support/tiny_model.js";

const [WIDTH, HEIGHT, DEPTH] = [96, 64, 4];
const inside = (x: number, y: number) => (x - 40) ** 2 + (y - 30) ** 2 < 15 ** 2;

let folder: string;
let out = "";
let err = "";

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "chondria-rank-"));
  for (const half of ["Train", "Test"])
    for (const [part, value] of [
      ["In", (x: number, y: number) => (inside(x, y) ? 40 : 190) + ((x * 7 + y * 13) % 20)],
      ["Out", (x: number, y: number) => (inside(x, y) ? 255 : 0)],
    ] as const) {
      const path = join(folder, "data/Lucchi++", `${half}_${part}`);
      await mkdir(path, { recursive: true });
      for (let z = 0; z < DEPTH; z++) {
        const data = Uint8Array.from({ length: WIDTH * HEIGHT }, (_, i) =>
          value(i % WIDTH, Math.floor(i / WIDTH)),
        );
        const name = part === "In" ? `mask${String(z).padStart(4, "0")}.png` : `${z}.png`;
        await writeFile(join(path, name), encode({ width: WIDTH, height: HEIGHT, data, channels: 1 }));
      }
    }
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
afterEach(async () => {
  vi.restoreAllMocks();
  process.exitCode = undefined;
  await rm(folder, { recursive: true });
});

const rank = (...more: string[]) =>
  main([
    "rank",
    ...["--data", join(folder, "data"), "--models", join(folder, "models"), "--out", join(folder, "out")],
    ...["--pair", "vnc:lucchi++", "--block", "48,32,4", "--backend", "wasm", ...more],
  ]);

describe("chondria rank", () => {
  it("says which packages it looked for when there are too few", async () => {
    await rank();
    expect(process.exitCode).toBe(1);
    expect(err).toContain("vnc -> lucchi++: 0 packages named vnc-source-only or vnc-to-lucchi-...");
  });

  it("refuses models that say nothing of their source", async () => {
    await writeTinyModel(join(folder, "models/vnc-source-only"));
    await writeTinyModel(join(folder, "models/vnc-to-lucchi-tiny"));
    await rank();
    expect(process.exitCode).toBe(1);
    expect(err).toContain("says nothing of its source's morphology");
  });

  it("prints how often the first is the best, and goes on from kept predictions", async () => {
    const disc = Uint8Array.from({ length: 48 * 32 }, (_, i) =>
      inside(2 * (i % 48), 2 * Math.floor(i / 48)) ? 255 : 0,
    );
    const contents = await tinyContents();
    const sourceSummary = {
      histogram: new Array<number>(256).fill(1),
      regions: measureDistribution([disc], 48, 32),
    };
    const config = { ...contents.config, sourceSummary };
    await writePackage(join(folder, "models/vnc-source-only"), { ...contents, config });
    // Marks only what is far darker than anything there is.
    const weights = contents.weights.map((one) =>
      one.name === "logits/bias" ? { ...one, data: Float32Array.of(-100) } : one,
    );
    await writePackage(join(folder, "models/vnc-to-lucchi-blind"), { ...contents, config, weights });
    await rank();
    expect(err).not.toContain("chondria:");
    expect(out).toContain("vnc -> Lucchi++ test, 4 slices: ");
    expect(out).toMatch(/prior and agreement +(\d) of \1 \(100 %\)/);
    const report = JSON.parse(await readFile(join(folder, "out/rank.json"), "utf8"));
    expect(report.pairs[0].models).toEqual(["vnc-source-only", "vnc-to-lucchi-blind"]);
    expect(report.pairs[0].blocks).toHaveLength(4);
    const first = out;
    out = "";
    err = "";
    await rank();
    expect(out).toBe(first);
    // Nothing was predicted, so no progress was told.
    expect(err).not.toContain("%");
  });

  it("refuses blocks and pairs that are none", async () => {
    // Commander ends the process by itself.
    const exit = vi.spyOn(process, "exit").mockImplementation(() => {
      throw new Error("exit");
    });
    await rank("--block", "1,2");
    expect(err).toContain("Give three numbers of voxels");
    await rank("--pair", "vnc");
    expect(err).toContain("Give two data sets");
    expect(exit).toHaveBeenCalled();
  });
});
