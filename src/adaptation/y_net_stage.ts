import { tf } from "../kernels/tf.js";
import { mix, type Random } from "../network/random.js";
import type { YNetwork } from "../network/y_nets.js";
import type { AugmentationOptions } from "../training/augmentation.js";
import { trainableVariables } from "../training/gradients.js";
import { type LossName, segmentationLoss } from "../training/losses.js";
import { Optimiser } from "../training/optimisers.js";
import { meanSquaredError } from "./adversarial_losses.js";
import { assemble, CoinFlips, type DomainBatch, type PatchSet, PatchStream } from "./multi_task_batches.js";
import { averageLoss, differentiate, type TaskLosses } from "./multi_task_step.js";
import type { PatchMatching } from "./patches.js";
import type { Stage, StageSettings, StepLosses, StrategySettings } from "./types.js";

/** What a stage of Attention Y-Net minimises: `alpha` MSE of the image + `beta` loss of the mask, and by which layers. */
export interface YNetTask {
  readonly alpha: number;
  readonly beta: number;
  /** Whether a layer is trained, by its name. Those that are not keep their weights and their batch statistics. */
  readonly trains: (layer: string) => boolean;
  readonly loss: LossName;
}

/** The patches of a stage. Unlabelled ones are left out where there are none. */
export interface YNetPatches {
  readonly labelled: PatchSet;
  /** In the order they are gone through. */
  readonly unlabelled: readonly PatchSet[];
  /** Unlabelled patches in a cycle of coin flips; the authors count those of the target alone. */
  readonly unlabelledInCycle: number;
  readonly validation: readonly PatchSet[];
  readonly augmentation: AugmentationOptions;
  readonly matching: PatchMatching | undefined;
}

/** A LayersModel's several outputs, which tfjs's types make one. */
const both = (outputs: tf.Tensor | tf.Tensor[]) => outputs as [tf.Tensor, tf.Tensor];

/** A stage of Attention Y-Net: batches of one domain each, labelled or not by the toss of a coin. */
export class YNetStage implements Stage {
  readonly optimisers: { readonly network: Optimiser };
  private readonly trained: tf.Variable[];
  private readonly frozen: ReadonlySet<string>;
  private readonly labelled: PatchStream;
  private readonly unlabelled: PatchStream | null;
  private readonly flips: CoinFlips;
  /** The mask's logits alone. */
  private readonly mask: tf.LayersModel;

  constructor(
    private readonly network: YNetwork,
    private readonly task: YNetTask,
    private readonly patches: YNetPatches,
    private readonly settings: StrategySettings,
    { optimiser }: StageSettings,
    /** Of the order of patches and domains. */
    seed: number,
    private readonly random: Random,
  ) {
    const { layers } = network.logits;
    this.frozen = new Set(layers.map((layer) => layer.name).filter((name) => !task.trains(name)));
    this.trained = trainableVariables(network.logits, this.frozen);
    this.optimisers = { network: new Optimiser(this.trained, optimiser) };
    const { batch } = settings;
    const { labelled, unlabelled, unlabelledInCycle } = patches;
    this.labelled = new PatchStream([labelled], mix(seed, 1));
    this.unlabelled = unlabelled.length > 0 ? new PatchStream(unlabelled, mix(seed, 2)) : null;
    const batches = (count: number) => Math.max(1, Math.round(count / batch));
    this.flips = new CoinFlips(
      batches(labelled.count),
      this.unlabelled ? batches(unlabelledInCycle) : 0,
      mix(seed, 3),
    );
    this.mask = tf.model({ inputs: network.logits.inputs, outputs: network.logits.outputs[0] });
  }

  async step(step: number, rate: number): Promise<StepLosses> {
    const { batch, accumulate, patch } = this.settings;
    const { augmentation, matching } = this.patches;
    const { labelled, index } = this.flips.at(step);
    const stream = labelled || !this.unlabelled ? this.labelled : this.unlabelled;
    const size = batch / accumulate;
    const { losses, gradients } = await differentiate(this.trained, accumulate, (i) => {
      const first = index * batch + i * size;
      const cut = Array.from({ length: size }, (_, k) => stream.at(first + k));
      const drawn = assemble(cut, patch, augmentation, matching, this.random);
      return this.losses(drawn, {
        training: true,
        dropoutSeed: this.random.nextUint32(),
        frozen: this.frozen,
      });
    });
    this.optimisers.network.apply(gradients, rate, step);
    tf.dispose(gradients);
    return losses;
  }

  /** Only the half of the network that has a loss is computed; the masks of unlabelled batches have none. */
  private losses({ count, size, em, labels }: DomainBatch, how: object): TaskLosses {
    const { alpha, beta, loss } = this.task;
    const { logits, autoencoder } = this.network;
    const shape: [number, number, number, number] = [count, size, size, 1];
    const x = tf.tensor4d(em, shape);
    const wantsMask = labels !== null && beta > 0;
    let mask: tf.Tensor | null = null;
    let image: tf.Tensor | null = null;
    if (wantsMask && alpha > 0) [mask, image] = both(logits.apply(x, { ...how }) as tf.Tensor[]);
    else if (wantsMask) mask = this.mask.apply(x, { ...how }) as tf.Tensor;
    else image = autoencoder.apply(x, { ...how }) as tf.Tensor;
    const parts: Record<string, tf.Scalar> = {};
    let total: tf.Scalar | null = null;
    if (image) {
      parts.reconstruction = meanSquaredError(x, image);
      total = tf.mul(parts.reconstruction, alpha) as tf.Scalar;
    }
    if (mask && labels) {
      parts.segmentation = segmentationLoss(loss, tf.tensor4d(labels, shape), mask);
      const weighted = tf.mul(parts.segmentation, beta) as tf.Scalar;
      total = total ? (tf.add(total, weighted) as tf.Scalar) : weighted;
    }
    return { total: total as tf.Scalar, parts };
  }

  /** Mean over the held-out patches of all sets, neither augmented nor matched. */
  validate(): Promise<number> {
    return averageLoss(this.patches.validation, (batch) => this.losses(batch, {}).total);
  }

  dispose(): void {
    this.optimisers.network.dispose();
  }
}
