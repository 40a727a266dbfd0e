import { labelMask } from "../segmentation/label.js";
import { RunLabeller } from "../segmentation/runs.js";
import { boxSize, contains, isEmpty } from "../volume/box.js";
import { type Box, type Vec3, VolumeError, type VolumeSource, type VoxelArray } from "../volume/types.js";
import { RegionMeter, type SliceAxis } from "./regions.js";
import { SummaryBuilder, summarise } from "./summary.js";
import type { MorphologyPrior, MorphologySummary } from "./types.js";

/** Chunk of the viewer (columns, rows, slices), the default of `PriorOptions.chunk`. */
const VIEWER_CHUNK: Vec3 = [256, 256, 8];
/** Voxels read at once from a volume. */
const SLAB_VOXELS = 2 ** 25;

export interface PriorOptions {
  /** nm (x, y, z) of the pixels that are measured. */
  readonly voxelSize: Vec3;
  /** Data set and split, as the prior should name it. */
  readonly source: string;
  /** A pixel is foreground when its value is at least this: 1 for masks and labels, 128 for fractions 0..255. */
  readonly foreground?: number;
  /** Chunk (columns, rows, slices) for `MorphologyPrior.chunks`. */
  readonly chunk?: Vec3;
}

/**
 * Measures ground truth slice by slice: once as a whole stack by the paper's definition, once chunk by chunk.
 * Memory: 16 bytes for each run of foreground (5 MB for Lucchi++ train, 130 M voxels), and the slices of one chunk.
 */
export class PriorMeter {
  private readonly stack = new RunLabeller();
  private readonly chunks = new SummaryBuilder();
  private readonly chunk: Vec3;
  private readonly minimum: number;
  private readonly slab: Uint8Array[] = [];

  constructor(
    readonly width: number,
    readonly height: number,
    private readonly options: PriorOptions,
  ) {
    this.chunk = options.chunk ?? VIEWER_CHUNK;
    this.minimum = options.foreground ?? 1;
    if (!this.chunk.every((extent) => Number.isInteger(extent) && extent > 0)) {
      throw new RangeError(`a chunk of ${this.chunk.join(" x ")} cannot be measured`);
    }
    this.stack.begin(width, height, 26);
  }

  /** Adds the next slice, row-major; it is copied. */
  add(slice: Uint8Array): void {
    this.stack.addSlice(slice, this.minimum);
    this.slab.push(slice.slice());
    if (this.slab.length === this.chunk[2]) this.measureSlab();
  }

  result(): MorphologyPrior {
    if (this.slab.length > 0) this.measureSlab();
    const { voxelSize, source } = this.options;
    return {
      ...summariseStack(this.stack),
      voxelSize,
      source,
      chunks: { size: this.chunk, summary: this.chunks.result() },
    };
  }

  private measureSlab(): void {
    const { width, height, slab, chunk, minimum } = this;
    for (let top = 0; top < height; top += chunk[1]) {
      for (let left = 0; left < width; left += chunk[0]) {
        const size: Vec3 = [Math.min(chunk[0], width - left), Math.min(chunk[1], height - top), slab.length];
        const mask = new Uint8Array(size[0] * size[1] * size[2]);
        let at = 0;
        for (const slice of slab) {
          for (let y = top; y < top + size[1]; ++y) {
            for (let x = left; x < left + size[0]; ++x) mask[at++] = slice[y * width + x] >= minimum ? 1 : 0;
          }
        }
        this.chunks.addSummary(summarise(labelMask(mask, size), { sliceAxis: 2 }), mask.length);
      }
    }
    slab.length = 0;
  }
}

/** Prior of slices in memory (row-major, width x height each). */
export function measurePrior(
  slices: Iterable<Uint8Array>,
  width: number,
  height: number,
  options: PriorOptions,
): MorphologyPrior {
  const meter = new PriorMeter(width, height, options);
  for (const slice of slices) meter.add(slice);
  return meter.result();
}

/** Morphology of a whole stack that was handed to a labeller slice by slice; ends the stack. */
export function summariseStack(stack: RunLabeller): MorphologySummary {
  stack.finish();
  const builder = new SummaryBuilder();
  const meter = new RegionMeter(stack.count);
  const sliceArea = stack.width * stack.height;
  for (let z = 0; z < stack.depth; ++z) {
    stack.visitSlice(z, (label, row, start, end) => meter.add(label, row, start, end));
    meter.finish(z, (region) => builder.addRegion(region, sliceArea));
  }
  builder.addBox(stack.count, stack.foreground, sliceArea * stack.depth);
  return builder.result();
}

export interface VolumePriorOptions {
  readonly source: string;
  readonly scale?: number;
  /** Part to measure, in voxels of the scale; the whole volume when absent. */
  readonly box?: Box;
  /** Slices are taken across this axis (z). */
  readonly sliceAxis?: SliceAxis;
  /** Whole factors (columns, rows) by which slices are reduced first: a pixel is foreground when half of it is. */
  readonly factor?: readonly [number, number];
  /** Label values that are not foreground (Kasthuri++ marks "outside the tissue" with 2). */
  readonly ignore?: readonly number[];
  readonly chunk?: Vec3;
  readonly signal?: AbortSignal;
}

/**
 * Prior of a mask or label volume; every label but 0 and `ignore` is foreground, and objects are its 26-connected
 * components, whatever the labels say: predictions are taken apart in the same way.
 * @throws VolumeError when the volume cannot be read or the box leaves it; DOMException AbortError.
 */
export async function priorOf(labels: VolumeSource, options: VolumePriorOptions): Promise<MorphologyPrior> {
  const { source, sliceAxis = 2, factor = [1, 1], chunk, signal } = options;
  const index = options.scale ?? 0;
  const scale = labels.scales[index];
  if (scale === undefined) throw new VolumeError(labels.name, `there is no scale ${index}`);
  const box = options.box ?? scale.bounds;
  if (isEmpty(box) || !contains(scale.bounds, box)) {
    throw new VolumeError(labels.name, `the box ${box.lower} to ${box.upper} is not in the volume`);
  }
  if (!factor.every((value) => Number.isInteger(value) && value > 0)) {
    throw new RangeError(`slices cannot be reduced by ${factor.join(" x ")}`);
  }
  const [columns, rows] = ([0, 1, 2] as const).filter((axis) => axis !== sliceAxis);
  const size = boxSize(box);
  const width = Math.floor(size[columns] / factor[0]);
  const height = Math.floor(size[rows] / factor[1]);
  const voxelSize = scale.voxelSize.map(
    (nm, axis) => nm * (axis === columns ? factor[0] : axis === rows ? factor[1] : 1),
  ) as unknown as Vec3;
  const meter = new PriorMeter(width, height, { voxelSize, source, chunk });
  const ignored = new Set(options.ignore ?? []);
  const area = size[columns] * size[rows];
  const deep = Math.min(scale.chunkSize[sliceAxis], Math.max(1, Math.floor(SLAB_VOXELS / area)));
  const slice = new Uint8Array(width * height);
  for (let from = box.lower[sliceAxis]; from < box.upper[sliceAxis]; from += deep) {
    signal?.throwIfAborted();
    const to = Math.min(from + deep, box.upper[sliceAxis]);
    const slab: Box = {
      lower: box.lower.map((v, axis) => (axis === sliceAxis ? from : v)) as unknown as Vec3,
      upper: box.upper.map((v, axis) => (axis === sliceAxis ? to : v)) as unknown as Vec3,
    };
    const voxels = await labels.read(index, slab, { signal });
    const [sx, sy] = boxSize(slab);
    const strides = [1, sx, sx * sy];
    for (let at = 0; at < to - from; ++at) {
      reduce(voxels, at * strides[sliceAxis], strides[columns], strides[rows], factor, ignored, width, slice);
      meter.add(slice);
    }
  }
  return meter.result();
}

/** Foreground of one slice of `voxels`, reduced by `factor`: 1 where at least half of a block is foreground. */
export function reduce(
  voxels: VoxelArray,
  offset: number,
  columnStride: number,
  rowStride: number,
  factor: readonly [number, number],
  ignored: ReadonlySet<number>,
  width: number,
  out: Uint8Array,
): void {
  const half = (factor[0] * factor[1]) / 2;
  for (let at = 0; at < out.length; ++at) {
    const corner =
      offset + (at % width) * factor[0] * columnStride + Math.floor(at / width) * factor[1] * rowStride;
    let inside = 0;
    for (let j = 0; j < factor[1]; ++j) {
      for (let i = 0; i < factor[0]; ++i) {
        const value = Number(voxels[corner + i * columnStride + j * rowStride]);
        if (value !== 0 && !ignored.has(value)) ++inside;
      }
    }
    out[at] = inside >= half ? 1 : 0;
  }
}
