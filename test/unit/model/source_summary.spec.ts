import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { encode } from "fast-png";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse, stringify } from "yaml";
import { sourceSummaryOf } from "../../../src/adaptation/source_summary.js";
import { register } from "../../../src/cli/model_summarise.js";
import { readPackageFolder } from "../../../src/model/read_node.js";
import type { SourceStatistics } from "../../../src/model/types.js";
import { recordScore, recordSourceSummary } from "../../../src/model/write_node.js";
import { measurePrior } from "../../../src/morphology/prior.js";
import { measureSource } from "../../../src/training/source_statistics.js";
import { writeTinyModel } from "../../support/tiny_model.js";

const [W, H, DEPTH] = [64, 48, 4];
const em = Array.from({ length: DEPTH }, (_, z) => new Uint8Array(W * H).map((_v, i) => (7 * i + z) % 251));
const labels = Array.from({ length: DEPTH }, (_, z) =>
  new Uint8Array(W * H).map((_v, i) => (Math.hypot((i % W) - 30 - z, Math.floor(i / W) - 24) < 12 ? 255 : 0)),
);
const slices = { width: W, height: H, em, labels };
const prior = measurePrior(labels, W, H, { voxelSize: [10, 10, 10], source: "disc", foreground: 128 });

let root: string;
let folder: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "chondria-summary-"));
  folder = join(root, "models", "tiny");
  await writeTinyModel(folder);
});
afterAll(() => rm(root, { recursive: true }));

const indexDigest = async () =>
  JSON.parse(await readFile(join(root, "models", "index.json"), "utf8")).models[0].digest;

describe("a package's summary of its source", () => {
  it("is written, read back and followed by the index; scores and prior stay", async () => {
    const before = await readPackageFolder(folder);
    expect(sourceSummaryOf(before.config)).toBeNull();
    const statistics = measureSource(slices);
    await recordSourceSummary(folder, statistics, prior);
    const after = await readPackageFolder(folder);
    expect(after.config.sourceSummary).toEqual(statistics);
    expect({ ...after.config, sourceSummary: undefined }).toEqual({
      ...before.config,
      sourceSummary: undefined,
    });
    expect(await indexDigest()).toBe(after.digest);
    expect(after.digest).not.toBe(before.digest);
    const summary = sourceSummaryOf(after.config);
    expect(summary?.histogram.reduce((a, b) => a + b, 0)).toBe(W * H * DEPTH);
    expect(summary?.regions?.solidity.quantiles).toHaveLength(64);
    expect(summary?.prior).toEqual(before.config.prior);
  });

  it("takes few lines, also after a score is added", async () => {
    const score = { data: "d", iouPerSlice: 0.5, iouVolume: 0.5, tta: "none", command: "c" };
    await recordScore(folder, score);
    const text = await readFile(join(folder, "rdf.yaml"), "utf8");
    expect(text.split("\n").length).toBeLessThan(260);
    expect(Math.max(...text.split("\n").map((line) => line.length))).toBeLessThan(130);
    const { config } = await readPackageFolder(folder);
    expect(config.scores).toEqual([score]);
    expect(config.sourceSummary).toEqual(measureSource(slices));
  });

  it("brings the prior to a package that has none", async () => {
    const other = join(root, "foreign", "tiny");
    await writeTinyModel(other);
    const path = join(other, "rdf.yaml");
    const rdf = parse(await readFile(path, "utf8"));
    rdf.config.chondria.prior = null;
    await writeFile(path, stringify(rdf));
    await recordSourceSummary(other, { ...measureSource(slices), regions: null }, prior);
    const { config } = await readPackageFolder(other);
    expect(config.prior).toEqual(prior);
    expect(sourceSummaryOf(config)).toMatchObject({ prior, regions: undefined });
  });

  type Spoilt = { histogram: unknown; regions: Record<string, { quantiles: unknown; spread: unknown }> };
  it.each<[string, (summary: Spoilt) => void, RegExp]>([
    ["a histogram of 255 bins", (s) => (s.histogram = new Array(255).fill(1)), /histogram.*256/],
    ["a histogram of nothing", (s) => (s.histogram = new Array(256).fill(0)), /histogram: has no pixel/],
    ["a negative count", (s) => (s.histogram = [-1, ...new Array(255).fill(1)]), /histogram\.0/],
    ["a solidity above 1", (s) => (s.regions.solidity.quantiles = new Array(64).fill(2)), /quantiles\.0/],
    ["quantiles that fall", (s) => (s.regions.logArea.quantiles as number[]).reverse(), /must not fall/],
    ["too few quantiles", (s) => (s.regions.density.quantiles = [1]), /density\.quantiles.*64/],
    ["no spread", (s) => (s.regions.density.spread = 0), /density\.spread/],
    [
      "quantiles that are text",
      (s) => (s.regions.logArea.quantiles = new Array(64).fill("a")),
      /quantiles\.0/,
    ],
    ["a quantity too many", (s) => (s.regions.beauty = s.regions.density), /beauty/],
  ])("is refused with %s, and the package stays", async (_name, spoil, message) => {
    const summary = JSON.parse(JSON.stringify(measureSource(slices))) as Spoilt;
    // Distinct values, so that turned quantiles fall.
    summary.regions.logArea.quantiles = Array.from({ length: 64 }, (_, i) => i);
    spoil(summary);
    const { digest } = await readPackageFolder(folder);
    await expect(recordSourceSummary(folder, summary as unknown as SourceStatistics, prior)).rejects.toThrow(
      message,
    );
    expect((await readPackageFolder(folder)).digest).toBe(digest);
  });
});

describe("the shipped source-only packages", () => {
  const models = new URL("../../../models/", import.meta.url).pathname;

  it.each(["lucchi-source-only", "vnc-source-only", "phantom-source-only"])(
    "%s carries a summary of the data of its prior",
    async (id) => {
      const { config } = await readPackageFolder(join(models, id));
      const summary = sourceSummaryOf(config)!;
      const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
      expect(mean(summary.regions!.solidity.quantiles)).toBeCloseTo(summary.prior.solidity, 2);
      expect(mean(summary.regions!.eccentricity.quantiles)).toBeCloseTo(summary.prior.eccentricity, 2);
      expect(summary.histogram.reduce((a, b) => a + b, 0)).toBeGreaterThan(1e6);
    },
  );
});

describe("chondria model summarise", () => {
  async function run(...args: string[]): Promise<void> {
    const program = new Command().exitOverride();
    register(program.command("model"));
    await program.parseAsync(["model", "summarise", ...args], { from: "user" });
  }

  it("measures the data on the package's grid, and refuses other data than the prior's", async () => {
    const data = join(root, "data");
    await writeStack(join(data, "em"), em);
    await writeStack(join(data, "labels"), labels);
    const target = join(root, "trained", "tiny");
    await writeTinyModel(target);
    const args = [
      target,
      "--images",
      join(data, "em"),
      "--labels",
      join(data, "labels"),
      "--voxel-size",
      "5,5,10nm",
    ];
    await expect(run(...args)).rejects.toThrow(/was trained on labels with 2517 regions.*give the same data/);
    const path = join(target, "rdf.yaml");
    const rdf = parse(await readFile(path, "utf8"));
    rdf.config.chondria.prior = null;
    await writeFile(path, stringify(rdf));
    await run(...args);
    const { config } = await readPackageFolder(target);
    expect(config.prior).toMatchObject({ voxelSize: [10, 10, 10], regions: DEPTH });
    // 5 nm data on the package's grid of 10 nm.
    expect(config.sourceSummary?.histogram.reduce((a, b) => a + b, 0)).toBe((W * H * DEPTH) / 4);
    await run(...args);
  });
});

async function writeStack(directory: string, stack: readonly Uint8Array[]): Promise<void> {
  await mkdir(directory, { recursive: true });
  for (const [z, slice] of stack.entries())
    await writeFile(
      join(directory, `${z}.png`),
      encode({ width: W, height: H, data: slice, channels: 1, depth: 8 }),
    );
}
