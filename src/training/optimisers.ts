import { tf } from "../kernels/tf.js";

export type OptimiserName = "sgd" | "adam" | "adamw";

export interface OptimiserOptions {
  readonly name: OptimiserName;
  /** Of SGD; the paper's is 0.99, without Nesterov. */
  readonly momentum: number;
  /** Of AdamW, decoupled; kernels only. */
  readonly weightDecay: number;
  /** Decay of Adam's first and second moment; default 0.9 and 0.999. */
  readonly beta1?: number;
  readonly beta2?: number;
}

const EPSILON = 1e-8;

/**
 * SGD with momentum, Adam (Kingma and Ba, 2015) and AdamW (Loshchilov and Hutter, 2019). Unlike tfjs's own, every slot can
 * be read and set, so that a resumed training continues exactly.
 */
export class Optimiser {
  /** Slots in the order of the variables: velocity, or first and second moment. */
  readonly slots: tf.Variable[] = [];
  private readonly slotsEach: number;

  constructor(
    private readonly variables: readonly tf.Variable[],
    private readonly options: OptimiserOptions,
  ) {
    this.slotsEach = options.name === "sgd" ? 1 : 2;
    for (const variable of variables) {
      for (let i = 0; i < this.slotsEach; i++) {
        const zeros = tf.zeros(variable.shape);
        this.slots.push(tf.variable(zeros, false));
        zeros.dispose();
      }
    }
  }

  /**
   * One update of every variable.
   * @param gradients in the order of the variables; not disposed.
   * @param step 0-based, for Adam's bias correction.
   */
  apply(gradients: readonly tf.Tensor[], rate: number, step: number): void {
    if (gradients.length !== this.variables.length) {
      throw new Error(`${gradients.length} gradients for ${this.variables.length} variables`);
    }
    for (let i = 0; i < gradients.length; i++) {
      tf.tidy(() => {
        if (this.options.name === "sgd") this.sgd(i, gradients[i], rate);
        else this.adam(i, gradients[i], rate, step);
      });
    }
  }

  private sgd(i: number, gradient: tf.Tensor, rate: number): void {
    const velocity = this.slots[i];
    velocity.assign(tf.sub(tf.mul(velocity, this.options.momentum), tf.mul(gradient, rate)));
    this.variables[i].assign(tf.add(this.variables[i], velocity));
  }

  private adam(i: number, gradient: tf.Tensor, rate: number, step: number): void {
    const [first, second] = [this.slots[2 * i], this.slots[2 * i + 1]];
    const { beta1 = 0.9, beta2 = 0.999 } = this.options;
    const variable = this.variables[i];
    first.assign(tf.add(tf.mul(first, beta1), tf.mul(gradient, 1 - beta1)));
    second.assign(tf.add(tf.mul(second, beta2), tf.mul(tf.square(gradient), 1 - beta2)));
    const c1 = rate / (1 - beta1 ** (step + 1));
    const c2 = 1 / Math.sqrt(1 - beta2 ** (step + 1));
    const update = tf.div(tf.mul(first, c1), tf.add(tf.mul(tf.sqrt(second), c2), EPSILON));
    // Norm scales and biases (rank 1) are not decayed.
    const decay =
      this.options.name === "adamw" && variable.rank > 1 ? 1 - rate * this.options.weightDecay : 1;
    variable.assign(tf.sub(decay === 1 ? variable : tf.mul(variable, decay), update));
  }

  /** @throws Error when the values are not the slots of this optimiser. */
  restore(values: readonly Float32Array[]): void {
    if (values.length !== this.slots.length || values.some((v, i) => v.length !== this.slots[i].size)) {
      throw new Error("the optimiser state is that of another network or optimiser");
    }
    values.forEach((value, i) => {
      const tensor = tf.tensor(value, this.slots[i].shape);
      this.slots[i].assign(tensor);
      tensor.dispose();
    });
  }

  dispose(): void {
    for (const slot of this.slots) slot.dispose();
  }
}
