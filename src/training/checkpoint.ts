import { decodeContainer, encodeContainer } from "./container.js";
import type { PlateauState } from "./schedules.js";
import type { TrainingSettings } from "./settings.js";
import type { ValidationResult } from "./validation.js";

export interface BestSoFar extends ValidationResult {
  readonly step: number;
}

/** Where a training stands, but for its tensors. */
export interface TrainingProgress {
  /** Steps done. */
  step: number;
  /** State of the generator that draws patches and augmentations. */
  random: number[];
  plateau: PlateauState;
  best: BestSoFar | null;
  /** Validations since the best. */
  waited: number;
}

/** A training that can be continued to the same losses as if it had not been stopped. */
export interface Checkpoint {
  readonly settings: TrainingSettings;
  readonly progress: TrainingProgress;
  /** Weights of the model in its order, of its best so far (empty before the first validation), optimiser slots. */
  readonly weights: readonly Float32Array[];
  readonly bestWeights: readonly Float32Array[];
  readonly slots: readonly Float32Array[];
}

const MAGIC = "CHONDRIA-CHECKPOINT-1\n";
const GROUPS = ["weights", "bestWeights", "slots"] as const;

export function encodeCheckpoint(checkpoint: Checkpoint): Uint8Array<ArrayBuffer> {
  const { settings, progress } = checkpoint;
  // JSON has no Infinity: a plateau that has seen nothing is null.
  const { best } = progress.plateau;
  const plateau = { ...progress.plateau, best: Number.isFinite(best) ? best : null };
  return encodeContainer(MAGIC, {
    header: { settings, progress: { ...progress, plateau } },
    groups: GROUPS.map((group) => checkpoint[group]),
  });
}

/** @throws Error naming `name` when the bytes are not a whole checkpoint. */
export function decodeCheckpoint(bytes: Uint8Array, name: string): Checkpoint {
  try {
    const { header, groups } = decodeContainer(MAGIC, bytes);
    const { settings, progress } = header as unknown as Pick<Checkpoint, "settings" | "progress">;
    if (!settings || !progress?.plateau || groups.length !== GROUPS.length)
      throw new Error("has a damaged header");
    progress.plateau.best ??= Number.POSITIVE_INFINITY;
    const [weights, bestWeights, slots] = groups;
    return { settings, progress, weights, bestWeights, slots };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`${name}: ${why}; delete it to start the training anew`, { cause });
  }
}
