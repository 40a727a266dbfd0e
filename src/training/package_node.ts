import { measureSource } from "../adaptation/source_summary.js";
import { writePackage } from "../model/write_node.js";
import { measurePrior } from "../morphology/prior.js";
import { buildAttentionUNet } from "../network/attention_unet.js";
import { receptiveField } from "../network/receptive_field.js";
import type { Vec3 } from "../volume/types.js";
import { writeWeights } from "./loop.js";
import type { TrainingSettings } from "./settings.js";
import type { Slices } from "./slices.js";

export interface PackageDescription {
  /** models/<id>. */
  readonly folder: string;
  readonly name: string;
  readonly description: string;
  /** Data set and split, e.g. "Lucchi++ train". */
  readonly source: string;
  readonly license?: string;
  /** The command that trained it. */
  readonly command: string;
}

/** A label fraction of half a pixel or more is foreground. */
const FOREGROUND = 128;

/**
 * Writes a trained network as a model package, without its dropout layers (they do nothing at inference), with the
 * morphology of the labels it was trained on.
 * @param weights of `settings.network`, in the model's order.
 * @param slices all labelled slices of the source, validation included.
 * @param selected step and criterion by which the weights were chosen.
 */
export async function packageTraining(
  description: PackageDescription,
  weights: readonly Float32Array[],
  settings: TrainingSettings,
  slices: Slices,
  voxelSize: Vec3,
  window: readonly [number, number],
  selected: { criterion: string; step: number },
): Promise<void> {
  const { model } = buildAttentionUNet({ ...settings.network, dropout: "none" });
  try {
    writeWeights(model, weights);
    const { folder, name, source, license, command } = description;
    await writePackage(folder, {
      name,
      description: description.description,
      license,
      topology: model.toJSON(null, false) as object,
      weights: model.weights.map((weight, i) => ({
        name: weight.originalName,
        shape: weight.shape as number[],
        data: weights[i],
      })),
      config: {
        strategy: "source-only",
        source,
        target: null,
        voxelSize,
        field: receptiveField(model),
        window,
        prior: measurePrior(slices.labels, slices.width, slices.height, {
          voxelSize,
          source,
          foreground: FOREGROUND,
        }),
        sourceSummary: measureSource(slices),
        selection: selected,
        training: { command, seed: settings.seed, settings: { ...settings } },
        scores: [],
      },
    });
  } finally {
    model.dispose();
  }
}
