import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { readNpy } from "../../src/exchange/npy.js";

const path = (name: string) => fileURLToPath(new URL(`../golden/foreign/${name}`, import.meta.url));

/** A file of test/golden/foreign, unpacked where it is kept gzipped. */
export function foreignFile(name: string): Uint8Array<ArrayBuffer> {
  const packed = !/\.(npy|safetensors)$/.test(name);
  const bytes = readFileSync(packed ? `${path(name)}.gz` : path(name));
  return new Uint8Array(packed ? gunzipSync(bytes) : bytes);
}

export const foreignArray = (name: string) => readNpy(name, foreignFile(name));
