/**
 * Labelling and morphology on real masks (Lucchi++ train, 130 M voxels, where ../shared/data has it), against
 * scipy.ndimage.label, skimage.measure.label and skimage.measure.regionprops_table where `CHONDRIA_PYTHON` (or python3) has
 * them. Rounds are interleaved, so that a change of the machine's speed hits all alike, and the best of each side is compared;
 * results must be the same. BENCH_ONLY=<part of a title> leaves out the other tasks.
 */
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { ADDITIVE_WIDTH, additiveColumns, measurePieces } from "../src/morphology/additive.js";
import { OBJECT_COLUMN_IDS } from "../src/morphology/object_types.js";
import { visitRegions } from "../src/morphology/regions.js";
import { summariseRuns } from "../src/morphology/summary.js";
import { labelMask, labelRuns, thresholdByte } from "../src/segmentation/label.js";
import type { LabelRuns } from "../src/segmentation/types.js";
import { openImageStack } from "../src/volume/image_stack_node.js";
import type { Vec3 } from "../src/volume/types.js";
import { printShare } from "./objects_share.js";

interface Result {
  readonly ms: number;
  readonly count: number;
  readonly solidity?: number;
  /** Mean over the objects of their mean intensity. */
  readonly intensity?: number;
}

interface Rival {
  run(task: string, volume: string): Promise<Result>;
  close(): void;
}

interface Mask {
  readonly voxels: Uint8Array;
  readonly size: Vec3;
  readonly name: string;
}

interface Task {
  readonly title: string;
  /** Key of `volumes`. */
  readonly volume: string;
  /** Name of each rival, and of its task in objects_python.py. */
  readonly rivals: Record<string, string>;
  readonly rounds: number;
  ours(): Omit<Result, "ms">;
}

const CHUNK: Vec3 = [256, 256, 8];
const best = (values: number[]) => Math.min(...values);

/** Real masks, or without the data a lattice of ellipsoids of the same number of voxels as one tenth of it. */
async function readMask(): Promise<Mask> {
  const path = join(import.meta.dirname, "../../shared/data/Lucchi++/Train_Out");
  if (existsSync(path)) {
    const source = await openImageStack(path, { voxelSize: [5, 5, 5] });
    const { bounds } = source.scales[0];
    const values = await source.read(0, bounds);
    const voxels = new Uint8Array(values.length);
    for (let i = 0; i < values.length; ++i) voxels[i] = values[i] > 0 ? 1 : 0;
    return { voxels, size: bounds.upper, name: "Lucchi++ train" };
  }
  const size: Vec3 = [512, 512, 48];
  const voxels = new Uint8Array(size[0] * size[1] * size[2]);
  for (let i = 0; i < voxels.length; ++i) {
    const [x, y, z] = [i % 512, Math.floor(i / 512) % 512, Math.floor(i / 512 ** 2)];
    voxels[i] = Math.hypot((x % 128) - 60, ((y + 20 * z) % 110) - 50, 3 * ((z % 40) - 18)) < 32 ? 1 : 0;
  }
  return { voxels, size, name: "ellipsoids (no Lucchi++ in ../shared/data)" };
}

/** The chunk of the viewer's size with the most foreground. */
function fullestChunk({ voxels, size }: Mask): Uint8Array {
  let best = new Uint8Array();
  let most = -1;
  for (let y0 = 0; y0 + 256 <= size[1]; y0 += 256) {
    for (let x0 = 0; x0 + 256 <= size[0]; x0 += 256) {
      const chunk = new Uint8Array(256 * 256 * 8);
      let foreground = 0;
      for (let i = 0; i < chunk.length; ++i) {
        const [x, y, z] = [i % 256, (i >> 8) % 256, i >> 16];
        const value = voxels[x0 + x + size[0] * (y0 + y + size[1] * z)];
        chunk[i] = 255 * value;
        foreground += value;
      }
      if (foreground > most) [most, best] = [foreground, chunk];
    }
  }
  return best;
}

function noise(length: number): Uint8Array {
  let state = 1;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
}

async function startRival(folder: string): Promise<Rival | string> {
  const python = process.env.CHONDRIA_PYTHON ?? "python3";
  try {
    execFileSync(python, ["-c", "import scipy.ndimage, skimage.measure"], { stdio: "pipe" });
  } catch {
    return `rivals missing: no scipy and skimage in ${python} (set CHONDRIA_PYTHON to a Python that has them)`;
  }
  const child = spawn(python, [join(import.meta.dirname, "objects_python.py"), folder], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  await lines.next();
  return {
    async run(task, volume) {
      child.stdin.write(`${task} ${volume}\n`);
      const { value, done } = await lines.next();
      if (done) throw new Error("Python ended");
      return JSON.parse(value as string) as Result;
    },
    close: () => void child.kill(),
  };
}

const runsOf = (probability: Uint8Array) => labelRuns(probability, CHUNK, thresholdByte(0.5), 26);

function chunkResult(probability: Uint8Array): Omit<Result, "ms"> {
  const runs = runsOf(probability);
  return { count: runs.count, solidity: summariseRuns(runs, { sliceAxis: 2 }).solidity };
}

/** The EM of the chunks, made as objects_python.py makes it. */
const em = Uint8Array.from({ length: CHUNK[0] * CHUNK[1] * CHUNK[2] }, (_, i) => (i * 7919) % 251);

/** All that is measured of a chunk in the viewer: its regions, and of each object what adds up, as columns. */
function metricsResult(runs: LabelRuns): Omit<Result, "ms"> {
  const { solidity } = summariseRuns(runs, { sliceAxis: 2 });
  const { count, values } = measurePieces(runs, { data: em });
  let intensity = 0;
  const mean = OBJECT_COLUMN_IDS.indexOf("intensityMean");
  for (let label = 0; label < count; ++label) {
    const row = values.subarray(label * ADDITIVE_WIDTH, (label + 1) * ADDITIVE_WIDTH);
    intensity += additiveColumns(row, [0, 0, 0], { voxelSize: [5, 5, 5], sliceAxis: 2 })[mean];
  }
  return { count, solidity, intensity: intensity / count };
}

const mask = await readMask();
const volumes: Record<string, Mask> = {
  stack: mask,
  chunk: { voxels: fullestChunk(mask), size: CHUNK, name: "its fullest chunk" },
  noise: { voxels: noise(256 * 256 * 8), size: CHUNK, name: "a chunk of noise" },
};
const labelled = labelMask(mask.voxels, mask.size);
const runsOfChunks: Record<string, LabelRuns> = {
  chunk: runsOf(volumes.chunk.voxels),
  noise: runsOf(volumes.noise.voxels),
};
const tasks: Task[] = [
  {
    title: `label, ${mask.name}, ${(mask.voxels.length / 1e6).toFixed(0)} M voxels`,
    volume: "stack",
    rivals: { "scipy.ndimage.label": "scipy", "skimage.measure.label": "skimage" },
    rounds: 5,
    ours: () => ({ count: labelMask(mask.voxels, mask.size).count }),
  },
  {
    title: "regions of its labels: area, solidity, eccentricity",
    volume: "stack",
    rivals: { "skimage regionprops_table": "regions" },
    rounds: 3,
    ours: () => {
      let count = 0;
      let sum = 0;
      visitRegions(labelled, 2, ({ area, convexArea }) => {
        if (area <= 10) return;
        count += 1;
        sum += area / convexArea;
      });
      return { count, solidity: sum / count };
    },
  },
  ...["chunk", "noise"].map((volume) => ({
    title: `metrics of the labels of ${volumes[volume].name}: regions, and sums with intensity`,
    volume,
    rivals: { "skimage regionprops_table": "metrics" },
    rounds: volume === "noise" ? 5 : 25,
    ours: () => metricsResult(runsOfChunks[volume]),
  })),
  ...["chunk", "noise"].map((volume) => ({
    title: `threshold, label and summarise ${volumes[volume].name}, ${CHUNK.join(" x ")}`,
    volume,
    rivals: { "scipy label + skimage": "both" },
    rounds: volume === "noise" ? 5 : 25,
    ours: () => chunkResult(volumes[volume].voxels),
  })),
];

const folder = mkdtempSync(join(tmpdir(), "chondria-bench-"));
try {
  const sizes = Object.entries(volumes).map(([name, { voxels, size }]) => {
    writeFileSync(join(folder, name), voxels);
    return [name, size];
  });
  writeFileSync(join(folder, "sizes.json"), JSON.stringify(Object.fromEntries(sizes)));
  const rival = await startRival(folder);
  if (typeof rival === "string") console.log(rival);
  for (const { title, volume, rivals, rounds, ours } of tasks) {
    if (!title.includes(process.env.BENCH_ONLY ?? "")) continue;
    const expected = ours();
    const own: number[] = [];
    const others = new Map(Object.keys(rivals).map((name) => [name, [] as number[]]));
    for (let round = 0; round < rounds; ++round) {
      const start = performance.now();
      ours();
      own.push(performance.now() - start);
      if (typeof rival === "string") continue;
      for (const [name, task] of Object.entries(rivals)) {
        const result = await rival.run(task, volume);
        others.get(name)!.push(result.ms);
        const off = Math.abs((result.solidity ?? 0) - (expected.solidity ?? 0));
        if (result.count !== expected.count) throw new Error(`${name}: ${result.count} objects`);
        if (off > 1e-9) throw new Error(`${name}: solidity ${result.solidity}, ours ${expected.solidity}`);
        if (Math.abs((result.intensity ?? 0) - (expected.intensity ?? 0)) > 1e-6)
          throw new Error(`${name}: intensity ${result.intensity}, ours ${expected.intensity}`);
      }
    }
    const ms = best(own);
    const rate = title.startsWith("label")
      ? `, ${(mask.voxels.length / 1e3 / ms).toFixed(0)} M voxels/s`
      : "";
    console.log(`${title} (best of ${rounds})`);
    console.log(`  ${"ours".padEnd(28)} ${ms.toFixed(1).padStart(9)} ms${rate}`);
    for (const [name, times] of others) {
      if (times.length === 0) continue;
      const theirs = best(times);
      console.log(
        `  ${name.padEnd(28)} ${theirs.toFixed(1).padStart(9)} ms   ours is ${(theirs / ms).toFixed(1)} x as fast`,
      );
    }
  }
  if (typeof rival !== "string") rival.close();
  if ("share of a forward pass".includes(process.env.BENCH_ONLY ?? "")) await printShare();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
