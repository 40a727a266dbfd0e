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

/** One file: magic line, JSON header of known length, then little-endian float32 data. */
export function encodeCheckpoint(checkpoint: Checkpoint): Uint8Array<ArrayBuffer> {
  const lengths = GROUPS.map((group) => checkpoint[group].map((array) => array.length));
  const { progress } = checkpoint;
  // JSON has no Infinity: a plateau that has seen nothing is null.
  const plateau = {
    ...progress.plateau,
    best: Number.isFinite(progress.plateau.best) ? progress.plateau.best : null,
  };
  const header = new TextEncoder().encode(
    JSON.stringify({ settings: checkpoint.settings, progress: { ...progress, plateau }, lengths }),
  );
  const start = Math.ceil((MAGIC.length + 4 + header.length) / 4) * 4;
  const floats = lengths.flat().reduce((a, b) => a + b, 0);
  const bytes = new Uint8Array(start + 4 * floats);
  bytes.set(new TextEncoder().encode(MAGIC));
  new DataView(bytes.buffer).setUint32(MAGIC.length, header.length, true);
  bytes.set(header, MAGIC.length + 4);
  let offset = start;
  for (const group of GROUPS) {
    for (const array of checkpoint[group]) {
      new Float32Array(bytes.buffer, offset, array.length).set(array);
      offset += 4 * array.length;
    }
  }
  return bytes;
}

/** @throws Error naming `name` when the bytes are not a whole checkpoint. */
export function decodeCheckpoint(bytes: Uint8Array, name: string): Checkpoint {
  const damaged = (why: string, cause?: unknown) =>
    new Error(`${name}: ${why}; delete it to start the training anew`, { cause });
  if (new TextDecoder().decode(bytes.subarray(0, MAGIC.length)) !== MAGIC)
    throw damaged("is not a training checkpoint");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headerLength = bytes.length >= MAGIC.length + 4 ? view.getUint32(MAGIC.length, true) : 0;
  const start = Math.ceil((MAGIC.length + 4 + headerLength) / 4) * 4;
  let header: { settings: TrainingSettings; progress: TrainingProgress; lengths: number[][] };
  try {
    header = JSON.parse(
      new TextDecoder().decode(bytes.subarray(MAGIC.length + 4, MAGIC.length + 4 + headerLength)),
    ) as typeof header;
  } catch (cause) {
    throw damaged("has a damaged header", cause);
  }
  const { settings, progress, lengths } = header;
  const floats = lengths.flat().reduce((a, b) => a + b, 0);
  if (bytes.length !== start + 4 * floats) {
    throw damaged(`is ${bytes.length} bytes, not the ${start + 4 * floats} it announces`);
  }
  // Not bytes.slice: Node's Buffer overrides it with a view, whose buffer begins elsewhere.
  const data = Uint8Array.prototype.slice.call(bytes, start).buffer;
  let offset = 0;
  const [weights, bestWeights, slots] = lengths.map((group) =>
    group.map((length) => {
      const array = new Float32Array(data, offset, length);
      offset += 4 * length;
      return array;
    }),
  );
  progress.plateau.best ??= Number.POSITIVE_INFINITY;
  return { settings, progress, weights, bestWeights, slots };
}
