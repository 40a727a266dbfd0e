import type { ReceptiveField } from "../inference/types.js";
import type { PackageContents } from "../model/encode.js";
import { dataCitations } from "../model/rdf.js";
import type { ModelScore, SourceStatistics } from "../model/types.js";
import { writePackage } from "../model/write_node.js";
import { measurePrior } from "../morphology/prior.js";
import type { MorphologyPrior } from "../morphology/types.js";
import { buildAttentionUNet } from "../network/attention_unet.js";
import { receptiveField } from "../network/receptive_field.js";
import type { Vec3 } from "../volume/types.js";
import { writeWeights } from "./loop.js";
import type { TrainingSettings } from "./settings.js";
import type { Slices } from "./slices.js";
import { measureSource } from "./source_statistics.js";

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
    await packageNetwork(
      { ...description, strategy: "source-only", target: null },
      {
        topology: model.toJSON(null, false) as object,
        weights: model.weights.map((weight, i) => ({
          name: weight.originalName,
          shape: weight.shape as number[],
          data: weights[i],
        })),
        field: receptiveField(model),
      },
      {
        voxelSize,
        window,
        prior: measurePrior(slices.labels, slices.width, slices.height, {
          voxelSize,
          source: description.source,
          foreground: FOREGROUND,
        }),
        statistics: measureSource(slices),
      },
      { seed: settings.seed, settings: { ...settings } },
      selected,
    );
  } finally {
    model.dispose();
  }
}

/** A network of any strategy, flat, without what only training needs. */
export interface NetworkToPackage extends Pick<PackageContents, "topology" | "weights"> {
  readonly field: ReceptiveField;
}

/** What a package says of its source, and of the grid that its network works on. */
export interface PackageSource {
  /** nm of the model's grid. */
  readonly voxelSize: Vec3;
  readonly window: readonly [number, number];
  readonly prior: MorphologyPrior;
  readonly statistics: SourceStatistics;
}

/**
 * Writes the network of any strategy as a model package.
 * @param selected step and criterion by which the weights were chosen.
 * @param scores what it reached, with the commands that measured it.
 * @throws ModelError when the package could not be read back.
 */
export async function packageNetwork(
  description: PackageDescription & {
    readonly strategy: string;
    /** Data set and part that it was adapted to; null for none. */
    readonly target: string | null;
  },
  network: NetworkToPackage,
  from: PackageSource,
  training: { readonly seed: number; readonly settings: Record<string, unknown> },
  selected: { readonly criterion: string; readonly step: number },
  scores: readonly ModelScore[] = [],
): Promise<void> {
  const { folder, name, source, target, strategy, license, command } = description;
  await writePackage(folder, {
    name,
    description: description.description,
    license,
    cite: target === null ? [] : dataCitations(target),
    topology: network.topology,
    weights: network.weights,
    config: {
      strategy,
      source,
      target,
      voxelSize: from.voxelSize,
      field: network.field,
      window: from.window,
      prior: from.prior,
      sourceSummary: from.statistics,
      selection: selected,
      training: { command, ...training },
      scores,
    },
  });
}
