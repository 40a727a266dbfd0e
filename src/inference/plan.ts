import { contains, isEmpty } from "../volume/box.js";
import type { Box, Vec3 } from "../volume/types.js";
import { modelSize, type Taps, tapRange, tapsToModel, tapsToVoxels } from "./resample.js";
import type { InferenceGeometry, ReceptiveField } from "./types.js";

/** One plane axis of a prediction. Voxels and pixels are counted from the volume's lower bound. */
export interface AxisPlan {
  /** Model pixels that go through the network; both ends are multiples of the field's `multiple`, and may lie outside the volume. */
  readonly window: readonly [lower: number, upper: number];
  /** Model pixels of which the core is made: the part of the window that is wanted from the network. */
  readonly needed: readonly [lower: number, upper: number];
  /** Voxels that the window is made of. */
  readonly gather: readonly [lower: number, upper: number];
  /** From voxels to the pixels of the window. */
  readonly down: Taps;
  /** From model pixels to the voxels of the core. */
  readonly up: Taps;
}

/** What has to be read and computed for the probabilities of one box. */
export interface PredictionPlan {
  readonly core: Box;
  /** Voxels to read: exactly those that the prediction of `core` depends on, inside the volume's bounds. */
  readonly gather: Box;
  /** In the order of `geometry.planeAxes`: columns, rows. */
  readonly axes: readonly [AxisPlan, AxisPlan];
}

function planAxis(
  from: number,
  to: number,
  length: number,
  ratio: number,
  { halo, multiple }: ReceptiveField,
): AxisPlan {
  const up = tapsToVoxels(from, to, length, ratio);
  const [first, end] = tapRange(up);
  const window = [
    Math.floor((first - halo) / multiple) * multiple,
    Math.ceil((end + halo) / multiple) * multiple,
  ] as const;
  const down = tapsToModel(window[0], window[1], length, ratio);
  return { window, needed: [first, end], gather: tapRange(down), down, up };
}

/**
 * Plans the prediction of the box `core`. The window of the network reaches `halo` pixels beyond what the core needs, so that
 * its zero padding at the window's border touches no pixel of the core, and starts on the pooling grid of the whole volume:
 * every core gets the values that the whole slice would give it.
 * @throws RangeError when the core is empty or leaves the volume.
 */
export function planPrediction(
  geometry: InferenceGeometry,
  field: ReceptiveField,
  core: Box,
): PredictionPlan {
  const { bounds, planeAxes, ratio } = geometry;
  if (isEmpty(core) || !contains(bounds, core))
    throw new RangeError(
      `core ${core.lower.join()} - ${core.upper.join()} is not a box inside ${bounds.lower.join()} - ${bounds.upper.join()}`,
    );
  const plan = (i: 0 | 1) => {
    const axis = planeAxes[i];
    const origin = bounds.lower[axis];
    const length = bounds.upper[axis] - origin;
    return planAxis(core.lower[axis] - origin, core.upper[axis] - origin, length, ratio[i], field);
  };
  const axes = [plan(0), plan(1)] as const;
  const lower = [...core.lower] as [number, number, number];
  const upper = [...core.upper] as [number, number, number];
  planeAxes.forEach((axis, i) => {
    lower[axis] = bounds.lower[axis] + axes[i].gather[0];
    upper[axis] = bounds.lower[axis] + axes[i].gather[1];
  });
  return { core, gather: { lower, upper }, axes };
}

/** The voxels that a prediction of `core` needs; pass them as `PredictionRequest.em`. */
export function gatherBox(geometry: InferenceGeometry, field: ReceptiveField, core: Box): Box {
  return planPrediction(geometry, field, core).gather;
}

/** Pixels that go through the network for one slice of a plan. */
export function windowPixels({ axes }: PredictionPlan): number {
  return axes.reduce((product, { window }) => product * (window[1] - window[0]), 1);
}

/**
 * Splits a core in its plane until each part's window has at most `maxPixels` (or the part is a single voxel wide). The parts'
 * predictions together are the core's, voxel for voxel.
 */
export function tilePlans(
  geometry: InferenceGeometry,
  field: ReceptiveField,
  core: Box,
  maxPixels: number,
): PredictionPlan[] {
  const plan = planPrediction(geometry, field, core);
  if (windowPixels(plan) <= maxPixels) return [plan];
  const extent = (i: number) => core.upper[geometry.planeAxes[i]] - core.lower[geometry.planeAxes[i]];
  const longer = extent(0) / geometry.ratio[0] >= extent(1) / geometry.ratio[1] ? 0 : 1;
  if (extent(longer) < 2) return [plan];
  const axis = geometry.planeAxes[longer];
  const middle = core.lower[axis] + Math.floor(extent(longer) / 2);
  const at = (corner: Vec3): Vec3 =>
    corner.map((value, i) => (i === axis ? middle : value)) as [number, number, number];
  return [
    ...tilePlans(geometry, field, { lower: core.lower, upper: at(core.upper) }, maxPixels),
    ...tilePlans(geometry, field, { lower: at(core.lower), upper: core.upper }, maxPixels),
  ];
}

/** Model pixels of a slice as `modelSize` counts them, columns and rows. */
export function modelShape({ bounds, planeAxes, ratio }: InferenceGeometry): readonly [number, number] {
  const size = (i: 0 | 1) => modelSize(bounds.upper[planeAxes[i]] - bounds.lower[planeAxes[i]], ratio[i]);
  return [size(0), size(1)];
}
