import { ZipArchive, ZipError } from "../model/zip.js";
import { isHdf5 } from "./hdf5.js";
import { readKerasArchive, readKerasHdf5 } from "./keras.js";
import { isSafetensors, readSafetensors } from "./safetensors.js";
import { readTorchArchive } from "./torch_archive.js";
import { torchLayers } from "./torch_layers.js";
import { ExchangeError, FILE_LIMITS, type ForeignWeights } from "./types.js";

const PICKLE = 0x80;
const isZip = (bytes: Uint8Array) => bytes[0] === 0x50 && bytes[1] === 0x4b;

/**
 * Weights of a file of Keras or PyTorch, told apart by its bytes: HDF5 (.h5, .weights.h5), a .keras archive, safetensors,
 * or what `torch.save` wrote (.pt, .pth). Nothing in the file is run.
 * @param key Of the state dict in a PyTorch checkpoint, where it is none of the usual.
 * @throws ExchangeError naming what is wrong and, where it is one, the tensor.
 */
export async function readForeignWeights(
  file: string,
  bytes: Uint8Array,
  { key }: { key?: string } = {},
): Promise<ForeignWeights> {
  if (isHdf5(bytes)) return readKerasHdf5(file, bytes);
  if (isZip(bytes)) {
    try {
      const archive = new ZipArchive(bytes, { entries: FILE_LIMITS.entries, bytes: FILE_LIMITS.bytes });
      if (archive.names.includes("model.weights.h5")) return await readKerasArchive(file, archive);
      return torch(file, "PyTorch archive", torchLayers(file, await readTorchArchive(file, archive, key)));
    } catch (error) {
      if (error instanceof ZipError) throw new ExchangeError(file, error.message, { cause: error });
      throw error;
    }
  }
  if (isSafetensors(bytes))
    return torch(file, "safetensors", torchLayers(file, readSafetensors(file, bytes)));
  throw new ExchangeError(
    file,
    bytes[0] === PICKLE
      ? "is a bare pickle, as PyTorch wrote before 1.6: load it there and save it again with torch.save(model.state_dict(), path)"
      : "is neither HDF5 or .keras of Keras, nor safetensors or a .pt archive of PyTorch",
  );
}

function torch(file: string, format: string, layers: ForeignWeights["layers"]): ForeignWeights {
  if (layers.length === 0) throw new ExchangeError(file, "holds no weights");
  return { file, format, framework: "PyTorch", layers, graph: null };
}
