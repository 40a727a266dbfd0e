/**
 * Edits as the viewer has them: 5,184 objects in chunks that come one after the other, 2,000 edits of the log. Start: the replay once all
 * chunks are there (3 s at most), and what it costs while they come; one more operation, until the chunks that show it are written anew
 * (100 ms). One thread, as the chunk worker; labels of the chunks are made before.
 */

import { EditedObjects } from "../layers/mito/edited_objects.js";
import { EditsView } from "../layers/mito/edits_view.js";
import { paintIds } from "../layers/mito/segment_ids.js";
import { WholeObjects } from "../layers/mito/whole_objects.js";
import { OBJECT_COLUMN_IDS } from "../src/morphology/object_types.js";
import { EditLog } from "../src/proofreading/log.js";
import type { Action } from "../src/proofreading/types.js";
import { ChunkGrid } from "../src/segmentation/chunk_grid.js";
import { boxSize } from "../src/volume/box.js";
import type { Box, Vec3 } from "../src/volume/types.js";
import { type AnalysisResult, analyse } from "../workers/analyse.js";

/** A pair of blobs that touch in half of the cells, one blob in the others, as in bench/proofreading.ts. */
const CELL: Vec3 = [48, 28, 24];
const GRID: Vec3 = [18, 18, 16];
const SIZE: Vec3 = [CELL[0] * GRID[0], CELL[1] * GRID[1], CELL[2] * GRID[2]];
const CHUNK: Vec3 = [256, 256, 8];
const BOUNDS: Box = { lower: [0, 0, 0], upper: SIZE };
const RADIUS = 9;
const EDITS = 2000;
const settings = { threshold: 0.5, minimumVoxels: 0, connectivity: 26 } as const;
const VOLUME = { url: "bench", scale: 0 };

function value(x: number, y: number, z: number): number {
  const pair = (Math.floor(x / CELL[0]) + Math.floor(y / CELL[1]) + Math.floor(z / CELL[2])) % 2 === 1;
  const near = (cx: number) =>
    Math.hypot((x % CELL[0]) - cx, (y % CELL[1]) - 14, (z % CELL[2]) - 12) / RADIUS;
  const d = Math.min(near(14), pair ? near(31) : Number.POSITIVE_INFINITY);
  return Math.round(255 * Math.max(0, Math.min(1, 1.25 - 0.75 * d * d)));
}

function probability({ lower, upper }: Box): Uint8Array {
  const [width, height, depth] = boxSize({ lower, upper });
  const out = new Uint8Array(width * height * depth);
  let at = 0;
  for (let z = lower[2]; z < upper[2]; ++z)
    for (let y = lower[1]; y < upper[1]; ++y)
      for (let x = lower[0]; x < upper[0]; ++x, ++at) out[at] = value(x, y, z);
  return out;
}

const cells = GRID[0] * GRID[1] * GRID[2];
/** What proofreaders do: mostly verdicts, many merges and splits, some shapes. */
function actionOn(index: number, kind: number): Action {
  const [i, j, k] = [
    index % GRID[0],
    Math.floor(index / GRID[0]) % GRID[1],
    Math.floor(index / (GRID[0] * GRID[1])),
  ];
  const at = (x: number): Vec3 => [i * CELL[0] + x, j * CELL[1] + 14, k * CELL[2] + 12];
  const pair = (i + j + k) % 2 === 1;
  const [left, right, next] = [at(14), at(31), at(i + 1 < GRID[0] ? CELL[0] + 14 : 14 - CELL[0])];
  if (kind < 9) return { kind: "verdict", anchor: left, verdict: "accept" };
  if (kind < 13 || (kind < 17 && !pair)) return { kind: "merge", anchors: [left, next] };
  if (kind < 17) return { kind: "split", parts: [[left], [right]], landscape: "probability" };
  return kind === 17
    ? { kind: "delete", anchor: left }
    : { kind: "grow", anchor: left, reach: { dimensions: 3 }, voxels: 1 };
}

const by = { author: "bench", model: "", volume: VOLUME, settings };
const log = new EditLog();
let made = 0;
function write(action: Action) {
  const random = new Uint8Array(10);
  new DataView(random.buffer).setUint32(0, ++made);
  const operation = log.create(action, by, made, random);
  log.add([operation]);
  return operation;
}
for (let i = 0; i < EDITS; ++i) write(actionOn((i * 2503) % cells, (i * 7) % 19));

const grid = new ChunkGrid(CHUNK, BOUNDS);
const results = new Map<string, { box: Box; probability: Uint8Array; result: AnalysisResult }>();
for (let index = 0; index < grid.end[0] * grid.end[1] * grid.end[2]; ++index) {
  const position = grid.positionOf(index);
  const box = grid.boxOf(position);
  const found = probability(box);
  const result = analyse({ probability: found, size: boxSize(box), sliceAxis: 2, settings });
  results.set(position.join(), { box, probability: found, result });
}

const shown = new Set<string>();
let written = 0;
const objects: WholeObjects = new WholeObjects(
  {
    chunkSize: CHUNK,
    bounds: BOUNDS,
    frame: { voxelSize: [8, 8, 8], sliceAxis: 2 },
    // As on a screen: what was looked at last.
    finished: () => [...shown].slice(-64),
    visible: () => new Set([...shown].slice(-64)),
    isComing: () => false,
    write: async (key, runs, ids) => {
      edits.paint(results.get(key)!.box, paintIds(runs, ids), true);
      return () => ++written;
    },
    labelAgain: async (key) => results.get(key)!.result.runs,
    measure: async () => new Float64Array(OBJECT_COLUMN_IDS.length),
    touched: () => {},
    changed: (ids) => edits?.predictionsChanged(ids),
    sendIds: () => {},
    sendRows: () => {},
  },
  settings,
);
let replayed = 0;
let conflicts = 0;
const edits: EditedObjects = new EditedObjects(
  new EditsView({
    voxelSize: [8, 8, 8],
    volume: VOLUME,
    graph: () => objects.predicted,
    settings: () => settings,
    probabilityOf: async (box) => results.get(box.lower.map((l, i) => l / CHUNK[i]).join())?.probability,
  }),
  objects,
  ({ milliseconds, conflictCount }) => {
    replayed += milliseconds;
    conflicts = conflictCount;
  },
);
objects.overlay = edits;
const quiet = async () => {
  do await new Promise((resolve) => setTimeout(resolve, 20));
  while (objects.chunkIds.outdatedCount > 0);
};
const arrive = (key: string) => {
  const { runs, measures } = results.get(key)!.result;
  objects.put(key, runs, measures);
  const mapping = objects.mappingOf(key)!;
  shown.add(key);
  edits.paint(results.get(key)!.box, paintIds(runs, mapping.ids), true);
  objects.chunkIds.arrived(key, mapping);
};

const started = performance.now();
await edits.add(log.operations);
console.log(
  `log of ${log.size} edits, no chunk there: ${(performance.now() - started).toFixed(0)} ms, ${results.size} chunks`,
);
replayed = 0;
const coming = performance.now();
let arrived = 0;
for (const key of results.keys()) {
  arrive(key);
  // Eight chunks, then the screen has its turn.
  if (++arrived % 8 === 0) await new Promise((resolve) => setTimeout(resolve, 60));
}
await quiet();
console.log(
  `${results.size} chunks come, ${objects.size} objects: replays ${replayed.toFixed(0)} ms of ${(performance.now() - coming).toFixed(0)} ms, ${conflicts} conflicts`,
);
let slowest = 0;
for (let kind = 8; kind < 19; kind += 2) {
  // Among what was looked at last.
  const operation = write(actionOn(cells - 40 - kind * 7, kind));
  written = 0;
  const begun = performance.now();
  await edits.add([operation]);
  const applied = performance.now() - begun;
  let total = applied;
  for (let seen = 0, quietFor = 0; quietFor < 20; ++quietFor) {
    await new Promise((resolve) => setTimeout(resolve, 2));
    if (written === seen) continue;
    seen = written;
    quietFor = 0;
    total = performance.now() - begun;
  }
  slowest = Math.max(slowest, total);
  console.log(
    `${operation.kind}: applied in ${applied.toFixed(1)} ms, ${written} chunks written, ${total.toFixed(1)} ms in all`,
  );
}
console.log(`slowest operation ${slowest.toFixed(0)} ms (limit 100 ms)`);
edits.dispose();
objects.dispose();
