import type { DataSizes, Images, SourceSummary } from "../adaptation/types.js";
import { chooseGeometry } from "../inference/geometry.js";
import { modelShape } from "../inference/plan.js";
import { resampleImage, tapsToModel } from "../inference/resample.js";
import type { SourceStatistics } from "../model/types.js";
import { measurePrior } from "../morphology/prior.js";
import { loadSlices, type Slices, splitSlices } from "../training/slices.js";
import { measureSource } from "../training/source_statistics.js";
import { boxVolume } from "../volume/box.js";
import { type Box, type Vec3, VolumeError, type VolumeSource } from "../volume/types.js";
import type { DataSet } from "./datasets.js";

/** A label fraction of half a pixel or more is foreground. */
const FOREGROUND = 128;
/** Most voxels of one part of a data set: EM and labels of it are in memory on the model's grid. */
const MOST_VOXELS = 8e9;

/** A labelled source on its model grid. */
export interface Source {
  readonly name: string;
  /** "Lucchi++ train, 165 slices" */
  readonly title: string;
  /** nm of a pixel of the grid, and the distance of the slices. */
  readonly voxelSize: Vec3;
  readonly window: readonly [number, number];
  readonly train: Slices;
  readonly validation: Slices;
  /** Histogram and morphology of all labelled slices, validation included, as a package carries them. */
  readonly summary: SourceSummary;
  readonly statistics: SourceStatistics;
}

/**
 * Reads the labelled half of a data set, averaged to its model grid; the last part of its slices is for validation, as in the
 * authors' Attention Y-Net and self-supervised code.
 * @throws VolumeError when it has no labels, no mitochondrion in them, or is too large.
 */
export async function loadSource(set: DataSet, validation: number, signal?: AbortSignal): Promise<Source> {
  const { em, labels, title } = set.train;
  if (!labels)
    throw new VolumeError(em.name, `data set ${set.name} has no labels to train on: it cannot be a source`);
  const [{ bounds }] = em.scales;
  checkVolume(em, bounds);
  const { factor, window, ignore, modelVoxelSize } = set;
  const all = await loadSlices(em, labels, { box: bounds, factor, window, ignore, signal });
  if (all.em.length < 2)
    throw new VolumeError(em.name, "has one slice: a source needs two, one to train on and one to validate");
  const { width, height } = all;
  const prior = measurePrior(all.labels, width, height, {
    voxelSize: modelVoxelSize,
    source: title,
    foreground: FOREGROUND,
  });
  if (prior.regions === 0)
    throw new VolumeError(
      labels.name,
      "holds no mitochondrion of more than 10 px: there is nothing to learn from it",
    );
  const statistics = measureSource(all);
  const { histogram, regions } = statistics;
  return {
    name: set.name,
    title,
    voxelSize: modelVoxelSize,
    window,
    ...splitSlices(all, validation),
    summary: { histogram, prior, ...(regions && { regions }) },
    statistics,
  };
}

function checkVolume(em: VolumeSource, box: Box): void {
  if (boxVolume(box) > MOST_VOXELS)
    throw new VolumeError(
      em.name,
      `${boxVolume(box)} voxels are too many to train on at once: give a region`,
    );
}

/**
 * The unlabelled EM of a target on the grid on which a model of `modelVoxelSize` will see it: resampled exactly as inference does.
 */
export async function loadImages(
  em: VolumeSource,
  modelVoxelSize: Vec3,
  window: readonly [number, number],
  signal?: AbortSignal,
): Promise<Images> {
  const geometry = chooseGeometry(em.scales, modelVoxelSize);
  const { bounds, sliceAxis, planeAxes, ratio, scale } = geometry;
  checkVolume(em, bounds);
  const [width, height] = modelShape(geometry);
  const length = (axis: number) => bounds.upper[axis] - bounds.lower[axis];
  const columns = tapsToModel(0, width, length(planeAxes[0]), ratio[0]);
  const rows = tapsToModel(0, height, length(planeAxes[1]), ratio[1]);
  const [low, high] = window;
  const images: Uint8Array[] = [];
  for (let slice = bounds.lower[sliceAxis]; slice < bounds.upper[sliceAxis]; slice++) {
    const at = (corner: Vec3, value: number) =>
      corner.map((v, axis) => (axis === sliceAxis ? value : v)) as unknown as Vec3;
    const box: Box = { lower: at(bounds.lower, slice), upper: at(bounds.upper, slice + 1) };
    const data = (await em.read(scale, box, { signal })) as Uint8Array | Uint16Array;
    const strides = [1, length(0), length(0) * length(1)].map((stride, axis) =>
      // A slice is one voxel thick: what lies across it has no stride.
      sliceAxis < axis ? stride / length(sliceAxis) : stride,
    );
    const image = resampleImage(
      { data, offset: 0, columnStride: strides[planeAxes[0]], rowStride: strides[planeAxes[1]] },
      columns,
      rows,
      [0, 0],
    );
    images.push(
      Uint8Array.from(image, (value) =>
        Math.round(Math.min(1, Math.max(0, (value - low) / (high - low))) * 255),
      ),
    );
  }
  return { width, height, em: images };
}

/** What turns the authors' epochs into steps. */
export function dataSizes(source: Source, target: readonly Images[]): DataSizes {
  const [first] = target;
  return {
    sourceSlices: source.train.em.length,
    sourceSize: [source.train.width, source.train.height],
    targetSlices: target.reduce((sum, stack) => sum + stack.em.length, 0),
    targetSize: [first.width, first.height],
  };
}
