import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encode } from "fast-png";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { sourceOnly } from "../../../src/adaptation/source_only.js";
import { main } from "../../../src/cli/main.js";
import { type AdaptPackageOptions, adaptPackage } from "../../../src/experiment/adapt_package_node.js";
import { snapshotWeights, takeSnapshot } from "../../../src/experiment/snapshot.js";
import { selectBackend } from "../../../src/kernels/backend_node.js";
import { readPackageFolder } from "../../../src/model/read_node.js";
import { writePackage } from "../../../src/model/write_node.js";
import { measurePrior } from "../../../src/morphology/prior.js";
import { measureSource } from "../../../src/training/source_statistics.js";
import { openVolume } from "../../../src/volume/open_node.js";
import type { VolumeSource } from "../../../src/volume/types.js";
import { discs, TINY_NETWORK, tinyInput } from "../../support/adaptation.js";

let root: string;
let model: string;
let em: VolumeSource;
let err = "";

/** A trained tiny network as a package, and a stack that is bright and of little contrast. */
beforeAll(async () => {
  await selectBackend("wasm");
  root = await mkdtemp(join(tmpdir(), "chondria-adapt-"));
  model = join(root, "discs");
  const input = tinyInput(sourceOnly, { stages: { validateEvery: 0, scoreEvery: 0 } });
  const run = await sourceOnly.start(input);
  const stage = await run.begin("train");
  for (let i = 0; i < 40; i++) await stage.step(i, 1e-2);
  stage.dispose();
  const network = await run.snapshot();
  const snapshot = await takeSnapshot(network, "discs");
  network.dispose();
  run.dispose();
  const slices = discs(4, 1);
  const voxelSize = [10, 10, 10] as const;
  await writePackage(model, {
    name: "Discs",
    description: "Segments dark discs.",
    license: "CC-BY-4.0",
    topology: snapshot.topology,
    weights: await snapshotWeights(snapshot),
    config: {
      strategy: "source-only",
      source: "dark discs",
      target: null,
      voxelSize,
      field: snapshot.field,
      window: [0, 255],
      prior: measurePrior(slices.labels, slices.width, slices.height, {
        voxelSize,
        source: "dark discs",
        foreground: 128,
      }),
      sourceSummary: measureSource(slices),
      selection: { criterion: "last step", step: 40 },
      training: { command: "test", seed: 1, settings: { network: TINY_NETWORK } },
      scores: [],
    },
  });
  const target = discs(4, 8);
  await mkdir(join(root, "em"));
  for (let z = 0; z < 4; z++)
    await writeFile(
      join(root, "em", `${z}.png`),
      encode({
        width: target.width,
        height: target.height,
        channels: 1,
        data: target.em[z].map((value) => 150 + 0.3 * value),
      }),
    );
  em = await openVolume(join(root, "em"), { voxelSize: [10, 10, 10] });
}, 60_000);
afterAll(async () => {
  await em.close?.();
  await rm(root, { recursive: true });
});

beforeEach(() => {
  err = "";
  vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    err += text;
    return true;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
  process.exitCode = undefined;
});

const options = (out: string, change: Partial<AdaptPackageOptions> = {}): AdaptPackageOptions => ({
  model,
  em,
  target: "faint discs",
  window: [0, 255],
  strategy: "target-statistics",
  steps: 6,
  seed: 3,
  backend: "wasm",
  out: join(root, out),
  scoreSlices: 2,
  command: "test",
  signal: new AbortController().signal,
  ...change,
});

const adapt = (out: string, ...flags: string[]) =>
  main([
    "adapt",
    "--model",
    model,
    "--volume",
    join(root, "em"),
    "--voxel-size",
    "10,10,10nm",
    "--backend",
    "wasm",
    "--out",
    join(root, out),
    ...flags,
  ]);

describe("chondria adapt", () => {
  it("writes a package of the adapted network, with what was done and all that is known of the source", async () => {
    await adapt("matched", "--steps", "4", "--name", "faint discs");
    expect(process.exitCode).toBeUndefined();
    expect(err).toMatch(/before: solidity 0\.\d+ \(0\.\d+ in dark discs\)/);
    expect(err).toMatch(/step 4 is kept \(distribution\)/);
    const before = await readPackageFolder(model);
    const after = await readPackageFolder(join(root, "matched"));
    expect(after.name).toBe("Discs adapted to faint discs");
    expect(after.config).toMatchObject({
      strategy: "target-statistics-matched",
      source: "dark discs",
      target: "faint discs",
      selection: { criterion: "distribution", step: 4 },
      field: before.config.field,
      prior: before.config.prior,
      sourceSummary: before.config.sourceSummary,
      training: { seed: 1, settings: { adaptedFrom: { id: "discs", digest: before.digest } } },
    });
    expect(after.config.training.command).toMatch(/^chondria/);
    expect(await readFile(join(root, "matched", "rdf.yaml"), "utf8")).toContain("license: CC-BY-4.0");
    // Nothing is left of the work.
    expect((await readdir(root)).sort()).toEqual(["discs", "em", "matched"]);
  });

  it("goes on where it was stopped, to the same weights", async () => {
    expect(await adaptPackage(options("whole"))).toBeNull();
    const controller = new AbortController();
    const stopped = await adaptPackage(
      options("parts", {
        signal: controller.signal,
        events: {
          onStep({ totalSteps }) {
            if (totalSteps === 3) controller.abort();
          },
        },
      }),
    );
    expect(stopped).toBe(3);
    expect(await readdir(root)).toContain(".parts.adapting");
    await expect(adaptPackage(options("parts", { seed: 4 }))).rejects.toThrow(
      /unfinished adaptation of other settings \(settings was/,
    );
    const notes: string[] = [];
    const events = { onNote: (text: string) => notes.push(text) };
    expect(await adaptPackage(options("parts", { events }))).toBeNull();
    expect(notes.join("\n")).toMatch(/going on from step 3/);
    expect(await readdir(root)).not.toContain(".parts.adapting");
    const weights = (name: string) => readFile(join(root, name, "weights.bin"));
    expect((await weights("parts")).equals(await weights("whole"))).toBe(true);
    expect((await weights("parts")).equals(await weights("discs"))).toBe(false);
  });

  it("says what cannot be done", async () => {
    await expect(adaptPackage(options("em"))).rejects.toThrow(/exists: give another folder/);
    await expect(adaptPackage(options("a b"))).rejects.toThrow(/must be a model id/);
    await expect(adaptPackage(options("x", { strategy: "histogram-matching" }))).rejects.toThrow(
      /labelled images of the source/,
    );
    await adapt("y", "--strategy", "source-only");
    expect(err).toMatch(/Allowed choices are target-statistics/);
  });
});
