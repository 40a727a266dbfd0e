import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { encode } from "fast-png";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readPackageFolder } from "../../../src/model/read_node.js";
import { Random } from "../../../src/network/random.js";
import { readLog } from "../../../src/training/run_node.js";

const command = fileURLToPath(new URL("../../../bin/chondria.mjs", import.meta.url));
let folder: string;

/** Six slices of 64 x 64: dark discs, labelled. */
async function writeStack(): Promise<void> {
  const random = new Random(4);
  for (const kind of ["em", "labels"]) await mkdir(join(folder, kind));
  for (let z = 0; z < 6; z++) {
    const [cx, cy] = [random.uniform(20, 44), random.uniform(20, 44)];
    const inside = (i: number) => Math.hypot((i % 64) - cx, Math.floor(i / 64) - cy) < 12;
    const image = (at: (i: number) => number) =>
      encode({
        width: 64,
        height: 64,
        channels: 1,
        depth: 8,
        data: Uint8Array.from({ length: 4096 }, (_, i) => at(i)),
      });
    await writeFile(
      join(folder, "em", `${z}.png`),
      image((i) => (inside(i) ? 60 : 180) + random.integer(30)),
    );
    await writeFile(
      join(folder, "labels", `${z}.png`),
      image((i) => (inside(i) ? 255 : 0)),
    );
  }
}

interface Run {
  readonly child: ChildProcess;
  readonly text: () => string;
  readonly ended: Promise<number | null>;
}

function start(out: string, ...more: string[]): Run {
  const args = [
    "train",
    "--images",
    join(folder, "em"),
    "--labels",
    join(folder, "labels"),
    "--out",
    join(folder, out),
  ];
  const settings =
    "--voxel-size 5nm --steps 8 --batch 2 --patch 16 --filters 4,8 --dropout-rates 0,0.1 --validate-every 4 --validation 0.2";
  const child = spawn(
    process.execPath,
    [command, ...args, ...settings.split(" "), "--backend", "wasm", ...more],
    {
      stdio: ["ignore", "ignore", "pipe"],
    },
  );
  let text = "";
  child.stderr!.on("data", (chunk) => {
    text += chunk;
  });
  return { child, text: () => text, ended: new Promise((resolve) => child.on("exit", resolve)) };
}

async function run(out: string, ...more: string[]): Promise<string> {
  const { ended, text } = start(out, ...more);
  await ended;
  return text();
}

const losses = async (out: string) =>
  (await readLog(join(folder, out))).map((line) => `${line.kind} ${line.step} ${line.loss}`);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "chondria-train-"));
  await writeStack();
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("chondria train", () => {
  it("writes a run and a package, the same in one process and in two", { timeout: 60_000 }, async () => {
    const models = join(folder, "models", "discs");
    const [one, two] = await Promise.all([
      run("one", "--processes", "1", "--accumulate", "2", "--package", models, "--source", "discs"),
      run("two", "--processes", "2"),
    ]);
    expect(one).toMatch(/trained 8 steps; best at step \d: IoU per slice 0\.\d+\npackaged as/);
    expect(two).toMatch(/2 processes/);
    const log = await losses("one");
    expect(log).toHaveLength(10);
    expect(await losses("two")).toEqual(log);
    const { config } = await readPackageFolder(models);
    expect(config).toMatchObject({ strategy: "source-only", source: "discs", voxelSize: [10, 10, 5] });
    expect(config.prior!.objects).toBeGreaterThan(0);
    expect(config.training.command).toMatch(/^chondria train --images .* --source discs$/);
    expect((await readdir(join(folder, "one"))).sort()).toEqual([
      "checkpoint.bin",
      "log.jsonl",
      "report.html",
      "run.json",
    ]);
  });

  it("stops at SIGTERM and resumes to the same losses", { timeout: 60_000 }, async () => {
    const whole = await run("whole", "--steps", "60", "--processes", "1");
    expect(whole).toMatch(/trained 60 steps/);
    const { child, ended, text } = start("parts", "--steps", "60", "--processes", "1");
    while (!text().includes("step 4 ")) await new Promise((resolve) => setTimeout(resolve, 20));
    child.kill("SIGTERM");
    expect(await ended).toBe(0);
    expect(text()).toMatch(/stopped after step \d+; go on with --resume/);
    expect((await losses("parts")).length).toBeLessThan((await losses("whole")).length);
    expect(await run("parts", "--steps", "60", "--processes", "1")).toMatch(
      /checkpoint.bin exists: give --resume/,
    );
    expect(await run("parts", "--steps", "70", "--processes", "1", "--resume")).toMatch(
      /steps was 60, now 70/,
    );
    await run("parts", "--steps", "60", "--processes", "1", "--resume");
    expect(await losses("parts")).toEqual(await losses("whole"));
  });

  it("names what is wrong", { timeout: 60_000 }, async () => {
    const [missing, size, patch, region, unequal] = await Promise.all([
      run("bad", "--images", join(folder, "nowhere")),
      run("bad", "--train-voxel-size", "7"),
      run("bad", "--patch", "15"),
      run("bad", "--region", "0:99,:,:"),
      run("bad", "--labels", join(folder, "labels", "0.png")),
    ]);
    expect(missing).toMatch(/chondria: .*nowhere: there is no such file or folder/);
    expect(size).toMatch(/chondria: a training voxel size of 7 nm/);
    expect(region).toMatch(/chondria: region "0:99,:,:": it leaves the volume/);
    expect(unequal).toMatch(/0\.png: has voxels 0:64,0:64,0:1, but .*em has 0:64,0:64,0:6: give the labels/);
    expect(patch).toMatch(/chondria: patch must be a multiple of 2, not 15/);
  });
});
