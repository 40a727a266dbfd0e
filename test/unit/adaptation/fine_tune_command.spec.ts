import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { encode } from "fast-png";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readPackageFolder } from "../../../src/model/read_node.js";
import { Random } from "../../../src/network/random.js";
import { EditLog } from "../../../src/proofreading/log.js";
import { writeLogFile } from "../../../src/proofreading/log_file_node.js";
import type { Action } from "../../../src/proofreading/types.js";
import type { Vec3 } from "../../../src/volume/types.js";

const command = fileURLToPath(new URL("../../../bin/chondria.mjs", import.meta.url));
let folder: string;

/** Where the discs of the slices are. */
const CENTRES: Vec3[] = [
  [20, 22, 0],
  [42, 40, 0],
];

async function writeStack(): Promise<void> {
  const random = new Random(4);
  for (const kind of ["em", "labels"]) await mkdir(join(folder, kind));
  const inside = (i: number) =>
    CENTRES.some(([x, y]) => Math.hypot((i % 64) - x, Math.floor(i / 64) - y) < 9);
  const image = (at: (i: number) => number) =>
    encode({
      width: 64,
      height: 64,
      channels: 1,
      depth: 8,
      data: Uint8Array.from({ length: 4096 }, (_, i) => at(i)),
    });
  for (let z = 0; z < 4; z++) {
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

const run = (...args: string[]) =>
  new Promise<string>((resolve) => {
    execFile(process.execPath, [command, ...args, "--backend", "wasm"], (_, out, errors) =>
      resolve(out + errors),
    );
  });
const train = (...args: string[]) =>
  run("train", "--images", join(folder, "em"), "--voxel-size", "10,10,10nm", "--processes", "1", ...args);

/** A log over the model's predictions: a person clicks along one disc and says that nothing is in a corner. */
async function writeEdits(path: string, model: string, actions: readonly Action[]): Promise<void> {
  const log = new EditLog();
  const by = {
    author: "ana",
    model,
    volume: { url: join(folder, "em"), scale: 0 },
    // What is hardly trained sees something everywhere, or nowhere: at this threshold, nothing.
    settings: { threshold: 1, connectivity: 26 as const },
  };
  actions.forEach((action, i) => {
    log.add([log.create(action, by, 1000 + i, new Uint8Array(10).fill(i))]);
  });
  await writeLogFile(path, log.operations);
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "chondria-fine-tune-"));
  await writeStack();
  await train(
    ...[
      "--labels",
      join(folder, "labels"),
      "--out",
      join(folder, "base"),
      "--package",
      join(folder, "base-model"),
    ],
    ..."--steps 2 --batch 2 --patch 16 --filters 4,8 --dropout-rates 0,0 --learning-rate 1e-5".split(" "),
    ..."--validation 0.25 --validate-every 2".split(" "),
  );
}, 120_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("chondria train --fine-tune", () => {
  const model = () => join(folder, "base-model");
  const edits = () => join(folder, "edits.jsonl");

  it("learns from corrections and says in the package where it comes from", {
    timeout: 120_000,
  }, async () => {
    const base = await readPackageFolder(model());
    await writeEdits(edits(), base.digest, [
      {
        kind: "add",
        seed: [20, 22, 1],
        threshold: 0,
        radius: [60, 60, 60],
        strokes: {
          axis: 2,
          lines: [0, 3].map((z) => [[20, 22, z, 9] as const]),
        },
      },
    ]);
    const text = await train(
      ...["--fine-tune", model(), "--edits", edits(), "--out", join(folder, "tuned")],
      ...["--package", join(folder, "tuned-model"), "--steps", "12", "--batch", "2", "--margin", "60"],
    );
    expect(text).toMatch(/1 edits: (\d+\.\d) % of the voxels are known, 6\.\d % are mitochondria/);
    expect(Number(/: (\d+\.\d) % of the voxels/.exec(text)?.[1])).toBeLessThan(40);
    expect(text).toMatch(/trained 12 steps/);
    const { config, weightData } = await readPackageFolder(join(folder, "tuned-model"));
    expect(config).toMatchObject({
      strategy: "fine-tuned",
      source: base.config.source,
      target: join(folder, "em"),
      voxelSize: base.config.voxelSize,
      prior: base.config.prior,
    });
    expect(config.training.settings.from).toBe(base.digest);
    expect(Buffer.from(weightData).equals(Buffer.from(base.weightData))).toBe(false);
    expect(weightData.byteLength).toBe(base.weightData.byteLength);
  });

  it("names what is wrong", { timeout: 120_000 }, async () => {
    const out = ["--out", join(folder, "bad")];
    const foreign = join(folder, "foreign.jsonl");
    await writeEdits(foreign, "another model", [
      { kind: "add", seed: [20, 22, 1], threshold: 0, radius: [5, 5, 5] },
    ]);
    const empty = join(folder, "empty.jsonl");
    await writeEdits(empty, "", []);
    const [alone, both, other, nothing, neither] = await Promise.all([
      train("--fine-tune", model(), ...out),
      train("--fine-tune", model(), "--edits", foreign, "--labels", join(folder, "labels"), ...out),
      train("--fine-tune", model(), "--edits", foreign, ...out),
      train("--fine-tune", model(), "--edits", empty, ...out),
      train(...out),
    ]);
    expect(alone).toMatch(/chondria: --fine-tune and --edits need each other/);
    expect(both).toMatch(/chondria: --labels and --edits exclude each other/);
    expect(other).toMatch(/foreign\.jsonl: corrects the predictions of another model than base-model/);
    expect(nothing).toMatch(/empty\.jsonl: has no edits to learn from/);
    expect(neither).toMatch(/give --labels, or --fine-tune and --edits/);
  });
});
