import { type Architecture, type BuiltNetwork, buildFor, type Gate } from "./architectures.js";
import { matchLayers } from "./match.js";
import { fillSlot, slotsOf } from "./slots.js";
import { ExchangeError, type ForeignLayer, type ForeignWeights, type Role } from "./types.js";

/** What either framework adds to a variance when nobody says otherwise. */
const EPSILON = { Keras: 1e-3, PyTorch: 1e-5 } as const;

export interface LoadWeightsOptions {
  readonly gate?: Gate;
  /** Of batch normalisation, where it is neither the framework's default nor in the file. */
  readonly epsilon?: number;
}

/**
 * Builds a network for the weights of a file and gives them to it.
 * @returns the network on the current backend; the caller disposes `whole`.
 * @throws ExchangeError naming the first tensor that does not fit.
 */
export async function loadWeights(
  foreign: ForeignWeights,
  architecture: Architecture,
  { gate, epsilon }: LoadWeightsOptions = {},
): Promise<BuiltNetwork> {
  const built = buildFor(foreign, architecture, gate);
  try {
    for (const { slot, layer, norm } of matchLayers(foreign, slotsOf(built.whole))) {
      const described = norm === null ? undefined : foreign.graph?.get(norm.name)?.config.epsilon;
      const used = epsilon ?? (typeof described === "number" ? described : EPSILON[foreign.framework]);
      const filters = slot.kernel[slot.kind === "Conv2D" ? 3 : 2];
      const kernel = await read(foreign, layer, "kernel");
      if (kernel === null) throw new ExchangeError(foreign.file, `${layer.name} has no kernel`);
      const bias = await vector(foreign, layer, "bias", filters);
      try {
        fillSlot(slot, {
          kernel,
          bias,
          norm: norm && {
            gamma: (await vector(foreign, norm, "gamma", filters)) ?? new Float32Array(filters).fill(1),
            beta: (await vector(foreign, norm, "beta", filters)) ?? new Float32Array(filters),
            mean: await needed(foreign, norm, "moving_mean", filters),
            variance: await needed(foreign, norm, "moving_variance", filters),
            epsilon: used,
          },
        });
      } catch (error) {
        if (error instanceof ExchangeError) throw error;
        throw new ExchangeError(foreign.file, `${layer.name} ${(error as Error).message}`, { cause: error });
      }
    }
    return built;
  } catch (error) {
    built.whole.dispose();
    throw error;
  }
}

/** Values of a tensor, all of them numbers. */
async function read(
  { file }: ForeignWeights,
  { weights }: ForeignLayer,
  role: Role,
): Promise<Float32Array | null> {
  const tensor = weights.get(role);
  if (tensor === undefined) return null;
  const values = await tensor.values();
  const bad = values.find((value) => !Number.isFinite(value));
  if (bad !== undefined) throw new ExchangeError(file, `tensor ${tensor.name} holds ${bad}`);
  return values;
}

async function vector(
  foreign: ForeignWeights,
  layer: ForeignLayer,
  role: Role,
  length: number,
): Promise<Float32Array | null> {
  const values = await read(foreign, layer, role);
  if (values !== null && values.length !== length)
    throw new ExchangeError(
      foreign.file,
      `tensor ${layer.weights.get(role)?.name}: ${values.length} values where ${length} are wanted`,
    );
  return values;
}

async function needed(...args: Parameters<typeof vector>): Promise<Float32Array> {
  const values = await vector(...args);
  if (values === null) throw new ExchangeError(args[0].file, `${args[1].name} has no ${args[2]}`);
  return values;
}
