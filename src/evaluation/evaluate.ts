import type { Axis } from "../inference/types.js";
import { PriorMeter, reduce } from "../morphology/prior.js";
import type { MorphologySummary } from "../morphology/types.js";
import { thresholdByte } from "../segmentation/label.js";
import { boxSize, boxVolume } from "../volume/box.js";
import { formatRegion } from "../volume/region.js";
import { type Box, type Vec3, VolumeError, type VolumeSource, type VoxelArray } from "../volume/types.js";
import { compareSlice, type ForegroundScores, foregroundScores, type Overlap } from "./iou.js";
import { onGrid } from "./on_grid.js";

export interface EvaluationOptions {
  /** A voxel is predicted foreground from this probability on, 0..1. */
  readonly threshold: number;
  /** Label values whose voxels count neither way (Kasthuri++ marks "outside the tissue" with 2). */
  readonly ignore: readonly number[];
  /** Slices are taken across this axis. */
  readonly sliceAxis: Axis;
  /**
   * Morphology is measured at the whole multiple of the labels' voxel size nearest to this (that of the model's prior, so
   * that like is compared with like).
   */
  readonly morphologyVoxelSize: Vec3;
  /** Voxels compared at once: bounds the memory. */
  readonly slabVoxels?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (slices: number, total: number) => void;
}

export interface EvaluationResult extends ForegroundScores {
  readonly morphology: {
    /** nm of the pixels that were measured. */
    readonly voxelSize: Vec3;
    readonly prediction: MorphologySummary;
    readonly labels: MorphologySummary;
  };
}

const SLAB_VOXELS = 2 ** 23;

/**
 * Compares predicted probabilities with labels at the labels' resolution, slab by slab. Foreground is every label but 0 and
 * the ignored ones.
 * @param probability Its first scale, uint8; where its voxels differ from the labels' it is interpolated.
 * @param labels Its first scale.
 * @throws VolumeError when a volume cannot be read; AbortError.
 */
export async function evaluatePrediction(
  probability: VolumeSource,
  labels: VolumeSource,
  options: EvaluationOptions,
): Promise<EvaluationResult> {
  const { sliceAxis, threshold, ignore, signal, onProgress } = options;
  const [scale] = labels.scales;
  const { bounds } = scale;
  const size = boxSize(bounds);
  const [columns, rows] = ([0, 1, 2] as const).filter((axis) => axis !== sliceAxis);
  const minimum = thresholdByte(threshold);
  const predicted = onGrid(probability, scale, sliceAxis);
  const ignored = new Set(ignore);
  const meters = new SliceMeters(
    size[columns],
    size[rows],
    sliceAxis,
    scale.voxelSize,
    options.morphologyVoxelSize,
  );
  const depth = Math.max(1, Math.floor((options.slabVoxels ?? SLAB_VOXELS) / (size[columns] * size[rows])));
  const overlaps: (Overlap & { slice: number })[] = [];
  for (let from = bounds.lower[sliceAxis]; from < bounds.upper[sliceAxis]; from += depth) {
    signal?.throwIfAborted();
    const slab = cut(bounds, sliceAxis, from, Math.min(from + depth, bounds.upper[sliceAxis]));
    const truth = await labels.read(0, slab, { signal });
    const p = await predicted.read(0, slab, { signal });
    for (let slice = from; slice < slab.upper[sliceAxis]; slice++) {
      const strided = strides(slab, sliceAxis, slice - from);
      const prediction = takeSlice(p, strided, (value) => value >= minimum);
      const foreground = takeSlice(truth, strided, (value) => value !== 0 && !ignored.has(value));
      const outside = ignored.size > 0 ? takeSlice(truth, strided, (value) => ignored.has(value)) : undefined;
      outside?.forEach((value, i) => {
        if (value) prediction[i] = 0;
      });
      overlaps.push({ slice, ...compareSlice(prediction, foreground, outside) });
      meters.add(prediction, foreground);
      onProgress?.(overlaps.length, size[sliceAxis]);
    }
  }
  return { ...foregroundScores(overlaps), morphology: meters.result() };
}

/** @throws VolumeError unless the labels are of the same voxels as the EM. */
export function checkLabels(em: VolumeSource, labels: VolumeSource): void {
  const [image] = em.scales;
  const [mask] = labels.scales;
  if (formatRegion(image.bounds) !== formatRegion(mask.bounds))
    throw new VolumeError(
      labels.name,
      `the labels cover ${formatRegion(mask.bounds)}, the EM ${formatRegion(image.bounds)}: they must be of the same voxels`,
    );
}

class SliceMeters {
  private readonly factor: readonly [number, number];
  private readonly width: number;
  private readonly prediction: PriorMeter;
  private readonly labels: PriorMeter;
  private readonly voxelSize: Vec3;
  private readonly reduced: Uint8Array;

  constructor(
    private readonly fullWidth: number,
    fullHeight: number,
    sliceAxis: Axis,
    voxelSize: Vec3,
    wanted: Vec3,
  ) {
    const [columns, rows] = ([0, 1, 2] as const).filter((axis) => axis !== sliceAxis);
    const times = (axis: number, plane: 0 | 1) => Math.max(1, Math.round(wanted[plane] / voxelSize[axis]));
    this.factor = [times(columns, 0), times(rows, 1)];
    this.width = Math.floor(fullWidth / this.factor[0]);
    const height = Math.floor(fullHeight / this.factor[1]);
    this.voxelSize = voxelSize.map(
      (nm, axis) => nm * (axis === columns ? this.factor[0] : axis === rows ? this.factor[1] : 1),
    ) as unknown as Vec3;
    const options = { voxelSize: this.voxelSize, source: "evaluation" };
    this.prediction = new PriorMeter(this.width, height, options);
    this.labels = new PriorMeter(this.width, height, options);
    this.reduced = new Uint8Array(this.width * height);
  }

  add(prediction: Uint8Array, labels: Uint8Array): void {
    const none = new Set<number>();
    for (const [meter, mask] of [
      [this.prediction, prediction],
      [this.labels, labels],
    ] as const) {
      reduce(mask, 0, 1, this.fullWidth, this.factor, none, this.width, this.reduced);
      meter.add(this.reduced);
    }
  }

  result(): EvaluationResult["morphology"] {
    const summary = (meter: PriorMeter): MorphologySummary => {
      const { voxelSize: _voxelSize, source: _source, chunks: _chunks, ...rest } = meter.result();
      return rest;
    };
    return { voxelSize: this.voxelSize, prediction: summary(this.prediction), labels: summary(this.labels) };
  }
}

function cut({ lower, upper }: Box, axis: Axis, from: number, to: number): Box {
  const at = (corner: Vec3, value: number) =>
    corner.map((v, i) => (i === axis ? value : v)) as unknown as Vec3;
  return { lower: at(lower, from), upper: at(upper, to) };
}

interface Strided {
  readonly offset: number;
  readonly columnStride: number;
  readonly rowStride: number;
  readonly width: number;
  readonly length: number;
}

function strides(slab: Box, sliceAxis: Axis, index: number): Strided {
  const size = boxSize(slab);
  const all = [1, size[0], size[0] * size[1]];
  const [columns, rows] = ([0, 1, 2] as const).filter((axis) => axis !== sliceAxis);
  return {
    offset: index * all[sliceAxis],
    columnStride: all[columns],
    rowStride: all[rows],
    width: size[columns],
    length: boxVolume(slab) / size[sliceAxis],
  };
}

/** One slice as a row-major mask. */
function takeSlice(
  voxels: VoxelArray,
  { offset, columnStride, rowStride, width, length }: Strided,
  test: (value: number) => boolean,
): Uint8Array {
  const mask = new Uint8Array(length);
  for (let i = 0, x = 0, row = offset; i < length; i++) {
    mask[i] = test(Number(voxels[row + x * columnStride])) ? 1 : 0;
    if (++x === width) {
      x = 0;
      row += rowStride;
    }
  }
  return mask;
}
