import { compareSlice, type ForegroundScores, foregroundScores, type Overlap } from "../evaluation/iou.js";
import { chooseGeometry } from "../inference/geometry.js";
import { predictBox } from "../inference/predict_box.js";
import { predictedVolume } from "../inference/predicted_volume.js";
import { createNetwork, MAX_TILE_PIXELS } from "../inference/predictor.js";
import type { BackendName, InferenceGeometry, TestTimeAugmentation } from "../inference/types.js";
import { distributionDistance } from "../morphology/distribution.js";
import { reduce } from "../morphology/prior.js";
import {
  meanAra,
  meanSolidity,
  measureTissue,
  RegionSampler,
  type Tissue,
} from "../morphology/region_sample.js";
import type { RegionDistribution, RegionSample } from "../morphology/types.js";
import { thresholdByte } from "../segmentation/label.js";
import { areaAverage } from "../training/resample.js";
import { boxSize, boxVolume } from "../volume/box.js";
import { cutRegion } from "../volume/region.js";
import { type Box, type Vec3, VolumeError, type VolumeSource, type VoxelArray } from "../volume/types.js";
import type { DataSet } from "./datasets.js";
import type { Snapshot } from "./snapshot.js";

export interface ScoringOptions {
  /** A voxel is foreground from this probability on. */
  readonly threshold: number;
  readonly tta: TestTimeAugmentation;
  readonly backend: BackendName;
  readonly signal?: AbortSignal;
}

/** Predictions on the grid on which morphology is measured, for pictures. */
export interface StoredPrediction {
  readonly width: number;
  readonly height: number;
  /** Mean probability of each pixel, 0..255; one array a slice. */
  readonly slices: readonly Uint8Array[];
}

export interface TargetScore {
  readonly sample: RegionSample;
  readonly solidity: number;
  readonly ara: number;
  readonly distribution: number | null;
  /** Against the labels; null where there are none. */
  readonly iou: ForegroundScores | null;
  readonly prediction: StoredPrediction;
  /** Pixels for which the network gave no number. */
  readonly nonFinite: number;
}

/** Most bytes of a target that are kept in memory to be scored again and again. */
const MOST_BYTES = 4e9;

/** Slices from..to of a box. */
export const withSlice = ({ lower, upper }: Box, from: number, to: number): Box => ({
  lower: [lower[0], lower[1], from],
  upper: [upper[0], upper[1], to],
});

/** Whatever is not 0 and not ignored. */
function foreground(voxels: VoxelArray, ignored: ReadonlySet<number>): Uint8Array {
  const mask = new Uint8Array(voxels.length);
  for (let i = 0; i < mask.length; i++) {
    const value = voxels[i];
    if (value && (ignored.size === 0 || !ignored.has(Number(value)))) mask[i] = 1;
  }
  return mask;
}

/** 1 where a value is at least `minimum`. */
export function atLeast(values: Uint8Array, minimum: number): Uint8Array {
  const mask = new Uint8Array(values.length);
  for (let i = 0; i < mask.length; i++) mask[i] = values[i] >= minimum ? 1 : 0;
  return mask;
}

/** 1 where a label is one of these. */
function only(voxels: VoxelArray, labels: ReadonlySet<number>): Uint8Array {
  const mask = new Uint8Array(voxels.length);
  for (let i = 0; i < mask.length; i++) mask[i] = labels.has(Number(voxels[i])) ? 1 : 0;
  return mask;
}

/**
 * The test volume of a target, held in memory (reading a phantom or decoding pictures takes longer than comparing them), and
 * what a model predicts of it. IoU is that of `chondria evaluate`: at the labels' resolution, per slice. Morphology is measured at
 * the whole multiple of the target's pixels nearest to the source's grid, as `evaluate` does, too.
 */
export class TargetScorer {
  private constructor(
    readonly box: Box,
    private readonly em: VolumeSource,
    private readonly slicesEm: readonly (Uint8Array | Uint16Array)[],
    private readonly truth: readonly Uint8Array[] | null,
    private readonly ignored: readonly Uint8Array[] | null,
    private readonly geometry: InferenceGeometry,
    private readonly window: readonly [number, number],
    private readonly outside: number | null,
    private readonly tissue: Tissue | undefined,
    /** Of the target's pixels in one of the grid's. */
    readonly factor: readonly [number, number],
    /** nm of a pixel of the grid. */
    readonly gridVoxelSize: Vec3,
    private readonly sourceVoxelSize: Vec3,
    private readonly source: RegionDistribution | null,
  ) {}

  /**
   * @param region part of the test volume that is scored.
   * @param sourceVoxelSize nm of the source's model grid.
   * @throws VolumeError when the part is too large for memory or cannot be read.
   */
  static async load(
    set: DataSet,
    region: Box,
    sourceVoxelSize: Vec3,
    source: RegionDistribution | null,
    signal?: AbortSignal,
  ): Promise<TargetScorer> {
    const { test, ignore, outside } = set;
    const em = cutRegion(test.em, region);
    const labels = test.labels && cutRegion(test.labels, region);
    const voxels = boxVolume(region);
    const bytes = voxels * (test.em.dataType === "uint8" ? 1 : 2) + (labels ? voxels : 0);
    if (bytes > MOST_BYTES)
      throw new VolumeError(
        em.name,
        `takes ${(bytes / 1e9).toFixed(1)} GB to be scored: give a smaller part in "scored"`,
      );
    // Only the finest scale is held in memory.
    const geometry = chooseGeometry(em.scales.slice(0, 1), sourceVoxelSize);
    if (geometry.sliceAxis !== 2)
      throw new VolumeError(em.name, "its slices do not lie across z: turn the volume before it is scored");
    const ignoring = new Set(ignore);
    const slicesEm: (Uint8Array | Uint16Array)[] = [];
    const truth: Uint8Array[] = [];
    const ignored: Uint8Array[] = [];
    for (let z = region.lower[2]; z < region.upper[2]; z++) {
      const slice = withSlice(region, z, z + 1);
      slicesEm.push((await em.read(0, slice, { signal })) as Uint8Array | Uint16Array);
      if (!labels) continue;
      const values = await labels.read(0, slice, { signal });
      truth.push(foreground(values, ignoring));
      if (ignoring.size > 0) ignored.push(only(values, ignoring));
    }
    const { voxelSize } = em.scales[0];
    const times = (axis: 0 | 1) => Math.max(1, Math.round(sourceVoxelSize[axis] / voxelSize[axis]));
    const factor = [times(0), times(1)] as const;
    const [width, height] = boxSize(region);
    const tissue =
      outside === null || slicesEm.length < 2
        ? undefined
        : measureTissue(
            slicesEm.map((slice) => {
              const tissue = new Uint8Array(slice.length);
              for (let i = 0; i < tissue.length; i++) tissue[i] = slice[i] === outside ? 0 : 1;
              const reduced = new Uint8Array(Math.floor(width / factor[0]) * Math.floor(height / factor[1]));
              reduce(tissue, 0, 1, width, factor, new Set(), Math.floor(width / factor[0]), reduced);
              return reduced;
            }),
          );
    return new TargetScorer(
      region,
      inMemory(em, slicesEm),
      slicesEm,
      labels ? truth : null,
      ignored.length > 0 ? ignored : null,
      geometry,
      set.window,
      outside,
      tissue,
      factor,
      [voxelSize[0] * factor[0], voxelSize[1] * factor[1], voxelSize[2]],
      sourceVoxelSize,
      source,
    );
  }

  /** Pixels of the grid, columns and rows. */
  get gridSize(): readonly [number, number] {
    const [width, height] = boxSize(this.box);
    return [Math.floor(width / this.factor[0]), Math.floor(height / this.factor[1])];
  }

  get slices(): number {
    return this.slicesEm.length;
  }

  /** Predicts and measures. @throws what the network throws; AbortError. */
  async score(
    snapshot: Omit<Snapshot, "files">,
    { threshold, tta, backend, signal }: ScoringOptions,
  ): Promise<TargetScore> {
    const { box, factor, truth, ignored } = this;
    const network = await createNetwork(snapshot, backend);
    try {
      const predicted = predictedVolume(this.em, {
        name: snapshot.id,
        geometry: this.geometry,
        field: snapshot.field,
        window: this.window,
        tta,
        predict: (request, options) =>
          predictBox(request, snapshot.field, network.run, {
            maxTilePixels: MAX_TILE_PIXELS,
            batch: 1,
            ...options,
          }),
      });
      const minimum = thresholdByte(threshold);
      const [width, height] = boxSize(box);
      const [w, h] = this.gridSize;
      const sampler = new RegionSampler(w, h, 1);
      const overlaps: (Overlap & { slice: number })[] = [];
      const stored: Uint8Array[] = [];
      const reduced = new Uint8Array(w * h);
      for (let i = 0; i < this.slices; i++) {
        signal?.throwIfAborted();
        const slice = withSlice(box, box.lower[2] + i, box.lower[2] + i + 1);
        const p = (await predicted.read(0, slice, { signal })) as Uint8Array;
        if (this.outside !== null)
          for (let j = 0; j < p.length; j++) if (this.slicesEm[i][j] === this.outside) p[j] = 0;
        const mask = atLeast(p, minimum);
        if (ignored) for (let j = 0; j < mask.length; j++) if (ignored[i][j]) mask[j] = 0;
        if (truth) overlaps.push({ slice: box.lower[2] + i, ...compareSlice(mask, truth[i], ignored?.[i]) });
        reduce(mask, 0, 1, width, factor, new Set(), w, reduced);
        sampler.add(reduced);
        stored.push(Uint8Array.from(areaAverage(p, width, height, factor[0], factor[1]).data, Math.round));
      }
      const sample = sampler.result();
      return {
        sample,
        solidity: meanSolidity(sample),
        ara: meanAra(sample, this.tissue),
        distribution: this.source && distributionDistance(sample, this.source, this.pixelRatio()).distance,
        iou: truth && foregroundScores(overlaps),
        prediction: { width: w, height: h, slices: stored },
        nonFinite: predicted.nonFinite(),
      };
    } finally {
      network.dispose();
    }
  }

  /** EM and labels on the grid of the stored predictions, for pictures. */
  picture(index: number): { width: number; height: number; em: Uint8Array; labels: Uint8Array | null } {
    const [width, height] = boxSize(this.box);
    const [low, high] = this.window;
    const average = (data: ArrayLike<number>) =>
      areaAverage(data, width, height, this.factor[0], this.factor[1]);
    const em = average(this.slicesEm[index]);
    return {
      width: em.width,
      height: em.height,
      em: Uint8Array.from(em.data, (v) =>
        Math.round(Math.min(1, Math.max(0, (v - low) / (high - low))) * 255),
      ),
      labels:
        this.truth && Uint8Array.from(average(this.truth[index]).data, (part) => Math.round(255 * part)),
    };
  }

  /** Area of a pixel that is measured in pixels of the source's grid. */
  private pixelRatio(): number {
    const { gridVoxelSize: grid, sourceVoxelSize: source } = this;
    return (grid[0] * grid[1]) / (source[0] * source[1]);
  }
}

/** The finest scale of a volume from its slices in memory. */
function inMemory(source: VolumeSource, slices: readonly (Uint8Array | Uint16Array)[]): VolumeSource {
  const [scale] = source.scales;
  const { lower } = scale.bounds;
  const [width] = boxSize(scale.bounds);
  return {
    name: source.name,
    dataType: source.dataType,
    scales: [scale],
    async read(_scale, box) {
      const out =
        source.dataType === "uint8" ? new Uint8Array(boxVolume(box)) : new Uint16Array(boxVolume(box));
      let at = 0;
      for (let z = box.lower[2]; z < box.upper[2]; z++)
        for (let y = box.lower[1]; y < box.upper[1]; y++) {
          const from = box.lower[0] - lower[0] + width * (y - lower[1]);
          const row = slices[z - lower[2]].subarray(from, from + box.upper[0] - box.lower[0]);
          out.set(row, at);
          at += row.length;
        }
      return out;
    },
  };
}
