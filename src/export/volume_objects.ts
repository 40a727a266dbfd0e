import { labelRuns, thresholdByte } from "../segmentation/label.js";
import { MAX_LABELS, runsOfLabels } from "../segmentation/label_runs.js";
import { ObjectGraph } from "../segmentation/object_graph.js";
import type { Connectivity, PlacedRuns } from "../segmentation/types.js";
import { boxSize, boxVolume } from "../volume/box.js";
import { copyBox } from "../volume/copy_box.js";
import { allocateVoxels } from "../volume/downsample.js";
import { type Box, type Vec3, VolumeError, type VolumeSource, type VoxelArray } from "../volume/types.js";
import type { OnProgress } from "./types.js";

/** What the values of a volume mean. */
export type VolumeKind =
  /** round(255 p): objects are connected components at the threshold. */
  | "probability"
  /** Foreground is what is not 0: objects are its connected components. */
  | "mask"
  /** Each value but 0 is an object, connected or not. */
  | "labels";

export interface VolumeObjectsOptions {
  readonly kind: VolumeKind;
  /** 0..1, for probabilities. */
  readonly threshold: number;
  /** Objects of fewer voxels are left out. */
  readonly minimumVoxels: number;
  readonly connectivity: Connectivity;
  /** Axis across which slices were cut: chunks are flat across it, as the viewer's are. */
  readonly sliceAxis: 0 | 1 | 2;
  readonly onProgress?: OnProgress;
  readonly signal?: AbortSignal;
}

export interface VolumeObject {
  /** Of a component: as the viewer with its own chunks of the same voxels gives it. Of a label: its value. */
  readonly id: number;
  readonly voxels: number;
  pieces(): PlacedRuns[];
}

/** Chunks of the viewer, so that ids are the same; `layers/mito/data_source.ts`. */
const CHUNK_PLANE = 256;
const CHUNK_SLICES = 8;
/** Slices read at once: stored chunks are thicker than the viewer's. */
const READ_SLICES = 64;
/** Runs and what joins them, about 16 bytes a run: Lucchi++ takes 20 MB. */
const MOST_BYTES = 4 * 2 ** 30;

/**
 * The objects of a whole volume, the finest scale of it, in the order of their ids. Voxels are read chunk by chunk and kept as runs, so
 * that the volume may be larger than memory.
 * @throws VolumeError that names the volume: wrong type, too many objects, not readable; the signal's reason.
 */
export async function volumeObjects(
  volume: VolumeSource,
  options: VolumeObjectsOptions,
): Promise<VolumeObject[]> {
  const { bounds } = volume.scales[0];
  const chunkSize = [0, 1, 2].map((axis) =>
    Math.min(axis === options.sliceAxis ? CHUNK_SLICES : CHUNK_PLANE, bounds.upper[axis]),
  ) as unknown as Vec3;
  const collect =
    options.kind === "labels" ? labelled(volume) : components(volume, bounds, chunkSize, options);
  const total = boxVolume(bounds);
  let done = 0;
  for (const box of blocks(bounds, chunkSize, options.sliceAxis)) {
    options.signal?.throwIfAborted();
    const voxels = await volume.read(0, box, { signal: options.signal });
    for (const part of blocks(box, chunkSize)) {
      collect.add(part, cut(voxels, box, part));
      done += boxVolume(part);
    }
    options.onProgress?.({ done, total, unit: "voxels" });
  }
  return collect.objects().filter(({ voxels }) => voxels >= options.minimumVoxels);
}

interface Collector {
  add(box: Box, voxels: VoxelArray): void;
  objects(): VolumeObject[];
}

/** The grid that starts at voxel 0, clipped at the bounds; `thick` boxes hold several chunks across that axis. */
function* blocks({ lower, upper }: Box, chunk: Vec3, thick?: 0 | 1 | 2): Generator<Box> {
  const size = chunk.map((length, axis) =>
    axis === thick ? length * Math.max(1, Math.floor(READ_SLICES / length)) : length,
  );
  const first = lower.map((l, axis) => Math.floor(l / size[axis]) * size[axis]);
  for (let z = first[2]; z < upper[2]; z += size[2])
    for (let y = first[1]; y < upper[1]; y += size[1])
      for (let x = first[0]; x < upper[0]; x += size[0]) {
        const at = [x, y, z];
        yield {
          lower: at.map((a, axis) => Math.max(a, lower[axis])) as unknown as Vec3,
          upper: at.map((a, axis) => Math.min(a + size[axis], upper[axis])) as unknown as Vec3,
        };
      }
}

function cut(voxels: VoxelArray, box: Box, part: Box): VoxelArray {
  const type =
    voxels instanceof BigUint64Array ? "uint64" : (`uint${8 * voxels.BYTES_PER_ELEMENT}` as "uint8");
  const from = part.lower.map((l, axis) => l - box.lower[axis]) as unknown as Vec3;
  const size = boxSize(part);
  return copyBox(voxels, boxSize(box), from, allocateVoxels(type, boxVolume(part)), size, [0, 0, 0]);
}

function components(
  { name, dataType }: VolumeSource,
  bounds: Box,
  chunkSize: Vec3,
  { kind, threshold, connectivity }: VolumeObjectsOptions,
): Collector {
  if (kind === "probability" && dataType !== "uint8")
    throw new VolumeError(name, `holds ${dataType} values; probabilities are uint8 (0..255): give --kind`);
  if (bounds.lower.some((l) => l < 0))
    throw new VolumeError(name, `begins at ${bounds.lower.join()}: objects need coordinates from 0 on`);
  const graph = new ObjectGraph({ connectivity, chunkSize, bounds, maximumBytes: Number.POSITIVE_INFINITY });
  const minimum = kind === "probability" ? thresholdByte(threshold) : 1;
  return {
    add(box, voxels) {
      const mask = voxels instanceof Uint8Array ? voxels : maskOf(voxels);
      const position = box.lower.map((l, axis) => Math.floor(l / chunkSize[axis])) as unknown as Vec3;
      const whole = graph.grid.boxOf(position);
      const size = boxSize(whole);
      // The grid starts at 0: in a region that does not, the first chunks have an empty margin.
      const at = box.lower.map((l, axis) => l - whole.lower[axis]) as unknown as Vec3;
      const padded = copyBox(mask, boxSize(box), [0, 0, 0], new Uint8Array(boxVolume(whole)), size, at);
      graph.put(position, labelRuns(padded, size, minimum, connectivity));
      if (graph.byteLength > MOST_BYTES)
        throw new VolumeError(
          name,
          "has more objects than fit in memory: raise --threshold, or give a --region",
        );
    },
    objects: () =>
      Array.from(graph.objects(), ({ id, voxels }) => ({
        id,
        voxels,
        pieces: () => graph.piecesOf(id) ?? [],
      })).sort((a, b) => a.id - b.id),
  };
}

function maskOf(voxels: VoxelArray): Uint8Array {
  const mask = new Uint8Array(voxels.length);
  for (let i = 0; i < mask.length; ++i) mask[i] = Number(voxels[i]) === 0 ? 0 : 1;
  return mask;
}

/** Values as they are: pieces of each, chunk by chunk. */
function labelled({ name }: VolumeSource): Collector {
  const found = new Map<number, { voxels: number; pieces: PlacedRuns[] }>();
  let runBytes = 0;
  return {
    add(box, voxels) {
      const { runs, values } = runsOfLabels(voxels, boxSize(box));
      checkLabels(name, values);
      runBytes += 8 * runs.starts.length;
      if (runBytes > MOST_BYTES)
        throw new VolumeError(name, "has more objects than fit in memory: give a --region");
      const sizes = new Float64Array(values.length + 1);
      runs.labels.forEach((label, run) => {
        sizes[label] += runs.ends[run] - runs.starts[run];
      });
      values.forEach((value, i) => {
        const label = i + 1;
        const object = found.get(value) ?? { voxels: 0, pieces: [] };
        object.voxels += sizes[label];
        object.pieces.push({ lower: box.lower, runs, labels: [label] });
        found.set(value, object);
      });
    },
    objects: () =>
      Array.from(found, ([id, { voxels, pieces }]) => ({ id, voxels, pieces: () => pieces })).sort(
        (a, b) => a.id - b.id,
      ),
  };
}

/** @throws VolumeError when the values are no labels that a table can hold. */
function checkLabels(name: string, values: readonly number[]): void {
  const large = values.find((value) => !Number.isSafeInteger(value));
  if (large !== undefined || values.length > MAX_LABELS)
    throw new VolumeError(
      name,
      large !== undefined
        ? `holds label ${large}; labels from 2^53 on cannot be told apart in a table: relabel it`
        : "has more than a million labels in one chunk: it does not hold labels",
    );
}
