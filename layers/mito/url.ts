import type { IntensityWindow, TestTimeAugmentation } from "../../src/inference/types.js";
import type { Vec3 } from "../../src/volume/types.js";
import type { MitoQuery } from "./base.js";

/** A `mito` URL that cannot be used: names the parameter and says what it should be. */
export class MitoUrlError extends Error {
  override name = "MitoUrlError";
  constructor(message: string) {
    super(`mito: ${message}`);
  }
}

/**
 * Voxels of a display chunk at most. Twice as many as ids fit beside the chunk index (2^20), since no two objects of
 * a chunk touch; and 2 MiB of probability a chunk.
 */
const CHUNK_VOXELS = 1 << 21;
/** Voxels of a display chunk along one axis at most: runs of labels hold places in 16 bits. */
const CHUNK_EXTENT = 65_535;
const PARAMETERS = ["model", "window", "tta", "chunk", "channel"] as const;
const AUGMENTATIONS: readonly string[] = ["none", "flip", "d4"] satisfies TestTimeAugmentation[];
/** Same as the package reader's rule (src/model/limits.ts): no folders, so that no URL reaches out of `models/`. */
const MODEL_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/**
 * Splits `<inner source>?<our query>` (what follows `mito://`). The last "?" starts ours: the inner source may have a
 * query of its own.
 * @throws MitoUrlError when there is no inner source or no query.
 */
export function splitInner(url: string): { readonly inner: string; readonly query: string } {
  const mark = url.lastIndexOf("?");
  if (mark === -1) throw new MitoUrlError(`no model given: end the URL with ?model=<id>`);
  const inner = url.slice(0, mark);
  if (inner === "")
    throw new MitoUrlError("no source given: mito://<a Neuroglancer source of an EM volume>?model=<id>");
  return { inner, query: url.slice(mark + 1) };
}

/**
 * Parses our part of a URL, without the "?".
 * @throws MitoUrlError on an unknown, repeated, missing or unusable parameter.
 */
export function parseMitoQuery(text: string): MitoQuery {
  const values = new Map<string, string>();
  for (const [key, value] of new URLSearchParams(text)) {
    if (!(PARAMETERS as readonly string[]).includes(key))
      throw new MitoUrlError(`unknown parameter ${JSON.stringify(key)}; known are ${PARAMETERS.join(", ")}`);
    if (values.has(key)) throw new MitoUrlError(`${key} is given twice`);
    values.set(key, value);
  }
  const model = values.get("model");
  if (model === undefined) throw new MitoUrlError("no model given: add model=<id>");
  if (!MODEL_ID.test(model))
    throw new MitoUrlError(`model=${JSON.stringify(model)} is not a model id (letters, digits, . _ -)`);
  const tta = values.get("tta") ?? "none";
  if (!AUGMENTATIONS.includes(tta))
    throw new MitoUrlError(`tta=${JSON.stringify(tta)} must be one of ${AUGMENTATIONS.join(", ")}`);
  const window = values.get("window");
  const chunk = values.get("chunk");
  const channel = values.get("channel");
  return {
    model,
    tta: tta as TestTimeAugmentation,
    ...(window !== undefined && { window: parseWindow(window) }),
    ...(chunk !== undefined && { chunk: parseChunk(chunk) }),
    ...(channel !== undefined && { channel: parseChannel(channel) }),
  };
}

/** The query in one order, so that equal sources have equal URLs. */
export function formatMitoQuery({ model, window, tta, chunk, channel }: MitoQuery): string {
  const parts = [`model=${model}`];
  if (window !== undefined) parts.push(`window=${window.join(",")}`);
  if (tta !== "none") parts.push(`tta=${tta}`);
  if (chunk !== undefined) parts.push(`chunk=${chunk.join(",")}`);
  if (channel !== undefined) parts.push(`channel=${channel}`);
  return parts.join("&");
}

/** Numbers in plain decimal notation only: no empty string, no hex, no Infinity. */
function numbers(text: string): number[] {
  return text
    .split(",")
    .map((part) => (/^-?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(part) ? Number(part) : Number.NaN));
}

function parseWindow(text: string): IntensityWindow {
  const [lower, upper, ...more] = numbers(text);
  if (!(Number.isFinite(lower) && Number.isFinite(upper) && lower < upper && more.length === 0))
    throw new MitoUrlError(
      `window=${JSON.stringify(text)} must be two intensities "lower,upper" with lower < upper, for example window=0,255`,
    );
  return [lower, upper];
}

function parseChunk(text: string): Vec3 {
  const sizes = numbers(text);
  const [x, y, z] = sizes;
  const each = sizes.every((s) => Number.isInteger(s) && s > 0 && s <= CHUNK_EXTENT);
  if (!(sizes.length === 3 && each && x * y * z <= CHUNK_VOXELS))
    throw new MitoUrlError(
      `chunk=${JSON.stringify(text)} must be three voxel counts "x,y,z" of at most ${CHUNK_EXTENT} each and ${CHUNK_VOXELS} voxels ` +
        "together, for example chunk=256,256,8",
    );
  return [x, y, z];
}

function parseChannel(text: string): number {
  const [channel, ...more] = numbers(text);
  if (!(Number.isInteger(channel) && channel >= 0 && more.length === 0))
    throw new MitoUrlError(`channel=${JSON.stringify(text)} must be a channel index from 0`);
  return channel;
}
