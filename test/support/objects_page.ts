import type { Page } from "playwright-core";
import type { Counters } from "../../layers/mito/protocol.js";
import { ChunkGrid } from "../../src/segmentation/chunk_grid.js";
import { exportRuns, paintRuns } from "../../src/segmentation/label_runs.js";
import { RunLabeller } from "../../src/segmentation/runs.js";
import { boxSize, boxVolume } from "../../src/volume/box.js";
import { decodeCompressedSegmentation } from "../../src/volume/compressed_segmentation.js";
import type { Box, Vec3 } from "../../src/volume/types.js";

/** A volume's ids, x fastest. */
export type Ids = Float64Array;

function label(mask: Uint8Array, size: Vec3) {
  const labeller = new RunLabeller();
  labeller.begin(size[0], size[1], 26);
  for (let z = 0; z < size[2]; z++) labeller.addSlice(mask, 1, z * size[0] * size[1]);
  labeller.finish();
  const runs = exportRuns(labeller);
  const labels = new Uint32Array(mask.length);
  paintRuns(runs, labels);
  return { labels, count: runs.count };
}

/** Copies between a volume and the part of it that a box is. */
export function copyBox(
  volume: { [index: number]: number },
  size: Vec3,
  { lower, upper }: Box,
  part: { [index: number]: number },
  into: "volume" | "part",
): void {
  const [sx, sy] = size;
  let at = 0;
  for (let z = lower[2]; z < upper[2]; z++)
    for (let y = lower[1]; y < upper[1]; y++)
      for (let x = lower[0]; x < upper[0]; x++, at++) {
        const i = x + sx * (y + sy * z);
        if (into === "volume") volume[i] = part[at];
        else part[at] = volume[i];
      }
}

/**
 * What the viewer should show of a volume whose chunks are all there: the objects of one labelling of the whole, each with the smallest
 * of the ids that its pieces have when each chunk is labelled by itself; without those of fewer than `minimumVoxels` voxels.
 */
export function expectedIds(
  probability: Uint8Array,
  size: Vec3,
  chunkSize: Vec3,
  { threshold, minimumVoxels }: { threshold: number; minimumVoxels: number },
): { ids: Ids; voxels: Map<number, number>; crossing: number } {
  const mask = probability.map((p) => (p / 255 >= threshold ? 1 : 0));
  const whole = label(mask, size);
  const smallest = new Float64Array(whole.count + 1).fill(Number.POSITIVE_INFINITY);
  const counts = new Float64Array(whole.count + 1);
  const chunksOf = Array.from({ length: whole.count + 1 }, () => new Set<number>());
  const grid = new ChunkGrid(chunkSize, { lower: [0, 0, 0], upper: size });
  for (let index = 0; index < grid.end[0] * grid.end[1] * grid.end[2]; index++) {
    const box = grid.boxOf(grid.positionOf(index));
    const part = new Uint8Array(boxVolume(box));
    copyBox(mask, size, box, part, "part");
    const own = new Float64Array(part.length);
    copyBox(whole.labels, size, box, own, "part");
    const { labels } = label(part, boxSize(box));
    labels.forEach((piece, i) => {
      if (piece === 0) return;
      smallest[own[i]] = Math.min(smallest[own[i]], index * 2 ** 20 + piece);
      counts[own[i]]++;
      chunksOf[own[i]].add(index);
    });
  }
  const voxels = new Map<number, number>();
  for (let object = 1; object <= whole.count; object++) {
    if (counts[object] < minimumVoxels) smallest[object] = 0;
    else voxels.set(smallest[object], counts[object]);
  }
  smallest[0] = 0;
  const ids = Float64Array.from(whole.labels, (object) => smallest[object]);
  const crossing = chunksOf.filter(({ size: chunks }, object) => chunks > 1 && smallest[object] > 0).length;
  return { ids, voxels, crossing };
}

interface MitoPage {
  mito: {
    segmentation: { getSources(options: object): { chunkSource: Source }[][] };
  };
  segmentationSource?: Source;
}
interface Source {
  spec: { compressedSegmentationBlockSize?: ArrayLike<number> };
  fetchChunk<T>(
    grid: Float32Array,
    read: (chunk: { data: Uint32Array | null }) => T,
    options: object,
  ): Promise<T>;
}

/** The ids that a chunk of the page holds now, whether in view or not; asking for it has it computed. */
export async function chunkIds(page: Page, position: Vec3, box: Box): Promise<Float64Array> {
  const { text, block } = await page.evaluate(
    async (grid) => {
      const global = globalThis as unknown as MitoPage;
      // Kept as long as the page: the layer would not be asked for chunks of a source that is disposed of.
      global.segmentationSource ??= global.mito.segmentation.getSources({
        displayRank: 3,
        multiscaleToViewTransform: Float32Array.of(1, 0, 0, 0, 1, 0, 0, 0, 1),
        modelChannelDimensionIndices: [],
      })[0][0].chunkSource;
      const source = global.segmentationSource;
      const text = await source.fetchChunk(
        Float32Array.from(grid),
        ({ data }) => {
          if (data === null) return "";
          const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
          let binary = "";
          for (let i = 0; i < bytes.length; i += 4096)
            binary += String.fromCharCode(...bytes.subarray(i, i + 4096));
          return btoa(binary);
        },
        {},
      );
      return { text, block: Array.from(source.spec.compressedSegmentationBlockSize ?? []) };
    },
    position as unknown as number[],
  );
  const out = new Float64Array(boxVolume(box));
  if (text === "") return out;
  const decoded = decodeCompressedSegmentation(
    new Uint32Array(Uint8Array.from(Buffer.from(text, "base64")).buffer),
    boxSize(box),
    block as unknown as Vec3,
    "uint64",
  );
  decoded.forEach((id: bigint | number, i: number) => {
    out[i] = Number(id);
  });
  return out;
}

/** The ids of a whole volume, chunk by chunk in the order given. */
export async function volumeIds(
  page: Page,
  size: Vec3,
  chunkSize: Vec3,
  order: readonly Vec3[],
): Promise<Ids> {
  const grid = new ChunkGrid(chunkSize, { lower: [0, 0, 0], upper: size });
  const ids = new Float64Array(size[0] * size[1] * size[2]);
  for (const position of order) {
    const box = grid.boxOf(position);
    copyBox(ids, size, box, await chunkIds(page, position, box), "volume");
  }
  return ids;
}

/** All positions of a grid, shuffled by a number of the test's own. */
export function shuffledPositions(size: Vec3, chunkSize: Vec3, seed: number): Vec3[] {
  const grid = new ChunkGrid(chunkSize, { lower: [0, 0, 0], upper: size });
  const positions = Array.from({ length: grid.end[0] * grid.end[1] * grid.end[2] }, (_, i) =>
    grid.positionOf(i),
  );
  let state = seed;
  for (let i = positions.length - 1; i > 0; i--) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const j = Math.floor((state / 2 ** 32) * (i + 1));
    [positions[i], positions[j]] = [positions[j], positions[i]];
  }
  return positions;
}

/** Waits until no chunk shows ids of before and no link is left. */
export async function settled(page: Page, timeout = 120_000): Promise<Counters> {
  const deadline = Date.now() + timeout;
  let quiet = 0;
  for (;;) {
    const counters = await page.evaluate(() =>
      (globalThis as unknown as { chondria: { counters(): Promise<Counters> } }).chondria.counters(),
    );
    quiet = counters.outdated === 0 && counters.links === 0 && counters.waiting === 0 ? quiet + 1 : 0;
    // Longer than ids wait for others to be told with them.
    if (quiet === 3) return counters;
    if (Date.now() > deadline)
      throw new Error(`not settled after ${timeout / 1000} s: ${JSON.stringify(counters)}`);
    await page.waitForTimeout(400);
  }
}

/** Leaves Neuroglancer room for so many bytes of chunks: others are dropped, and made again when they are asked for. */
export async function limitMemory(page: Page, bytes: number): Promise<void> {
  await page.evaluate((limit) => {
    const { viewer } = globalThis as unknown as {
      viewer: {
        chunkManager: {
          chunkQueueManager: { capacities: Record<string, { sizeLimit: { value: number } }> };
        };
      };
    };
    const { systemMemory, gpuMemory } = viewer.chunkManager.chunkQueueManager.capacities;
    systemMemory.sizeLimit.value = limit;
    gpuMemory.sizeLimit.value = limit;
  }, bytes);
}

/** Voxels that differ, and some of them, to be read when a test fails. */
export function differences(got: Ids, wanted: Ids): { count: number; first: [number, number, number][] } {
  const first: [number, number, number][] = [];
  let count = 0;
  got.forEach((id, i) => {
    if (id === wanted[i]) return;
    if (++count <= 5) first.push([i, id, wanted[i]]);
  });
  return { count, first };
}
