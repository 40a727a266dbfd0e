import type { Stack } from "../src/adaptation/target_patches.js";
import type { Criterion, StepLosses, StrategyId } from "../src/adaptation/types.js";
import type { BackendName, InferenceGeometry, IntensityWindow } from "../src/inference/types.js";
import type { ModelEntry } from "../src/model/registry.js";
import type { Box } from "../src/volume/types.js";
import type { BackendPreference, ModelReference } from "./inference_api.js";

/** What the chunk worker serves on a port: EM of one volume. */
export interface PatchesApi {
  /**
   * EM voxels of a box of the predicted scale, x fastest, transferred; `id` is for `cancel`.
   * @throws RangeError outside the volume; VolumeError; AbortError, also when the layer is closed.
   */
  gather(id: number, box: Box): Promise<Uint8Array<ArrayBuffer> | Uint16Array<ArrayBuffer>>;
  cancel(id: number): void;
  /** The port is not needed any more. */
  close(): void;
}

export interface AdaptationRequest {
  /** The package that is adapted. */
  readonly model: ModelReference;
  readonly strategy: StrategyId;
  /** How the model lies over the target, and the intensities that become 0 and 1. */
  readonly geometry: InferenceGeometry;
  readonly window: IntensityWindow;
  /** Whether `window` is one of 8-bit EM: only such a window becomes the adapted package's own. */
  readonly eightBit: boolean;
  /** Where unlabelled patches come from. */
  readonly stacks: readonly Stack[];
  /** What people call the target; it stands in the package. */
  readonly target: string;
  /** Steps of all stages together; absent: the strategy's own. */
  readonly steps?: number;
  readonly seed: number;
}

/** Morphology of the prediction of the scored part of the target, as chunks of the viewer are measured. */
export interface AdaptationScore {
  /** Mean solidity of the regions of more than 10 px; 0 without one. */
  readonly solidity: number;
  /** Distance of the whole region morphology to the source's; null where the package does not carry it. */
  readonly distribution: number | null;
  readonly ara: number;
  /** Regions measured. */
  readonly regions: number;
  /** Foreground pixels / pixels. */
  readonly fraction: number;
}

export interface ScoredPoint extends AdaptationScore {
  /** Steps done; 0: the model as it was. */
  readonly step: number;
}

export type AdaptationPhase = "starting" | "reading" | "adapting" | "scoring" | "saving";

/** What the worker posts to its owner from time to time: all that is new, nothing large, no EM. */
export interface AdaptationUpdate {
  readonly phase: AdaptationPhase;
  /** Engine that computes, once it is known. */
  readonly engine?: string;
  readonly stage?: string;
  readonly step: number;
  readonly steps: number;
  /** Slices of EM that were read, and all of them. */
  readonly read: number;
  readonly slices: number;
  /** Until the end, seconds; absent while it cannot be told. */
  readonly remaining?: number;
  /** Since the last update. */
  readonly losses: readonly { readonly step: number; readonly losses: StepLosses }[];
  readonly scores: readonly ScoredPoint[];
  /** Step of the snapshot that would be kept now. */
  readonly best?: number;
}

export interface AdaptationUpdateMessage {
  readonly adaptation: AdaptationUpdate;
}

export interface AdaptationResult {
  /** Of the adapted package. */
  readonly entry: ModelEntry;
  /** Why it is not saved in this browser; absent when it is. */
  readonly notSaved?: string;
  /** The package as a .zip file, only when it could not be saved. */
  readonly archive?: Uint8Array<ArrayBuffer>;
  readonly stopped: "finished" | "interrupted";
  /** The snapshot that was kept, how it was chosen, and how the model was before. */
  readonly kept: ScoredPoint;
  readonly before: ScoredPoint;
  readonly criterion: Criterion;
  /** Solidity of the source's ground truth, measured in chunks; null where the package does not carry it. */
  readonly prior: number | null;
  readonly seconds: number;
  readonly backend: BackendName;
}

export interface AdaptationWorkerOptions {
  readonly preference: BackendPreference;
  /** Folder URL of the WASM backend's binaries, with a trailing slash. */
  readonly wasmPath: string;
}

/** What an adaptation worker offers to its page through Comlink; one adaptation in its life. */
export interface AdaptationApi {
  /**
   * @param patches Port on which `PatchesApi` is spoken, transferred.
   * @param previews Canvases of one patch: its prediction by the model as it was, and now; transferred.
   * @throws Error by name: AbortError (cancelled), ModelError, AdaptationError, VolumeError, and what the engine throws.
   */
  start(
    request: AdaptationRequest,
    options: AdaptationWorkerOptions,
    patches: MessagePort,
    previews: readonly [before: OffscreenCanvas, now: OffscreenCanvas],
  ): Promise<AdaptationResult>;
  /** Ends after the running step and keeps the best so far. */
  stop(): void;
  /** Ends and keeps nothing. */
  cancel(): void;
}
