/** A file of weights, or a package from elsewhere, that cannot be taken: names the file, and the tensor where it is one. */
export class ExchangeError extends Error {
  override name = "ExchangeError";
  constructor(
    readonly file: string,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(`${file}: ${message}`, options);
  }
}

/** A tensor of a file, read when asked for. */
export interface NamedTensor {
  /** As the file names it. */
  readonly name: string;
  readonly shape: readonly number[];
  /** In 32 bits, last axis fastest. @throws ExchangeError. */
  values(): Promise<Float32Array>;
}

/** What a tensor is to its layer, by the names of Keras. */
export type Role = "kernel" | "bias" | "gamma" | "beta" | "moving_mean" | "moving_variance";

export type LayerKind = "Conv2D" | "Conv2DTranspose" | "BatchNormalization";

/** A layer with weights; kernels lie as tfjs wants them: [height, width, in, out], of a transposed convolution [.., out, in]. */
export interface ForeignLayer {
  readonly name: string;
  /** null: a convolution of which the file does not say which way it goes. */
  readonly kind: LayerKind | null;
  readonly weights: ReadonlyMap<Role, NamedTensor>;
}

/** A layer of a model that a file describes, with or without weights. */
export interface GraphNode {
  readonly kind: string;
  readonly config: Readonly<Record<string, unknown>>;
  /** Names of the layers it reads. */
  readonly inputs: readonly string[];
}

/** The layers of a file of weights. */
export interface ForeignWeights {
  readonly file: string;
  readonly format: string;
  readonly framework: "Keras" | "PyTorch";
  /** In the order in which the model was most likely put together. */
  readonly layers: readonly ForeignLayer[];
  /** Where the file holds the model's description as well. */
  readonly graph: ReadonlyMap<string, GraphNode> | null;
}

/** What a file may cost before anything of it is believed. */
export const FILE_LIMITS = {
  /** Bytes of the file, and of all that is unpacked from it. */
  bytes: 2 ** 30,
  /** Entries of an archive, data sets of an HDF5 file, tensors of a state dict. */
  entries: 20_000,
  headerBytes: 8 << 20,
  dimensions: 6,
} as const;
