/** Foreground pixels that two masks share or do not. */
export interface Overlap {
  readonly truePositive: number;
  readonly falsePositive: number;
  readonly falseNegative: number;
}

export interface SliceScore extends Overlap {
  readonly slice: number;
  readonly iou: number;
}

export interface ForegroundScores {
  /**
   * Mean over the slices of TP / (TP + FP + FN), a slice without any foreground counting 0: the paper's metric
   * (`jaccard_index` of the authors' code, danifranco/EM_domain_adaptation).
   */
  readonly iouPerSlice: number;
  /** The same quotient of the pixels of all slices. */
  readonly iouVolume: number;
  readonly precision: number;
  readonly recall: number;
  readonly dice: number;
  readonly slices: readonly SliceScore[];
}

/** 0 where nothing is to be divided, as the paper has it for an empty slice. */
const quotient = (a: number, b: number) => (b === 0 ? 0 : a / b);

/** TP / (TP + FP + FN); 0 when there is no foreground at all. */
export function iou({ truePositive, falsePositive, falseNegative }: Overlap): number {
  return quotient(truePositive, truePositive + falsePositive + falseNegative);
}

/**
 * Compares one slice.
 * @param predicted,truth Foreground where not 0.
 * @param ignored Pixels that count neither way, where not 0.
 */
export function compareSlice(predicted: Uint8Array, truth: Uint8Array, ignored?: Uint8Array): Overlap {
  let truePositive = 0;
  let falsePositive = 0;
  let falseNegative = 0;
  for (let i = 0; i < predicted.length; i++) {
    if (ignored?.[i]) continue;
    if (predicted[i]) {
      if (truth[i]) truePositive++;
      else falsePositive++;
    } else if (truth[i]) falseNegative++;
  }
  return { truePositive, falsePositive, falseNegative };
}

/** Sums up slices. Precision, recall and Dice are of the pixels of all slices. */
export function foregroundScores(
  overlaps: readonly (Overlap & { readonly slice: number })[],
): ForegroundScores {
  const slices = overlaps.map((overlap) => ({ ...overlap, iou: iou(overlap) }));
  const total = (key: keyof Overlap) => overlaps.reduce((sum, overlap) => sum + overlap[key], 0);
  const truePositive = total("truePositive");
  const falsePositive = total("falsePositive");
  const falseNegative = total("falseNegative");
  return {
    iouPerSlice: quotient(
      slices.reduce((sum, slice) => sum + slice.iou, 0),
      slices.length,
    ),
    iouVolume: iou({ truePositive, falsePositive, falseNegative }),
    precision: quotient(truePositive, truePositive + falsePositive),
    recall: quotient(truePositive, truePositive + falseNegative),
    dice: quotient(2 * truePositive, 2 * truePositive + falsePositive + falseNegative),
    slices,
  };
}
