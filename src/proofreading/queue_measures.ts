import { FARTHEST } from "../morphology/distribution.js";
import { type Region, RegionMeter, SMALLEST_AREA, solidity } from "../morphology/regions.js";
import type { QuantityDistribution, RegionDistribution } from "../morphology/types.js";
import { thresholdByte } from "../segmentation/label.js";
import { RunLabeller } from "../segmentation/runs.js";
import { boxSize, boxVolume, intersect, isEmpty } from "../volume/box.js";
import type { Box, Vec3 } from "../volume/types.js";
import type { QueueMetric, QueuePlace } from "./queue.js";
import type { PredictionView, VoxelSet } from "./types.js";
import { checkBox, fromPlaced, hasVoxel, visitRuns } from "./voxel_set.js";

export interface QueueSources {
  readonly view: PredictionView;
  /** Probability of another strategy, round(255 p), for "disagreement". */
  readonly second?: (box: Box) => Promise<Uint8Array>;
  /** The source's regions and the area of a voxel's section in pixels of its grid, for "prior". */
  readonly prior?: { readonly distribution: RegionDistribution; readonly pixelRatio: number };
  /** Objects are near to each other when not more than this many voxels are between them. */
  readonly gap?: number;
  readonly signal?: AbortSignal;
}

const GAP = 4;

/** Measures predicted objects for the queue. @throws BoxTooLargeError, AbortError, and what reading probabilities throws. */
export async function objectPlaces(sources: QueueSources, ids: Iterable<number>): Promise<QueuePlace[]> {
  const places: QueuePlace[] = [];
  for (const id of ids) {
    sources.signal?.throwIfAborted();
    const set = fromPlaced(sources.view.runsOf(id));
    if (set.count > 0) places.push(await objectPlace(sources, id, set));
  }
  return places;
}

async function objectPlace(sources: QueueSources, id: number, set: VoxelSet): Promise<QueuePlace> {
  const { view, second, prior, gap = GAP } = sources;
  const { box } = set;
  checkBox(box);
  const threshold = view.settings.threshold * 255;
  const probability = await view.probability(box);
  const other = await second?.(box);
  const minimum = thresholdByte(view.settings.threshold);
  const size = boxSize(box);
  let margin = 0;
  let border = 0;
  let borderVoxels = 0;
  let differs = 0;
  visitRuns(set, box, (start, end, y, z) => {
    const row = size[0] * (y - box.lower[1] + size[1] * (z - box.lower[2])) - box.lower[0];
    for (let x = start; x < end; ++x) {
      const away = Math.abs(probability[row + x] - threshold);
      margin += away;
      if (other !== undefined && other[row + x] < minimum) ++differs;
      const edge =
        x === start || x === end - 1 || !hasVoxel(set, [x, y - 1, z]) || !hasVoxel(set, [x, y + 1, z]);
      if (!edge) continue;
      border += away;
      ++borderVoxels;
    }
  });
  return {
    key: `object ${id}`,
    kind: "object",
    object: id,
    anchor: middleVoxel(set),
    box,
    metrics: {
      size: set.count,
      margin: margin / set.count / 255,
      border: border / borderVoxels / 255,
      touching: nearObjects(view, id, set, gap),
      ...(other !== undefined && { disagreement: differs / set.count }),
      ...(prior !== undefined && { prior: priorDistance(set, prior.distribution, prior.pixelRatio) }),
    },
  };
}

/** A voxel of a set near to its middle: the middle of the longest run in its middle section. */
export function middleVoxel({ runs, box }: VoxelSet): Vec3 {
  const section = Math.floor((box.lower[2] + box.upper[2] - 1) / 2);
  let best = 0;
  let bestRank = -Infinity;
  for (let i = 0; i < runs.length; i += 4) {
    const rank = -1e7 * Math.abs(runs[i] - section) + (runs[i + 3] - runs[i + 2]);
    if (rank <= bestRank) continue;
    bestRank = rank;
    best = i;
  }
  return [Math.floor((runs[best + 2] + runs[best + 3] - 1) / 2), runs[best + 1], runs[best]];
}

/** Objects with a voxel at most `gap` voxels beyond one of the set, along the rows and columns of its section. */
function nearObjects(view: PredictionView, id: number, set: VoxelSet, gap: number): number {
  const { lower, upper } = set.box;
  const around: Box = {
    lower: [lower[0] - gap, lower[1] - gap, lower[2]],
    upper: [upper[0] + gap, upper[1] + gap, upper[2]],
  };
  let near = 0;
  for (const other of view.objectsIn(around)) {
    if (other === id) continue;
    let touches = false;
    visitRuns(fromPlaced(view.runsOf(other)), around, (start, end, y, z) => {
      if (touches) return;
      const rows: Box = { lower: [start - gap, y - gap, z], upper: [end + gap, y + gap + 1, z + 1] };
      visitRuns(set, rows, () => {
        touches = true;
      });
    });
    if (touches) ++near;
  }
  return near;
}

/**
 * How unlike the source's regions an object's are: for solidity, logarithm of area and eccentricity the mean distance of a region's value from those
 * of the source (the Wasserstein distance of a single value), in units of the source's spread, at most `FARTHEST`; the mean over all. Regions of at most
 * `SMALLEST_AREA` pixels are the farthest there is. Sections are across z.
 * @param pixelRatio area of a pixel in pixels of the source's grid.
 */
export function priorDistance(set: VoxelSet, source: RegionDistribution, pixelRatio: number): number {
  const meter = new RegionMeter(1);
  let sum = 0;
  let regions = 0;
  const add = (region: Region) => {
    ++regions;
    if (region.area <= SMALLEST_AREA) sum += FARTHEST;
    else
      sum +=
        (fromValues(solidity(region), source.solidity) +
          fromValues(Math.log(region.area * pixelRatio), source.logArea) +
          fromValues(region.eccentricity, source.eccentricity)) /
        3;
  };
  let section = set.box.lower[2];
  visitRuns(set, set.box, (start, end, y, z) => {
    if (z !== section) meter.finish(section, add);
    section = z;
    meter.add(1, y - set.box.lower[1], start - set.box.lower[0], end - set.box.lower[0]);
  });
  meter.finish(section, add);
  return sum / regions;
}

function fromValues(value: number, { quantiles, spread }: QuantityDistribution): number {
  const mean = quantiles.reduce((sum, other) => sum + Math.abs(other - value), 0) / quantiles.length;
  return Math.min(FARTHEST, mean / spread);
}

export interface MissedOptions {
  /** Probability from which on it counts as raised, below the view's threshold; default: a quarter of it. */
  readonly raised?: number;
  /** Fewer voxels are no place. */
  readonly minimumVoxels?: number;
}

/**
 * Where objects may have been missed: connected regions of raised probability without a voxel that reaches the threshold. "missed" is their
 * probability, summed over the voxels; "size" the number of these.
 * @throws BoxTooLargeError for a box of more voxels than fit into memory; what reading probabilities throws.
 */
export async function missedPlaces(
  view: PredictionView,
  box: Box,
  { raised = view.settings.threshold / 4, minimumVoxels = 50 }: MissedOptions = {},
): Promise<QueuePlace[]> {
  checkBox(box);
  const probability = await view.probability(box);
  const [width, height, depth] = boxSize(box);
  const minimum = thresholdByte(view.settings.threshold);
  const labeller = new RunLabeller();
  labeller.begin(width, height, view.settings.connectivity);
  for (let z = 0; z < depth; ++z)
    labeller.addSlice(probability, Math.max(1, thresholdByte(raised)), z * width * height);
  labeller.finish(minimumVoxels);
  const found = Array.from({ length: labeller.count + 1 }, () => ({
    seen: false,
    mass: 0,
    voxels: 0,
    highest: -1,
    anchor: box.lower as Vec3,
    lower: [Infinity, Infinity, Infinity] as [number, number, number],
    upper: [-Infinity, -Infinity, -Infinity] as [number, number, number],
  }));
  const { lower } = box;
  for (let z = 0; z < depth; ++z) {
    labeller.visitSlice(z, (label, y, start, end) => {
      const region = found[label];
      const row = width * (y + height * z);
      for (let x = start; x < end; ++x) {
        const value = probability[row + x];
        region.mass += value;
        if (value >= minimum) region.seen = true;
        if (value <= region.highest) continue;
        region.highest = value;
        region.anchor = [lower[0] + x, lower[1] + y, lower[2] + z];
      }
      region.voxels += end - start;
      stretch(region, [lower[0] + start, lower[1] + y, lower[2] + z], end - start);
    });
  }
  return found
    .filter(({ seen, voxels }) => !seen && voxels > 0)
    .map(({ mass, voxels, anchor, lower, upper }) => ({
      key: `missed ${anchor.join(" ")}`,
      kind: "missed" as const,
      anchor,
      box: { lower, upper },
      metrics: { missed: mass / 255, size: voxels },
    }));
}

function stretch(
  region: { lower: [number, number, number]; upper: [number, number, number] },
  at: Vec3,
  length: number,
): void {
  for (let i = 0; i < 3; ++i) {
    region.lower[i] = Math.min(region.lower[i], at[i]);
    region.upper[i] = Math.max(region.upper[i], at[i] + (i === 0 ? length : 1));
  }
}

/**
 * Chunks of the view's bounds: "size" their foreground voxels, "missed" the probability below the threshold, "margin" the mean distance of probability from
 * the threshold, "disagreement" the share of voxels that one of two calls foreground and the other does not.
 */
export async function chunkPlaces(
  { view, second, signal }: QueueSources,
  chunk: Vec3,
): Promise<QueuePlace[]> {
  const places: QueuePlace[] = [];
  const minimum = thresholdByte(view.settings.threshold);
  const { lower, upper } = view.bounds;
  for (let z = lower[2]; z < upper[2]; z += chunk[2])
    for (let y = lower[1]; y < upper[1]; y += chunk[1])
      for (let x = lower[0]; x < upper[0]; x += chunk[0]) {
        signal?.throwIfAborted();
        const box = intersect(
          { lower: [x, y, z], upper: [x + chunk[0], y + chunk[1], z + chunk[2]] },
          view.bounds,
        );
        if (isEmpty(box)) continue;
        const probability = await view.probability(box);
        const other = await second?.(box);
        places.push({
          key: `chunk ${box.lower.join(" ")}`,
          kind: "chunk",
          anchor: middleOf(box),
          box,
          metrics: chunkMetrics(probability, other, minimum, view.settings.threshold * 255, boxVolume(box)),
        });
      }
  return places;
}

function chunkMetrics(
  probability: Uint8Array,
  other: Uint8Array | undefined,
  minimum: number,
  threshold: number,
  voxels: number,
): Partial<Record<QueueMetric, number>> {
  let size = 0;
  let missed = 0;
  let margin = 0;
  let differ = 0;
  for (let i = 0; i < voxels; ++i) {
    const value = probability[i];
    if (value >= minimum) ++size;
    else missed += value;
    margin += Math.abs(value - threshold);
    if (other !== undefined && other[i] >= minimum !== value >= minimum) ++differ;
  }
  return {
    size,
    missed: missed / 255,
    margin: margin / voxels / 255,
    ...(other !== undefined && { disagreement: differ / voxels }),
  };
}

function middleOf({ lower, upper }: Box): Vec3 {
  const middle = (i: number) => Math.floor((lower[i] + upper[i]) / 2);
  return [middle(0), middle(1), middle(2)];
}
