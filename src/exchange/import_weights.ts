import type { tf } from "../kernels/tf.js";
import type { PackageContents } from "../model/encode.js";
import { sha256 } from "../model/limits.js";
import { inferenceCopy } from "../network/graft.js";
import { receptiveField } from "../network/receptive_field.js";
import type { Vec3 } from "../volume/types.js";
import type { Architecture, Gate } from "./architectures.js";
import { loadWeights } from "./load_weights.js";
import { compareOutput, type Difference, type ImageStack } from "./parity.js";
import { ExchangeError, type ForeignWeights } from "./types.js";

/** Intensities in, probabilities out, as the framework that the weights come from computed them. */
export interface ParityCheck {
  readonly input: ImageStack;
  readonly output: ImageStack;
  readonly files: { readonly input: string; readonly output: string };
  /** Largest difference that passes. */
  readonly tolerance: number;
}

export interface ImportOptions {
  readonly architecture: Architecture;
  readonly gate?: Gate;
  readonly epsilon?: number;
  readonly check?: ParityCheck;
  /** Turns the network with its weights into the one that is stored; a copy without dropout when left out. */
  readonly finish?: (used: tf.LayersModel) => Promise<tf.LayersModel> | tf.LayersModel;
}

/** What people say of a model that a file of weights does not. */
export interface ImportDescription {
  readonly name: string;
  readonly description: string;
  /** What it was trained on. */
  readonly source: string;
  readonly target: string | null;
  readonly voxelSize: Vec3;
  readonly window: readonly [number, number];
  readonly authors: readonly string[];
  readonly license: string | null;
  readonly command: string;
  readonly precision: "half" | "single";
}

export interface Imported {
  readonly contents: PackageContents;
  /** Measured with the check; null without one. */
  readonly difference: Difference | null;
  /** Whether nothing but habit says which gate it is. */
  readonly gateAssumed: boolean;
  readonly network: Readonly<Record<string, unknown>>;
  readonly parameters: number;
}

interface Trial {
  readonly built: Awaited<ReturnType<typeof loadWeights>>;
  readonly difference: Difference | null;
}

/**
 * Makes of a file's weights what a model package holds. Where only the gate is open and a check is given, both gates
 * are tried.
 * @param bytes of the file, for its digest in the record.
 * @throws ExchangeError naming the tensor that does not fit. A difference beyond the tolerance is not an error here: the
 * caller decides.
 */
export async function importWeights(
  foreign: ForeignWeights,
  bytes: Uint8Array,
  description: ImportDescription,
  options: ImportOptions,
): Promise<Imported> {
  const { built, difference } = await bestTrial(foreign, options);
  try {
    const gateAssumed = built.gateAssumed && difference === null;
    const finish = options.finish ?? inferenceCopy;
    const network = await finish(built.used);
    try {
      const { name, source, target, voxelSize, window, authors, license, command, precision } = description;
      const weights = await Promise.all(
        network.weights.map(async (weight) => ({
          name: weight.originalName,
          shape: weight.shape as number[],
          data: (await weight.read().data()) as Float32Array,
        })),
      );
      const check = options.check && difference && { ...difference, tolerance: options.check.tolerance };
      const contents: PackageContents = {
        name,
        description: description.description,
        topology: network.toJSON(null, false) as object,
        weights,
        precision,
        authors: authors.map((author) => ({ name: author })),
        license,
        config: {
          strategy: "imported",
          source,
          target,
          voxelSize,
          field: receptiveField(network),
          window,
          prior: null,
          selection: { criterion: "not known", step: 0 },
          training: {
            command,
            seed: 0,
            settings: {
              imported: {
                file: foreign.file,
                sha256: await sha256(bytes),
                format: foreign.format,
                architecture: options.architecture,
                network: built.options,
                ...(check ? { check } : {}),
              },
            },
          },
          scores: [],
        },
      };
      const parameters = weights.reduce((sum, { data }) => sum + data.length, 0);
      return { contents, difference, gateAssumed, network: built.options, parameters };
    } finally {
      if (network !== built.used) network.dispose();
    }
  } finally {
    built.whole.dispose();
  }
}

/** The network as the options say, or, where the gate is open and can be checked, with the gate that agrees better. */
async function bestTrial(foreign: ForeignWeights, options: ImportOptions): Promise<Trial> {
  const first = await trial(foreign, options);
  const { built, difference } = first;
  if (!built.gateAssumed || difference === null || difference.largest <= (options.check?.tolerance ?? 0))
    return first;
  const second = await trial(foreign, { ...options, gate: "textbook" });
  const better = (second.difference?.largest ?? Number.POSITIVE_INFINITY) < difference.largest;
  (better ? first : second).built.whole.dispose();
  return better ? second : first;
}

async function trial(
  foreign: ForeignWeights,
  { architecture, gate, epsilon, check }: ImportOptions,
): Promise<Trial> {
  const built = await loadWeights(foreign, architecture, { gate, epsilon });
  try {
    if (check === undefined) return { built, difference: null };
    // A network that is not frozen yet has no receptive field; that of DAMT-Net halves its maps four times.
    const multiple = architecture === "damt-net" ? 16 : receptiveField(built.used).multiple;
    const difference = await compareOutput(built.used, check.input, check.output, { multiple, ...check });
    if (!Number.isFinite(difference.largest))
      throw new ExchangeError(foreign.file, "the network answers what is no number to the check's input");
    return { built, difference };
  } catch (error) {
    built.whole.dispose();
    throw error;
  }
}
