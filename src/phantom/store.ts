import { boxSize, boxVolume } from "../volume/box.js";
import type { Box, Vec3, VolumeSource } from "../volume/types.js";
import { VolumeError } from "../volume/types.js";
import { partsOf, placePart } from "./parts.js";
import { Phantom } from "./phantom.js";
import { parsePhantomStyle } from "./style.js";

/**
 * The phantom as a read-only key-value store in the layout of Neuroglancer's precomputed volumes:
 * `<style>/<seed>/em/info`, `<style>/<seed>/em/<scale>/<x0>-<x1>_<y0>-<y1>_<z0>-<z1>` (raw uint8), and the same under
 * `labels` (raw uint64, the mitochondria). `<style>` is a preset with overrides: `fib`, `fib,noise=12,blur=6`.
 */
export const phantomScheme = "phantom";

type Kind = "em" | "labels";

interface PhantomAddress {
  readonly phantom: Phantom;
  readonly kind: Kind;
  /** What follows: "info" or "<scale>/<chunk>", without slashes at its ends. */
  readonly rest: string;
}

/** Phantoms in use: tissue caches are worth keeping, but not many of them. */
const open = new Map<string, Phantom>();
const mostOpen = 3;

/** @throws VolumeError when the style or the seed is not one. */
function phantomOf(style: string, seed: string, input: string): Phantom {
  const key = `${style}/${seed}`;
  let phantom = open.get(key);
  if (phantom !== undefined) open.delete(key);
  else {
    if (!/^\d{1,10}$/.test(seed)) {
      throw new VolumeError(input, `the seed "${seed}" must be an integer, as in phantom://fib/1/em`);
    }
    phantom = new Phantom(parsePhantomStyle(style, input), Number(seed), `${phantomScheme}://${key}`);
  }
  open.set(key, phantom);
  if (open.size > mostOpen) open.delete(open.keys().next().value!);
  return phantom;
}

function parsePath(path: string): PhantomAddress {
  const input = `${phantomScheme}://${path}`;
  let decoded: string;
  try {
    decoded = decodeURIComponent(path);
  } catch (cause) {
    throw new VolumeError(input, "the address is not valid percent-encoding", { cause });
  }
  const [style, seed, kind, ...rest] = decoded.replace(/^\/+|\/+$/g, "").split("/");
  if (seed === undefined || (kind !== "em" && kind !== "labels")) {
    throw new VolumeError(
      input,
      'a phantom address is <style>/<seed>/em or <style>/<seed>/labels, as in "fib/1/em"',
    );
  }
  return { phantom: phantomOf(style, seed, input), kind, rest: rest.join("/") };
}

const scaleKey = (level: number) => `s${level}`;

function info(phantom: Phantom, kind: Kind): Uint8Array<ArrayBuffer> {
  const scales = phantom.scales.map(({ bounds, voxelSize, chunkSize }, level) => ({
    key: scaleKey(level),
    size: boxSize(bounds),
    resolution: voxelSize,
    voxel_offset: bounds.lower,
    chunk_sizes: [chunkSize],
    encoding: "raw",
  }));
  const json = {
    "@type": "neuroglancer_multiscale_volume",
    type: kind === "em" ? "image" : "segmentation",
    data_type: kind === "em" ? "uint8" : "uint64",
    num_channels: 1,
    scales,
  };
  return new TextEncoder().encode(JSON.stringify(json));
}

const chunkPattern = /^s(\d{1,2})\/(\d{1,7})-(\d{1,7})_(\d{1,7})-(\d{1,7})_(\d{1,7})-(\d{1,7})$/;

/** The box of a chunk's key when it is exactly one chunk of the scale's grid. */
function chunkBox(phantom: Phantom, rest: string): { scale: number; box: Box } | undefined {
  const match = chunkPattern.exec(rest);
  if (match === null) return undefined;
  const [scale, x0, x1, y0, y1, z0, z1] = match.slice(1).map(Number);
  const found = phantom.scales[scale];
  if (found === undefined) return undefined;
  const lower: Vec3 = [x0, y0, z0];
  const upper: Vec3 = [x1, y1, z1];
  const { bounds, chunkSize } = found;
  for (let a = 0; a < 3; ++a) {
    const clipped = Math.min(lower[a] + chunkSize[a], bounds.upper[a]);
    if (lower[a] % chunkSize[a] !== 0 || lower[a] >= bounds.upper[a] || upper[a] !== clipped)
      return undefined;
  }
  return { scale, box: { lower, upper } };
}

/** Lets messages in, so that a worker that makes chunk after chunk still hears what is no longer wanted. */
const turn = () =>
  new Promise<void>((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });

/** Chunks are made one after the other, each after a turn of the event loop. */
let queue: Promise<void> = Promise.resolve();

async function inTurn<T>(work: () => T, signal: AbortSignal | undefined): Promise<T> {
  const before = queue;
  let done = () => {};
  queue = new Promise((resolve) => {
    done = resolve;
  });
  try {
    await before;
    signal?.throwIfAborted();
    await turn();
    signal?.throwIfAborted();
    return work();
  } finally {
    done();
  }
}

/**
 * Value of a key, undefined when there is none (an unknown scale, a box that is no chunk).
 * @throws VolumeError when the path is no phantom's: unknown style, bad seed, neither em nor labels.
 * @throws the signal's reason when aborted before the chunk was begun.
 */
export async function readPhantomKey(
  path: string,
  options: { signal?: AbortSignal } = {},
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const { phantom, kind, rest } = parsePath(path);
  if (rest === "info") return info(phantom, kind);
  const chunk = chunkBox(phantom, rest);
  if (chunk === undefined) return undefined;
  return inTurn(() => {
    if (kind === "em") return phantom.em(chunk.scale, chunk.box);
    const labels = phantom.labels(chunk.scale, chunk.box);
    return new Uint8Array(labels.buffer);
  }, options.signal);
}

/** Size in bytes of a key's value without making it; undefined when there is none. */
export function phantomKeySize(path: string): number | undefined {
  const { phantom, kind, rest } = parsePath(path);
  if (rest === "info") return info(phantom, kind).length;
  const chunk = chunkBox(phantom, rest);
  if (chunk === undefined) return undefined;
  const [x, y, z] = boxSize(chunk.box);
  return x * y * z * (kind === "em" ? 1 : 8);
}

/**
 * A phantom as a volume: `phantom://fib/1/em` (uint8) or `phantom://fib/1/labels` (uint64, ids of mitochondria).
 * @throws VolumeError when the URL is no phantom's.
 */
export function openPhantom(url: string): VolumeSource {
  const prefix = `${phantomScheme}://`;
  if (!url.startsWith(prefix)) throw new VolumeError(url, `a phantom's address starts with ${prefix}`);
  const { phantom, kind, rest } = parsePath(url.slice(prefix.length));
  if (rest !== "") throw new VolumeError(url, `nothing may follow "${kind}", found "${rest}"`);
  return {
    name: url,
    dataType: kind === "em" ? "uint8" : "uint64",
    scales: phantom.scales,
    async read(scale, box, { signal } = {}) {
      const shape = phantom.check(scale, box).chunkSize;
      const grid: Vec3 = [2 * shape[0], 2 * shape[1], shape[2]];
      if (kind === "em")
        return readParts(
          new Uint8Array(boxVolume(box)),
          box,
          grid,
          (part) => phantom.em(scale, part),
          signal,
        );
      return readParts(
        new BigUint64Array(boxVolume(box)),
        box,
        grid,
        (part) => phantom.labels(scale, part),
        signal,
      );
    },
  };
}

async function readParts<T extends Uint8Array | BigUint64Array>(
  out: T,
  box: Box,
  grid: Vec3,
  make: (part: Box) => T,
  signal: AbortSignal | undefined,
): Promise<T> {
  for (const part of partsOf(box, grid)) placePart(out, box, await inTurn(() => make(part), signal), part);
  return out;
}
