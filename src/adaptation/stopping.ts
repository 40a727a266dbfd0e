import type { Criterion, CriterionPriors, ScoredEpoch, StrategyId } from "./types.js";

/**
 * Which of a run's scored snapshots each criterion chooses. Training always runs its full length: a criterion selects
 * afterwards, it does not stop. The authors score after every second epoch, so the i-th scored snapshot (from 0) stands for
 * their epoch 2 i.
 *
 * - `solidity` (published): the smallest |s_t - s_src|; of equal ones the earliest; no earliest epoch
 *   (`CustomSaver` of Attention Y-Net, and each of DAMT-Net's 30 snapshots).
 * - `ara` (first version): the smallest |ARA_t - ARA_src|, by the rule of the strategy, see `AraRule`.
 * - `validation`: the highest IoU on source validation data; of equal ones the earliest.
 * - `distribution` (ours): the smallest distance of the whole region morphology (`distribution.ts`); of equal ones the earliest.
 * - `last`: the last snapshot.
 * - `oracle`: the highest IoU on the labelled target: no selection, but what the best one could have reached.
 */
export type Picks = Readonly<Record<Criterion, number | null>>;

/**
 * The first version differed between the authors' programs:
 * - "attention-y-net" (commit 426dada): epochs after 4, the earliest of equal ones.
 * - "self-supervised" (`SSL/functions.py`): epochs 0 and 1 and those from 10 on, the latest of equal ones (it compares with <=).
 */
export type AraRule = "attention-y-net" | "self-supervised";

export function araRuleOf(strategy: StrategyId): AraRule {
  return strategy === "self-supervised" ? "self-supervised" : "attention-y-net";
}

const EPOCHS_A_SCORE = 2;

/**
 * @param epochs scored snapshots of one run, in order.
 * @param priors of the source's ground truth, measured as the predictions were (same voxel size).
 * @returns For each criterion the index into `epochs`; null where its value was not measured, or nothing was scored.
 * @throws RangeError when a value is not finite: nothing can be chosen by it.
 */
export function pickEpochs(
  epochs: readonly ScoredEpoch[],
  priors: CriterionPriors,
  araRule: AraRule = "attention-y-net",
): Picks {
  const away = (value: number, prior: number) => Math.abs(value - prior);
  const negated = (value: number | null) => (value === null ? null : -value);
  return {
    solidity: leastOf(epochs, "solidity", (epoch) => away(epoch.solidity, priors.solidity)),
    ara: pickAra(epochs, priors.ara, araRule),
    distribution: leastOf(epochs, "distribution", (epoch) => epoch.distribution),
    validation: leastOf(epochs, "validation", (epoch) => negated(epoch.validation)),
    last: epochs.length === 0 ? null : epochs.length - 1,
    oracle: leastOf(epochs, "targetIou", (epoch) => negated(epoch.targetIou)),
  };
}

/** Of a run with fewer snapshots than a rule asks for, all are looked at: the authors' runs never are so short. */
function pickAra(epochs: readonly ScoredEpoch[], prior: number, rule: AraRule): number | null {
  const allowed = (index: number) => {
    const epoch = index * EPOCHS_A_SCORE;
    return rule === "self-supervised" ? epoch <= 1 || epoch >= 10 : epoch > 4;
  };
  const any = epochs.some((_, index) => allowed(index));
  return leastOf(
    epochs,
    "ara",
    (epoch, index) => (any && !allowed(index) ? null : Math.abs(epoch.ara - prior)),
    rule === "self-supervised",
  );
}

/** Index of the least value, nulls left out; of equal ones the first, or the last where `latest`. */
function leastOf(
  epochs: readonly ScoredEpoch[],
  name: string,
  value: (epoch: ScoredEpoch, index: number) => number | null,
  latest = false,
): number | null {
  let best: number | null = null;
  let least = Number.POSITIVE_INFINITY;
  for (const [index, epoch] of epochs.entries()) {
    const v = value(epoch, index);
    if (v === null) continue;
    if (!Number.isFinite(v)) {
      throw new RangeError(`${name} at step ${epoch.totalSteps} is ${v}: no snapshot can be chosen by it`);
    }
    if (v < least || (latest && v === least)) {
      best = index;
      least = v;
    }
  }
  return best;
}
