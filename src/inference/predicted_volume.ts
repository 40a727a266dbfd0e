import { boxSize, boxVolume } from "../volume/box.js";
import type { Box, Vec3, VolumeSource } from "../volume/types.js";
import { gatherBox } from "./plan.js";
import type {
  InferenceGeometry,
  IntensityWindow,
  PredictionRequest,
  ReceptiveField,
  TestTimeAugmentation,
} from "./types.js";

export interface PredictedVolumeOptions {
  /** What is predicted from what, and how: names the input of whatever is made of it. */
  readonly name: string;
  readonly geometry: InferenceGeometry;
  readonly field: ReceptiveField;
  readonly window: IntensityWindow;
  readonly tta: TestTimeAugmentation;
  /** Predicts a box: `Predictor.predict`, for one. */
  readonly predict: (
    request: PredictionRequest,
    options: { signal?: AbortSignal },
  ) => Promise<{ probability: Uint8Array; nonFinite: number }>;
  /** Never cut slices: for a tiling whose result depends on the whole slice. */
  readonly wholeSlices?: boolean;
  /** Most voxels predicted from one read of EM: bounds the memory. */
  readonly partVoxels?: number;
  /** Called after each part with the voxels it had. */
  readonly onPart?: (voxels: number) => void;
}

export interface PredictedVolume extends VolumeSource {
  /** Pixels so far for which the network gave no number. */
  readonly nonFinite: () => number;
}

const PART_VOXELS = 2 ** 24;

const withAxis = (corner: Vec3, axis: number, value: number): Vec3 =>
  corner.map((v, i) => (i === axis ? value : v)) as unknown as Vec3;

/** Parts of a box that are predicted from one read each: whole slices as long as they are small enough. */
function* parts(box: Box, geometry: InferenceGeometry, most: number, whole: boolean): Generator<Box> {
  const size = boxSize(box);
  const { sliceAxis } = geometry;
  const [a, b] = geometry.planeAxes;
  const axis = size[sliceAxis] > 1 ? sliceAxis : size[a] >= size[b] ? a : b;
  if (boxVolume(box) <= most || size[axis] < 2 || (whole && axis !== sliceAxis)) return yield box;
  const middle = box.lower[axis] + Math.floor(size[axis] / 2);
  yield* parts({ lower: box.lower, upper: withAxis(box.upper, axis, middle) }, geometry, most, whole);
  yield* parts({ lower: withAxis(box.lower, axis, middle), upper: box.upper }, geometry, most, whole);
}

function paste(target: Uint8Array, box: Box, source: Uint8Array, part: Box): void {
  const [sx, sy] = boxSize(box);
  const row = part.upper[0] - part.lower[0];
  let from = 0;
  for (let z = part.lower[2]; z < part.upper[2]; z++)
    for (let y = part.lower[1]; y < part.upper[1]; y++, from += row)
      target.set(
        source.subarray(from, from + row),
        part.lower[0] - box.lower[0] + sx * (y - box.lower[1] + sy * (z - box.lower[2])),
      );
}

/**
 * The probabilities of a volume as a volume of one scale: reading a box of it predicts that box. Memory: the box, and one
 * part of at most `partVoxels` (16 M) with its EM.
 * @throws (on reading) VolumeError, AbortError, and what the network throws.
 */
export function predictedVolume(em: VolumeSource, options: PredictedVolumeOptions): PredictedVolume {
  const {
    name,
    geometry,
    field,
    window,
    tta,
    predict,
    wholeSlices = false,
    partVoxels = PART_VOXELS,
    onPart,
  } = options;
  let nonFinite = 0;
  return {
    name,
    dataType: "uint8",
    scales: [em.scales[geometry.scale]],
    nonFinite: () => nonFinite,
    async read(_scale, box, { signal } = {}) {
      const probability = new Uint8Array(boxVolume(box));
      for (const core of parts(box, geometry, partVoxels, wholeSlices)) {
        const gather = gatherBox(geometry, field, core);
        const voxels = (await em.read(geometry.scale, gather, { signal })) as Uint8Array | Uint16Array;
        const part = await predict({ em: voxels, gather, core, geometry, window, tta }, { signal });
        nonFinite += part.nonFinite;
        paste(probability, box, part.probability, core);
        onPart?.(boxVolume(core));
      }
      return probability;
    },
  };
}
