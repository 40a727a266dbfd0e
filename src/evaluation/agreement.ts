/** Most labellings that can be counted at once: a reference is the sixteenth bit. The viewer compares at most 4. */
export const MOST_MODELS = 15;

/**
 * How often each combination of labellings calls a voxel foreground: all that agreement, overlaps and scores follow from, and it
 * adds up over chunks. Entry c counts the voxels that exactly the labellings k with bit k set in c call foreground. A reference, where
 * there is one, is the bit after the last model. Plain numbers, to be sent between threads.
 */
export interface Agreement {
  readonly models: number;
  readonly reference: boolean;
  /** 2 ** (models + reference) whole numbers. */
  readonly counts: readonly number[];
}

/** What a voxel of the agreement volume says; from ONLY on, that model (value - ONLY) alone finds it. */
export const NONE = 0;
export const ALL = 1;
/** More than one, but not all. */
export const SEVERAL = 2;
export const ONLY = 3;

/** A labelling as it is compared: a voxel is foreground when its byte is at least `minimum` (256: never). */
export interface Vote {
  readonly values: Uint8Array;
  readonly minimum: number;
}

/** Category of each combination of the models' bits. */
export function categories(models: number): Uint8Array {
  return Uint8Array.from({ length: 2 ** models }, (_, code) => {
    if (code === 0) return NONE;
    if (code === 2 ** models - 1) return ALL;
    return (code & (code - 1)) === 0 ? ONLY + Math.log2(code) : SEVERAL;
  });
}

/**
 * Counts how 2 to 15 labellings of the same voxels agree.
 * @param reference Foreground where not 0.
 * @param out Filled with the category of each voxel, when given.
 * @throws RangeError when there are too few or too many, or they are of different sizes.
 */
export function countAgreement(
  votes: readonly Vote[],
  reference?: ArrayLike<number>,
  out?: Uint8Array,
): Agreement {
  const models = votes.length;
  if (models < 2 || models > MOST_MODELS)
    throw new RangeError(`2 to ${MOST_MODELS} labellings can be compared, not ${models}`);
  const voxels = votes[0].values.length;
  for (const { length } of [...votes.map(({ values }) => values), reference, out].filter(
    (array) => array !== undefined,
  ))
    if (length !== voxels) throw new RangeError(`${length} and ${voxels} voxels cannot be compared`);
  const codes = new Uint16Array(voxels);
  votes.forEach(({ values, minimum }, k) => {
    const bit = 1 << k;
    for (let i = 0; i < voxels; i++) if (values[i] >= minimum) codes[i] |= bit;
  });
  if (out !== undefined) {
    const category = categories(models);
    for (let i = 0; i < voxels; i++) out[i] = category[codes[i]];
  }
  if (reference !== undefined) {
    const bit = 1 << models;
    for (let i = 0; i < voxels; i++) if (reference[i] !== 0) codes[i] |= bit;
  }
  const counts = new Array<number>(2 ** (models + (reference === undefined ? 0 : 1))).fill(0);
  for (let i = 0; i < voxels; i++) counts[codes[i]]++;
  return { models, reference: reference !== undefined, counts };
}

/**
 * Sum over several chunks. A reference counts only where all of them have one; without it, its bit is summed out.
 * @throws RangeError when they are of different numbers of models, or none is given.
 */
export function mergeAgreements(parts: readonly Agreement[]): Agreement {
  const [first] = parts;
  if (first === undefined) throw new RangeError("no agreement to merge");
  const { models } = first;
  const reference = parts.every((part) => part.reference);
  const counts = new Array<number>(2 ** (models + (reference ? 1 : 0))).fill(0);
  for (const part of parts) {
    if (part.models !== models)
      throw new RangeError(`agreements of ${part.models} and ${models} models cannot be merged`);
    part.counts.forEach((count, code) => {
      counts[reference ? code : code % 2 ** models] += count;
    });
  }
  return { models, reference, counts };
}

export interface AgreementFigures {
  readonly voxels: number;
  /** Voxels that no model, all, several but not all, and exactly one calls foreground. */
  readonly none: number;
  readonly all: number;
  readonly several: number;
  readonly one: number;
  /** Of `one`, by model. */
  readonly only: readonly number[];
  /** Foreground of each model. */
  readonly foreground: readonly number[];
}

const sumWhere = (counts: readonly number[], test: (code: number) => boolean) =>
  counts.reduce((sum, count, code) => (test(code) ? sum + count : sum), 0);

export function agreementFigures({ models, counts }: Agreement): AgreementFigures {
  const category = categories(models);
  const mask = 2 ** models - 1;
  const of = (value: number) => sumWhere(counts, (code) => category[code & mask] === value);
  const each = Array.from({ length: models }, (_, k) => k);
  const only = each.map((k) => of(ONLY + k));
  return {
    voxels: counts.reduce((sum, count) => sum + count, 0),
    none: of(NONE),
    all: of(ALL),
    several: of(SEVERAL),
    one: only.reduce((sum, count) => sum + count, 0),
    only,
    foreground: each.map((k) => sumWhere(counts, (code) => (code & (1 << k)) !== 0)),
  };
}

export interface OverlapScore {
  /** Intersection / union. */
  readonly iou: number;
  readonly precision: number;
  readonly recall: number;
  /** Harmonic mean of precision and recall (the Dice coefficient of the voxels). */
  readonly f1: number;
}

/**
 * Scores from counts, by the convention of empanada (`instance_metrics.py`, `panoptic_metrics.py` of MitoNet): a quotient with nothing
 * to be divided is 1, so two empty sides agree; one empty side scores 0 in IoU and F1. (The paper's IoU per slice, `iou.ts`, counts an
 * empty slice 0 instead.)
 */
export function overlapScore(
  truePositive: number,
  falsePositive: number,
  falseNegative: number,
): OverlapScore {
  const quotient = (a: number, b: number) => (b === 0 ? 1 : a / b);
  return {
    iou: quotient(truePositive, truePositive + falsePositive + falseNegative),
    precision: quotient(truePositive, truePositive + falsePositive),
    recall: quotient(truePositive, truePositive + falseNegative),
    f1: quotient(2 * truePositive, 2 * truePositive + falsePositive + falseNegative),
  };
}

function between(counts: readonly number[], predicted: number, truth: number): OverlapScore {
  const p = 1 << predicted;
  const t = 1 << truth;
  return overlapScore(
    sumWhere(counts, (code) => (code & p) !== 0 && (code & t) !== 0),
    sumWhere(counts, (code) => (code & p) !== 0 && (code & t) === 0),
    sumWhere(counts, (code) => (code & p) === 0 && (code & t) !== 0),
  );
}

/** IoU of the foregrounds of two models; 1 when both are empty. */
export function pairIou({ counts }: Agreement, a: number, b: number): number {
  return between(counts, a, b).iou;
}

/** A model's foreground against the reference's; undefined without a reference. */
export function referenceScore(
  { models, reference, counts }: Agreement,
  k: number,
): OverlapScore | undefined {
  return reference ? between(counts, k, models) : undefined;
}

/**
 * Mean IoU of each model with the others: how much it agrees with them. 1 for all when nothing is found by any.
 */
export function meanAgreement(agreement: Agreement): number[] {
  const each = Array.from({ length: agreement.models }, (_, k) => k);
  return each.map(
    (a) =>
      each.reduce((sum, b) => (a === b ? sum : sum + pairIou(agreement, a, b)), 0) / (agreement.models - 1),
  );
}
