import type { ZipArchive } from "../model/zip.js";
import { decodeFloats, elements, FLOAT_BYTES, type FloatType } from "./numbers.js";
import { Global, unpickle } from "./pickle.js";
import { ExchangeError, FILE_LIMITS, type NamedTensor } from "./types.js";

/** Element types by the name of the storage; null for integers, which are no weights. */
const STORAGES: ReadonlyMap<string, { readonly type: FloatType | null; readonly bytes: number }> = new Map([
  ["torch FloatStorage", { type: "float32", bytes: 4 }],
  ["torch DoubleStorage", { type: "float64", bytes: 8 }],
  ["torch HalfStorage", { type: "float16", bytes: 2 }],
  ["torch BFloat16Storage", { type: "bfloat16", bytes: 2 }],
  ["torch LongStorage", { type: null, bytes: 8 }],
  ["torch IntStorage", { type: null, bytes: 4 }],
  ["torch ShortStorage", { type: null, bytes: 2 }],
  ["torch CharStorage", { type: null, bytes: 1 }],
  ["torch ByteStorage", { type: null, bytes: 1 }],
  ["torch BoolStorage", { type: null, bytes: 1 }],
]);
const REBUILD = new Set(["torch._utils _rebuild_tensor", "torch._utils _rebuild_tensor_v2"]);
const PARAMETER = "torch._utils _rebuild_parameter";
const DICT = "collections OrderedDict";
/** Under which a checkpoint keeps its state dict, the likeliest first. */
const KEYS = ["state_dict", "model_state_dict", "model", "net", "network", "module", "weights"];

interface Storage {
  readonly entry: string;
  readonly type: FloatType | null;
  readonly bytes: number;
  readonly count: number;
}

class StoredTensor {
  constructor(
    readonly storage: Storage,
    readonly offset: number,
    readonly shape: readonly number[],
    readonly strides: readonly number[],
  ) {}
}

/**
 * Tensors of a file that `torch.save` wrote (a zip archive since PyTorch 1.6): a state dict, or a checkpoint that holds
 * one. Its pickle is read as data: nothing in it is looked up or run, and a name that a state dict has no use for is
 * refused. Integer tensors are left out.
 * @param key Under which a checkpoint keeps the state dict; the usual names are tried when left out.
 * @returns In the order of the state dict, which is that in which the model's modules were made.
 * @throws ExchangeError naming what is refused, missing or damaged.
 */
export async function readTorchArchive(
  file: string,
  archive: ZipArchive,
  key?: string,
): Promise<NamedTensor[]> {
  const pickle = archive.names.find((name) => name === "data.pkl" || name.endsWith("/data.pkl"));
  if (pickle === undefined)
    throw new ExchangeError(file, "is a zip archive without data.pkl: not of PyTorch");
  const folder = pickle.slice(0, -"data.pkl".length);
  if (archive.names.includes(`${folder}constants.pkl`))
    throw new ExchangeError(
      file,
      "is a TorchScript program: save its weights alone with torch.save(model.state_dict(), path)",
    );
  const attempt = async <T>(job: () => Promise<T> | T): Promise<T> => {
    try {
      return await job();
    } catch (error) {
      if (error instanceof ExchangeError) throw error;
      throw new ExchangeError(file, (error as Error).message, { cause: error });
    }
  };
  if (archive.names.includes(`${folder}byteorder`)) {
    const order = await attempt(() => archive.read(`${folder}byteorder`));
    if (new TextDecoder().decode(order) !== "little")
      throw new ExchangeError(file, "was written on a big-endian machine, which is not read");
  }
  const bytes = await attempt(() => archive.read(pickle));
  const dict = await attempt(() => stateDict(load(bytes, folder), key));
  const tensors: NamedTensor[] = [];
  for (const [name, tensor] of dict) {
    const { storage, shape } = tensor;
    if (storage.type === null) continue;
    const named = (error: unknown) =>
      new ExchangeError(file, `tensor ${name.slice(0, 200)}: ${(error as Error).message}`, { cause: error });
    try {
      checkTensor(tensor);
    } catch (error) {
      throw named(error);
    }
    tensors.push({
      name,
      shape,
      values: async () => {
        try {
          const data = await archive.read(storage.entry);
          if (data.length !== storage.count * storage.bytes)
            throw new Error(`has ${data.length} bytes for ${storage.count} elements`);
          return gather(tensor, storage.type as FloatType, data);
        } catch (error) {
          throw named(error);
        }
      },
    });
  }
  return tensors;
}

/** The pickle's value, tensors standing for what would be rebuilt. */
function load(bytes: Uint8Array, folder: string): unknown {
  return unpickle(bytes, {
    refuse: (path) =>
      STORAGES.has(path) || REBUILD.has(path) || path === PARAMETER || path === DICT
        ? null
        : `names ${JSON.stringify(path.slice(0, 100).replace(" ", "."))}, which no state dict needs: nothing of it was run. Save the weights alone with torch.save(model.state_dict(), path), or as safetensors`,
    reduce: ({ path }, args) => {
      if (path === DICT && args.length === 0) return new Map();
      if (path === PARAMETER) return args[0];
      const [storage, offset, shape, strides] = args as [Storage, number, number[], number[]];
      if (!REBUILD.has(path) || !(isStorage(storage) && Array.isArray(shape) && Array.isArray(strides)))
        throw new Error(`its pickle makes something of ${path.replace(" ", ".")} that is not understood`);
      return new StoredTensor(storage, offset, shape, strides);
    },
    persistent: (id) => {
      const [kind, type, name, , count] = Array.isArray(id) ? id : [];
      const storage = type instanceof Global ? STORAGES.get(type.path) : undefined;
      if (kind !== "storage" || storage === undefined || typeof name !== "string" || !(count >= 0))
        throw new Error("its pickle refers to something that is no storage");
      return { entry: `${folder}data/${name}`, ...storage, count } satisfies Storage;
    },
  });
}

const isStorage = (value: unknown): value is Storage =>
  typeof value === "object" && value !== null && "entry" in value && "count" in value;

/** Tensors by name, if the value is a dict of such (whatever else may be in it). */
function tensorsOf(value: unknown): Map<string, StoredTensor> | null {
  if (!(value instanceof Map)) return null;
  const tensors = new Map<string, StoredTensor>();
  for (const [name, tensor] of value)
    if (typeof name === "string" && tensor instanceof StoredTensor) tensors.set(name, tensor);
  if (tensors.size > FILE_LIMITS.entries) throw new Error(`has ${tensors.size} tensors`);
  return tensors.size > 0 ? tensors : null;
}

function stateDict(value: unknown, key: string | undefined): Map<string, StoredTensor> {
  const top = value instanceof Map ? value : new Map<unknown, unknown>();
  const names = [...top.keys()].filter((name) => typeof name === "string").map((name) => name.slice(0, 40));
  if (key !== undefined) {
    const found = tensorsOf(top.get(key));
    if (found === null)
      throw new Error(
        `has no state dict under "${key}"; there is ${names.slice(0, 12).join(", ") || "nothing"}`,
      );
    return found;
  }
  const found = tensorsOf(top);
  if (found !== null) return found;
  for (const name of KEYS) {
    const inner = tensorsOf(top.get(name));
    if (inner !== null) return inner;
  }
  throw new Error(
    `holds no state dict under a usual name; say which one it is with --key, of ${names.slice(0, 12).join(", ") || "none"}`,
  );
}

function checkTensor({ storage, offset, shape, strides }: StoredTensor): void {
  const count = elements(shape);
  if (
    strides.length !== shape.length ||
    ![offset, ...strides].every((n) => Number.isSafeInteger(n) && n >= 0)
  )
    throw new Error("has a damaged layout");
  const last = shape.reduce((sum, extent, axis) => sum + (extent - 1) * strides[axis], offset);
  if (count > 0 && last >= storage.count)
    throw new Error(`of shape [${shape.join(", ")}] reaches beyond its ${storage.count} stored elements`);
}

/** Elements in the order of the shape, whatever the strides are. */
function gather({ offset, shape, strides }: StoredTensor, type: FloatType, data: Uint8Array): Float32Array {
  const all = decodeFloats(data.subarray(0, data.length - (data.length % FLOAT_BYTES[type])), type);
  const count = elements(shape);
  const out = new Float32Array(count);
  const index = shape.map(() => 0);
  let from = offset;
  for (let i = 0; i < count; i++) {
    out[i] = all[from];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis];
      if (++index[axis] < shape[axis]) break;
      from -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
  return out;
}
