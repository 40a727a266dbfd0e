import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { main } from "../../src/cli/main.js";

const path = (relative: string) => fileURLToPath(new URL(`../../${relative}`, import.meta.url));

const RAW = "../shared/data/VNC/stack1/raw";
const LABELS = "../shared/data/VNC/stack1/mitochondria";
const missing = ["models/lucchi-source-only/rdf.yaml", RAW, LABELS].filter((file) => !existsSync(path(file)));
if (missing.length > 0) console.warn(`adapt: not checked on real EM, there is no ${missing.join(", no ")}`);

describe.skipIf(missing.length > 0)("a model of Lucchi++ on EM of another animal", () => {
  let root: string;
  let before: number | undefined;
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), "chondria-adapt-"));
  });
  afterAll(() => rm(root, { recursive: true }));

  const volume = ["--voxel-size", "4.6,4.6,45nm", "--region", "512:1024,0:768,0:3"];

  async function iou(model: string): Promise<number> {
    const json = join(root, "report.json");
    await main(["evaluate", model, path(RAW), path(LABELS), ...volume, "--json", json]);
    const report = JSON.parse(await readFile(json, "utf8")) as { iouPerSlice: number };
    await rm(json);
    return report.iouPerSlice;
  }

  it.each([
    { strategy: "target-statistics", steps: "6" },
    // What it learns in one step is little; that it runs through, with a teacher that has the target's statistics, is seen.
    { strategy: "self-training", steps: "1" },
  ])(
    "finds about twice as much with $strategy, from unlabelled voxels and the package alone",
    async ({ strategy, steps }) => {
      before ??= await iou("lucchi-source-only");
      const out = join(root, strategy);
      const source = ["--model", "lucchi-source-only", "--volume", path(RAW), ...volume];
      const how = ["--strategy", strategy, "--steps", steps, "--score-slices", "1"];
      await main(["adapt", ...source, ...how, "--out", out]);
      const after = await iou(out);
      // Measured with target statistics on four slices, 512:1024,0:1024,0:4: 0.272 before, 0.512 after.
      expect(before).toBeLessThan(0.4);
      expect(after).toBeGreaterThan(before + 0.12);
      expect(await readFile(join(out, "rdf.yaml"), "utf8")).toContain(`strategy: ${strategy}`);
    },
    300_000,
  );
});
