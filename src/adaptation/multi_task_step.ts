import { tf } from "../kernels/tf.js";
import { Random } from "../network/random.js";
import { assemble, type DomainBatch, type PatchSet } from "./multi_task_batches.js";
import type { StepLosses } from "./types.js";

/** What one micro-batch gives: the scalar that is minimised, and scalars for the log. */
export interface TaskLosses {
  readonly total: tf.Scalar;
  readonly parts: Readonly<Record<string, tf.Scalar>>;
}

export interface TaskGradients {
  /** "loss" and the parts, each the mean over the micro-batches. */
  readonly losses: StepLosses;
  /** Means, in the order of the variables; zeros where a loss does not depend on one. The caller disposes them. */
  readonly gradients: tf.Tensor[];
}

function add(sums: (tf.Tensor | undefined)[], part: readonly (tf.Tensor | undefined)[]): void {
  part.forEach((tensor, i) => {
    const before = sums[i];
    if (before === undefined || tensor === undefined) {
      sums[i] = before ?? tensor;
      return;
    }
    sums[i] = tf.add(before, tensor);
    tf.dispose([before, tensor]);
  });
}

/**
 * Losses and gradients of `count` micro-batches, one after the other.
 * @param forward makes the losses of micro-batch `i`; what it makes besides is freed. All must have the same parts.
 */
export async function differentiate(
  variables: readonly tf.Variable[],
  count: number,
  forward: (i: number) => TaskLosses,
): Promise<TaskGradients> {
  const gradients: (tf.Tensor | undefined)[] = [];
  const scalars: tf.Tensor[] = [];
  let names: string[] = [];
  for (let i = 0; i < count; i++) {
    let kept: tf.Tensor | null = null;
    const { value, grads } = tf.variableGrads(() => {
      const { total, parts } = forward(i);
      names = ["loss", ...Object.keys(parts)];
      kept = tf.keep(tf.stack([total, ...Object.values(parts)]));
      return total;
    }, [...variables]);
    value.dispose();
    scalars.push(kept as unknown as tf.Tensor);
    add(
      gradients,
      variables.map(({ name }) => grads[name] as tf.Tensor | undefined),
    );
  }
  const losses = await meanScalars(names, scalars);
  return { losses, gradients: gradients.map((sum, i) => mean(sum, variables[i], count)) };
}

function mean(sum: tf.Tensor | undefined, variable: tf.Variable, count: number): tf.Tensor {
  if (sum === undefined) return tf.zerosLike(variable);
  if (count === 1) return sum;
  const result = tf.div(sum, count);
  sum.dispose();
  return result;
}

async function meanScalars(names: readonly string[], rows: tf.Tensor[]): Promise<StepLosses> {
  const table = tf.tidy(() => tf.mean(tf.stack(rows), 0));
  tf.dispose(rows);
  const values = await table.data();
  table.dispose();
  const { loss, ...parts } = Object.fromEntries(names.map((name, i) => [name, values[i]]));
  return { loss, ...parts };
}

/** Patches that are validated at once. */
const VALIDATION_BATCH = 4;
const PLAIN = { d4: false, rotation: 0, jitter: 0, noise: 0, blur: 0 };

/** Mean loss over all patches of some sets, neither augmented nor matched. @param loss of a batch of one set. */
export async function averageLoss(
  sets: readonly PatchSet[],
  loss: (batch: DomainBatch) => tf.Scalar,
): Promise<number> {
  let sum = 0;
  let count = 0;
  for (const set of sets) {
    for (let first = 0; first < set.count; first += VALIDATION_BATCH) {
      const size = Math.min(VALIDATION_BATCH, set.count - first);
      const patches = Array.from({ length: size }, (_, k) => set.cut(first + k));
      const batch = assemble(patches, set.size, PLAIN, undefined, new Random(0));
      const scalar = tf.tidy(() => loss(batch));
      const [value] = await scalar.data();
      scalar.dispose();
      sum += value * size;
      count += size;
    }
  }
  return sum / count;
}
