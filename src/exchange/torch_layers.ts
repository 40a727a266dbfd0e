import { transposeKernel } from "./numbers.js";
import { ExchangeError, type ForeignLayer, type NamedTensor, type Role } from "./types.js";

/** What wrappers (DataParallel, Lightning, torch.compile) put before every name. */
const WRAPPERS = /^(?:module\.|model\.|net\.|network\.|_orig_mod\.)+/;

/**
 * Groups the tensors of a state dict into layers, by the part of their names before the last dot, with kernels turned
 * into tfjs order: convolutions [out, in, h, w] and transposed ones [in, out, h, w] both become [h, w, b, a] of [a, b, h, w],
 * which is what tfjs wants of either.
 * @throws ExchangeError naming a tensor that no layer here has.
 */
export function torchLayers(file: string, tensors: readonly NamedTensor[]): ForeignLayer[] {
  const groups = new Map<string, Map<string, NamedTensor>>();
  for (const tensor of tensors) {
    const name = tensor.name.replace(WRAPPERS, "");
    const dot = name.lastIndexOf(".");
    const group = name.slice(0, Math.max(dot, 0));
    groups.set(group, (groups.get(group) ?? new Map()).set(name.slice(dot + 1), tensor));
  }
  return [...groups].map(([name, parts]) => {
    const weights = new Map<Role, NamedTensor>();
    const weight = parts.get("weight");
    const convolution = weight?.shape.length === 4;
    for (const [part, tensor] of parts) {
      const role = roleOf(part, tensor, convolution);
      if (role === null)
        throw new ExchangeError(
          file,
          `tensor ${tensor.name.slice(0, 200)}, shape [${tensor.shape.join(", ")}]: is of no layer that these networks have (2-D convolutions and batch normalisations)`,
        );
      weights.set(role, role === "kernel" ? transposed(tensor) : tensor);
    }
    return { name, kind: convolution ? null : "BatchNormalization", weights };
  });
}

function roleOf(part: string, { shape }: NamedTensor, convolution: boolean): Role | null {
  if (part === "weight") return shape.length === 4 ? "kernel" : shape.length === 1 ? "gamma" : null;
  if (shape.length !== 1) return null;
  if (part === "bias") return convolution ? "bias" : "beta";
  if (part === "running_mean") return "moving_mean";
  return part === "running_var" ? "moving_variance" : null;
}

function transposed({ name, shape, values }: NamedTensor): NamedTensor {
  const [a, b, h, w] = shape;
  return { name, shape: [h, w, b, a], values: async () => transposeKernel(await values(), shape) };
}
