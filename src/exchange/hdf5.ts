import { type Dataset, type Group, h5wasm } from "h5wasm";
import { elements } from "./numbers.js";
import { ExchangeError, FILE_LIMITS, type NamedTensor } from "./types.js";

/** HDF5 type class of floating-point numbers (H5Tpublic.h). */
const H5T_FLOAT = 1;

/** Whether the bytes begin as HDF5 files do. */
export function isHdf5(bytes: Uint8Array): boolean {
  return [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a].every((byte, i) => bytes[i] === byte);
}

/** What of an HDF5 file holds weights, read whole: no handle stays open. */
export interface Hdf5Contents {
  /** Floating-point data sets by path, without the leading slash, in the file's own order. */
  readonly tensors: ReadonlyMap<string, NamedTensor>;
  /** Text attributes ("model_weights@layer_names" -> list); a list that Keras cut into parts is whole again. */
  readonly lists: ReadonlyMap<string, readonly string[]>;
  readonly texts: ReadonlyMap<string, string>;
}

let files = 0;

/**
 * Reads an HDF5 file that lies in memory with h5wasm; its file system is memory, too, so that a link in the file that
 * leads out of it leads nowhere. Integer data sets (random states, step counters) are left out.
 * @throws ExchangeError naming the data set that is damaged or too large.
 */
export async function readHdf5(file: string, bytes: Uint8Array): Promise<Hdf5Contents> {
  const library = await h5wasm.ready;
  library.activate_throwing_error_handler();
  const path = `/exchange${files++}.h5`;
  library.FS.writeFile(path, bytes);
  const tensors = new Map<string, NamedTensor>();
  const lists = new Map<string, string[]>();
  const texts = new Map<string, string>();
  let opened: InstanceType<typeof h5wasm.File> | null = null;
  try {
    opened = new h5wasm.File(path, "r");
    readAttributes("", opened, lists, texts);
    const names = opened.paths();
    if (names.length > FILE_LIMITS.entries) throw new Error(`holds ${names.length} objects`);
    let total = 0;
    for (const name of names) {
      const key = name.replace(/^\/+/, "");
      const entity = opened.get(name);
      if (entity instanceof h5wasm.Group) readAttributes(key, entity, lists, texts);
      if (!(entity instanceof h5wasm.Dataset)) continue;
      const tensor = readDataset(file, key, entity);
      if (tensor === null) continue;
      total += elements(tensor.shape);
      elements([total]);
      tensors.set(key, tensor);
    }
    return { tensors, lists, texts };
  } catch (error) {
    if (error instanceof ExchangeError) throw error;
    throw new ExchangeError(file, `is damaged or cut off as HDF5 (${reason(error)})`, { cause: error });
  } finally {
    try {
      opened?.close();
    } catch {
      // A damaged file may fail again when it is closed; what was wrong is being said already.
    }
    library.FS.unlink(path);
  }
}

function readDataset(file: string, name: string, dataset: Dataset): NamedTensor | null {
  const { metadata } = dataset;
  if (metadata.type !== H5T_FLOAT || (metadata.size !== 4 && metadata.size !== 8)) return null;
  const shape = metadata.shape ?? [];
  const wrong = (why: string) => new ExchangeError(file, `data set ${name.slice(0, 200)}: ${why}`);
  let count: number;
  try {
    count = elements(shape);
  } catch (error) {
    throw wrong((error as Error).message);
  }
  const value = count === 0 ? new Float32Array(0) : dataset.value;
  const numbers =
    value instanceof Float32Array || value instanceof Float64Array ? value : Float32Array.of(Number(value));
  if (numbers.length !== count) throw wrong(`has ${numbers.length} values for shape [${shape.join(", ")}]`);
  const values = Float32Array.from(numbers);
  return { name, shape, values: async () => values };
}

function readAttributes(
  key: string,
  group: Group,
  lists: Map<string, string[]>,
  texts: Map<string, string>,
): void {
  for (const [name, { value }] of Object.entries(group.attrs)) {
    if (typeof value === "string") texts.set(`${key}@${name}`, value);
    if (!Array.isArray(value) || !value.every((item) => typeof item === "string")) continue;
    // An attribute ends at 64 kB: Keras writes longer lists as name0, name1, ...
    const list = `${key}@${name.replace(/\d+$/, "")}`;
    lists.set(list, [...(lists.get(list) ?? []), ...value]);
  }
}

/** What the library throws is a page of C stack, of which the innermost line says what is wrong. */
function reason(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return ([...text.matchAll(/#\d+: .*\(\): (.*)/g)].at(-1)?.[1] ?? text.split("\n")[0]).slice(0, 200);
}
