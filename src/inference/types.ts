import type { Box, Vec3 } from "../volume/types.js";

export type Axis = 0 | 1 | 2;
export type TestTimeAugmentation = "none" | "flip" | "d4";
/** Which compute engine runs: shown to the user as it is. */
export type BackendName = "webgpu" | "wasm" | "tensorflow";

/**
 * How a 2-D model is laid over one scale of a volume. Made once per (volume, model) by `chooseGeometry`, the same
 * in Node and in the viewer; together with the model and the intensity window it determines every predicted voxel.
 */
export interface InferenceGeometry {
  /** Index of the scale that is read: the one whose in-plane voxel size is nearest the model's. */
  readonly scale: number;
  /** Slices are taken across this axis: the coarse one of an anisotropic volume, else z. */
  readonly sliceAxis: Axis;
  /** The two in-plane axes, in ascending order: [columns, rows] of a slice. */
  readonly planeAxes: readonly [Axis, Axis];
  /** Model voxel size / scale voxel size along the plane axes; exactly 1 where they differ by 20 % or less. */
  readonly ratio: readonly [number, number];
  /** Voxel bounds of the scale. */
  readonly bounds: Box;
}

/** What the network needs around a pixel. */
export interface ReceptiveField {
  /** Pixels of context on each side that can change a prediction. */
  readonly halo: number;
  /** Tiles must start and end on multiples of this (2^pooling levels), counted from the volume's lower bound. */
  readonly multiple: number;
}

/** Linear map of EM intensities to the network's input: `lower` -> 0, `upper` -> 1, clamped. */
export type IntensityWindow = readonly [lower: number, upper: number];

/** One chunk to predict: EM voxels of `gather` (already clipped to the bounds), wanted probabilities of `core`. */
export interface PredictionRequest {
  readonly em: Uint8Array | Uint16Array;
  readonly gather: Box;
  readonly core: Box;
  readonly geometry: InferenceGeometry;
  readonly window: IntensityWindow;
  readonly tta: TestTimeAugmentation;
}

export interface PredictionResult {
  /** round(255 p) for each voxel of `core`, x fastest. */
  readonly probability: Uint8Array;
  /** Model pixels for which the network answered NaN or infinity; they count as background. */
  readonly nonFinite: number;
  readonly milliseconds: number;
  readonly backend: BackendName;
}

/** The narrow door to the compute engine. */
export interface Predictor {
  readonly field: ReceptiveField;
  readonly voxelSize: Vec3;
  readonly backend: BackendName;
  /** @throws DOMException AbortError when the signal fires between slices. */
  predict(request: PredictionRequest, options?: { signal?: AbortSignal }): Promise<PredictionResult>;
  dispose(): void;
}
