import { decodeContainer, encodeContainer } from "../training/container.js";
import type { PlateauState } from "../training/schedules.js";
import { isStrategyId } from "./settings.js";
import type { StrategySettings } from "./types.js";

/** Where an adaptation stands, but for its tensors. */
export interface AdaptationProgress {
  stage: string;
  /** Steps of the stage done. */
  step: number;
  /** Steps of all stages done. */
  totalSteps: number;
  /** State of the run's generator. */
  random: number[];
  /** Of the stage's reduce-on-plateau schedule. */
  plateau: PlateauState;
  /** Least validation loss of the stage. */
  best: { readonly loss: number; readonly step: number } | null;
  /** Validations since then. */
  waited: number;
  /** Step of the stage that was scored last. */
  scored: number;
}

/** Arrays by the name of their network or optimiser. */
export type NamedArrays = Readonly<Record<string, readonly Float32Array[]>>;

/** An adaptation that can be continued to the same losses as if it had not been stopped. */
export interface AdaptationCheckpoint {
  readonly settings: StrategySettings;
  readonly progress: AdaptationProgress;
  /** Of every network of the run. */
  readonly weights: NamedArrays;
  /** Of the stage's best validation; empty where the stage does without. */
  readonly bestWeights: NamedArrays;
  /** Of every optimiser of the stage. */
  readonly slots: NamedArrays;
}

const MAGIC = "CHONDRIA-ADAPTATION-1\n";
const GROUPS = ["weights", "bestWeights", "slots"] as const;

/** One file, in the form of `training/container.ts`. */
export function encodeAdaptation(checkpoint: AdaptationCheckpoint): Uint8Array<ArrayBuffer> {
  const { settings, progress } = checkpoint;
  const named = GROUPS.flatMap((group) =>
    Object.entries(checkpoint[group]).map(([name, arrays]) => ({ group, name, arrays })),
  );
  // JSON has no Infinity: a plateau that has seen nothing is null.
  const { best } = progress.plateau;
  const plateau = { ...progress.plateau, best: Number.isFinite(best) ? best : null };
  return encodeContainer(MAGIC, {
    header: {
      settings,
      progress: { ...progress, plateau },
      names: named.map(({ group, name }) => [group, name]),
    },
    groups: named.map(({ arrays }) => arrays),
  });
}

type Json = Record<string, unknown>;
const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

function readProgress(value: unknown): AdaptationProgress {
  if (!isObject(value) || !isObject(value.plateau)) throw new Error("has no progress");
  const { stage, random, plateau, best } = value;
  const counts = ["step", "totalSteps", "waited", "scored"].every((key) => isCount(value[key]));
  const words =
    Array.isArray(random) && random.length === 4 && random.every((word) => isCount(word) && word < 2 ** 32);
  const scale = plateau.scale;
  const plateauFits =
    (plateau.best === null || Number.isFinite(plateau.best)) &&
    isCount(plateau.waited) &&
    typeof scale === "number" &&
    scale > 0 &&
    scale <= 1;
  const bestFits = best === null || (isObject(best) && Number.isFinite(best.loss) && isCount(best.step));
  if (typeof stage !== "string" || !counts || !words || !plateauFits || !bestFits)
    throw new Error("has damaged progress");
  const progress = value as unknown as AdaptationProgress;
  progress.plateau.best ??= Number.POSITIVE_INFINITY;
  return progress;
}

function readSettings(value: unknown): StrategySettings {
  if (!isObject(value) || !isStrategyId(value.strategy) || !isObject(value.stages))
    throw new Error("has damaged settings");
  return value as unknown as StrategySettings;
}

function readNamed(names: unknown, groups: readonly (readonly Float32Array[])[]) {
  const named = { weights: new Map(), bestWeights: new Map(), slots: new Map() } as Record<
    string,
    Map<string, readonly Float32Array[]>
  >;
  if (!Array.isArray(names) || names.length !== groups.length) throw new Error("does not name its arrays");
  names.forEach((pair: unknown, i) => {
    const [group, name] = Array.isArray(pair) ? (pair as unknown[]) : [];
    if (typeof group !== "string" || typeof name !== "string" || !Object.hasOwn(named, group))
      throw new Error("does not name its arrays");
    named[group].set(name, groups[i]);
  });
  return GROUPS.map((group) => Object.fromEntries(named[group]) as NamedArrays);
}

/**
 * Settings are checked only as far as to tell whose they are: the engine compares them with those it was given.
 * @throws Error naming `name` when the bytes are not a whole checkpoint.
 */
export function decodeAdaptation(bytes: Uint8Array, name: string): AdaptationCheckpoint {
  try {
    const { header, groups } = decodeContainer(MAGIC, bytes);
    const [weights, bestWeights, slots] = readNamed(header.names, groups);
    return {
      settings: readSettings(header.settings),
      progress: readProgress(header.progress),
      weights,
      bestWeights,
      slots,
    };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`${name}: ${why}; delete it to start the adaptation anew`, { cause });
  }
}
