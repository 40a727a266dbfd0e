import { groupNorm } from "../kernels/group_norm.js";
import { tf } from "../kernels/tf.js";

export interface GroupNormalisationArgs {
  name?: string;
  /** Divides the channels. */
  groups: number;
  epsilon: number;
}

/**
 * `groupNorm` as a layer, for inputs [N, ..., C]: no scale, no centre, no state. It looks at the whole image, so a prediction would
 * depend on its tile: `freeze` replaces it before a network leaves training.
 */
export class GroupNormalisation extends tf.layers.Layer {
  static readonly className = "GroupNormalisation";
  readonly groups: number;
  readonly epsilon: number;

  constructor({ name, groups, epsilon }: GroupNormalisationArgs) {
    super({ name });
    if (!Number.isInteger(groups) || groups < 1)
      throw new Error(`groups must be a positive integer, not ${groups}`);
    if (!(epsilon > 0)) throw new Error(`epsilon must be positive, not ${epsilon}`);
    this.groups = groups;
    this.epsilon = epsilon;
  }

  override build(inputShape: tf.Shape): void {
    const channels = inputShape[inputShape.length - 1];
    if (channels === null || channels % this.groups !== 0)
      throw new Error(`layer ${this.name}: ${this.groups} groups do not divide ${channels} channels`);
    super.build(inputShape);
  }

  override computeOutputShape(inputShape: tf.Shape): tf.Shape {
    return inputShape;
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    const x = Array.isArray(inputs) ? inputs[0] : inputs;
    return tf.tidy(() => groupNorm(x, this.groups, this.epsilon));
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), groups: this.groups, epsilon: this.epsilon };
  }
}

tf.serialization.registerClass(GroupNormalisation);
