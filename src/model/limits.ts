/** What a package may cost before anything of it is believed. */
export const LIMITS = {
  rdfBytes: 1 << 20,
  topologyBytes: 8 << 20,
  parameters: 100_000_000,
  layers: 1000,
  filters: 4096,
  kernel: 15,
  jsonDepth: 32,
  halo: 1024,
  multiple: 256,
} as const;

/** Reads one file of a package by its plain name; must stop with an error once it has more than `maxBytes`. */
export type FileFetcher = (
  file: string,
  options: { readonly maxBytes: number; readonly signal?: AbortSignal },
) => Promise<Uint8Array>;

/** A file name without folders, so that no package reaches out of its own. */
export const FILE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
export const MODEL_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** SHA-256 as lower-case hex. */
export async function sha256(data: Uint8Array): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", data as Uint8Array<ArrayBuffer>);
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
