import type { ReceptiveField } from "../inference/types.js";
import type { MorphologyPrior, RegionDistribution } from "../morphology/types.js";
import type { Vec3 } from "../volume/types.js";

/** Numbers as a command printed them, with that command. */
export interface ModelScore {
  readonly data: string;
  /** Foreground IoU per slice, averaged; an empty slice counts 0 (the paper's metric). */
  readonly iouPerSlice: number;
  /** Foreground IoU over the whole volume. */
  readonly iouVolume: number;
  readonly tta: string;
  readonly command: string;
}

/**
 * What adaptation needs of a source without its images; with the prior, all that a strategy that does not train on source
 * images asks for (docs/strategies.md).
 */
export interface SourceStatistics {
  /** Pixels of each grey value 0..255 of the source's EM on the model's grid, after the intensity window. */
  readonly histogram: readonly number[];
  /** Region morphology of its labels on the model's grid; null where they have no region. */
  readonly regions: RegionDistribution | null;
}

/** The `config.chondria` block of a package's rdf.yaml. */
export interface ChondriaConfig {
  readonly formatVersion: 1;
  readonly strategy: string;
  readonly source: string;
  readonly target: string | null;
  /** nm, x y z; only the in-plane part binds a 2-D model. */
  readonly voxelSize: Vec3;
  readonly field: ReceptiveField;
  /** Intensity window of 8-bit EM at training, in raw values. */
  readonly window: readonly [number, number];
  /** null: not known, as of a model from elsewhere that came without its labels. */
  readonly prior: MorphologyPrior | null;
  /** Not there in packages made before it was, or from elsewhere: `chondria model summarise` adds it. */
  readonly sourceSummary?: SourceStatistics;
  readonly selection: { readonly criterion: string; readonly step: number };
  readonly training: {
    readonly command: string;
    readonly seed: number;
    readonly settings: Record<string, unknown>;
  };
  readonly scores: readonly ModelScore[];
  /** SHA-256 (hex) of every other file of the package, by file name. */
  readonly files: Record<string, string>;
}

/** A checked model package in memory, before any tensor exists. */
export interface ModelPackage {
  /** Folder name, as in `?model=<id>`. */
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly config: ChondriaConfig;
  /** SHA-256 (hex) of rdf.yaml: identifies model, weights (by their digests) and settings. */
  readonly digest: string;
  /** tfjs layers topology, already checked against size limits and the layer allow-list. */
  readonly topology: object;
  readonly weightSpecs: readonly {
    name: string;
    shape: number[];
    dtype: "float32";
    quantization?: { dtype: "float16" };
  }[];
  readonly weightData: ArrayBuffer;
}

/** Anything wrong with a package: names the package, the file and the field. */
export class ModelError extends Error {
  override name = "ModelError";
  constructor(
    readonly model: string,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(`model ${model}: ${message}`, options);
  }
}
