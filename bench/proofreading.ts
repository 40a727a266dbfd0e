/**
 * The log of edits at the size that issue 5 names: 5,000 objects, 2,000 edits. Start with that log (3 s at most), one more operation of each
 * kind (100 ms), undo of the last operation and of one in the middle.
 */

import { formatLog, parseLog } from "../src/proofreading/json_lines.js";
import { EditLog } from "../src/proofreading/log.js";
import { Replay } from "../src/proofreading/replay.js";
import type { Action, KnownOperation } from "../src/proofreading/types.js";
import { openVolumeView } from "../src/proofreading/volume_view.js";
import { boxSize } from "../src/volume/box.js";
import type { Box, Vec3 } from "../src/volume/types.js";

/** A pair of blobs that touch in half of the cells, one blob in the others. */
const CELL: Vec3 = [48, 28, 24];
const GRID: Vec3 = [18, 18, 16];
const SIZE: Vec3 = [CELL[0] * GRID[0], CELL[1] * GRID[1], CELL[2] * GRID[2]];
const RADIUS = 9;

function cellValues(pair: boolean): Uint8Array {
  const values = new Uint8Array(CELL[0] * CELL[1] * CELL[2]);
  let at = 0;
  for (let z = 0; z < CELL[2]; ++z)
    for (let y = 0; y < CELL[1]; ++y)
      for (let x = 0; x < CELL[0]; ++x, ++at) {
        const near = (cx: number) => Math.hypot(x - cx, y - 14, z - 12) / RADIUS;
        const d = Math.min(near(14), pair ? near(31) : Number.POSITIVE_INFINITY);
        values[at] = Math.round(255 * Math.max(0, Math.min(1, 1.25 - 0.75 * d * d)));
      }
  return values;
}

const cells = [cellValues(false), cellValues(true)];
const read = async (_scale: number, { lower, upper }: Box) => {
  const [width, height, depth] = boxSize({ lower, upper });
  const out = new Uint8Array(width * height * depth);
  let at = 0;
  for (let z = lower[2]; z < upper[2]; ++z)
    for (let y = lower[1]; y < upper[1]; ++y)
      for (let x = lower[0]; x < upper[0]; ++x, ++at) {
        const pair = (Math.floor(x / CELL[0]) + Math.floor(y / CELL[1]) + Math.floor(z / CELL[2])) % 2;
        out[at] = cells[pair][(x % CELL[0]) + CELL[0] * ((y % CELL[1]) + CELL[1] * (z % CELL[2]))];
      }
  return out;
};

const settings = { threshold: 0.5, minimumVoxels: 0, connectivity: 26 } as const;
const by = { author: "bench", model: "", volume: { url: "bench", scale: 0 }, settings };
let made = 0;
function write(log: EditLog, action: Action): KnownOperation {
  const random = new Uint8Array(10);
  new DataView(random.buffer).setUint32(0, ++made);
  const operation = log.create(action, by, made, random);
  log.add([operation]);
  return operation;
}

function cellOf(index: number): { left: Vec3; right: Vec3; next: Vec3; pair: boolean } {
  const [i, j, k] = [
    index % GRID[0],
    Math.floor(index / GRID[0]) % GRID[1],
    Math.floor(index / (GRID[0] * GRID[1])),
  ];
  const at = (x: number): Vec3 => [i * CELL[0] + x, j * CELL[1] + 14, k * CELL[2] + 12];
  return {
    left: at(14),
    right: at(31),
    next: at(i + 1 < GRID[0] ? CELL[0] + 14 : 14 - CELL[0]),
    pair: (i + j + k) % 2 === 1,
  };
}

/** What proofreaders do: mostly verdicts, many merges and splits, some shapes. */
function actionOn(index: number, kind: number): Action {
  const { left, right, next, pair } = cellOf(index);
  const reach = { dimensions: 3 } as const;
  if (kind < 8) return { kind: "verdict", anchor: left, verdict: "accept" };
  if (kind < 12 || (kind < 16 && !pair)) return { kind: "merge", anchors: [left, next] };
  if (kind < 16) return { kind: "split", parts: [[left], [right]], landscape: "probability" };
  return (
    [
      { kind: "delete", anchor: left },
      { kind: "grow", anchor: left, reach, voxels: 1 },
      { kind: "smooth", anchor: left, reach, voxels: 1 },
      { kind: "add", seed: [right[0], right[1] + 9, right[2]], threshold: 0.3, radius: [12, 12, 12] },
    ] as const
  )[kind - 16];
}

const time = async (work: () => Promise<unknown>) => {
  const started = performance.now();
  await work();
  return performance.now() - started;
};
const source = {
  name: "bench",
  dataType: "uint8" as const,
  scales: [
    { bounds: { lower: [0, 0, 0], upper: SIZE } as Box, voxelSize: [8, 8, 8] as Vec3, chunkSize: CELL },
  ],
  read,
};

const view = await openVolumeView(source, { kind: "probability", settings });
console.log(`${view.ids.length} objects in ${SIZE.join(" x ")} voxels`);
const log = new EditLog();
for (let i = 0; i < 2000; ++i) write(log, actionOn((i * 2503) % (GRID[0] * GRID[1] * GRID[2]), (i * 7) % 20));
const text = formatLog(log.operations);
let replay = new Replay(view);
const cpu = process.cpuUsage();
const start = await time(async () => {
  replay = await Replay.of(view, parseLog(text, "bench").operations);
});
const { user, system } = process.cpuUsage(cpu);
console.log(
  `start with ${log.size} edits (${(text.length / 1e6).toFixed(1)} MB): ${start.toFixed(0)} ms (${((user + system) / 1000).toFixed(0)} ms of processor), ${replay.conflicts().length} conflicts`,
);

let slowest = 0;
for (let kind = 7; kind < 20; kind += kind < 15 ? 4 : 1) {
  const took: number[] = [];
  for (let i = 0; i < 20; ++i) {
    const operation = write(log, actionOn(((i * 97 + kind) * 13) % 5000, kind));
    took.push(await time(() => replay.add([operation])));
    const undo = write(log, { kind: "undo", target: operation.id });
    took.push(await time(() => replay.add([undo])));
  }
  slowest = Math.max(slowest, ...took);
  took.sort((a, b) => a - b);
  console.log(
    `${actionOn(1, kind).kind} and its undo: median ${took[20].toFixed(1)} ms, slowest ${took[39].toFixed(1)} ms`,
  );
}
const middle: number[] = [];
for (let i = 0; i < 40; ++i) {
  const target = log.operations[50 * i + 7].id;
  const undo = write(log, { kind: "undo", target });
  middle.push(await time(() => replay.add([undo])));
}
middle.sort((a, b) => a - b);
console.log(
  `undo of an operation anywhere: median ${middle[20].toFixed(1)} ms, slowest ${middle[39].toFixed(1)} ms`,
);
const ok = start <= 3000 && Math.max(slowest, middle[39]) <= 100;
console.log(ok ? "within 3 s and 100 ms" : "NOT within 3 s and 100 ms");
process.exitCode = ok ? 0 : 1;
