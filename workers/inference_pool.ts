import type { PredictionRequest, PredictionResult } from "../src/inference/types.js";
import { boxSize } from "../src/volume/box.js";
import type { Box, Vec3 } from "../src/volume/types.js";
import type { InferenceApi, ModelReference } from "./inference_api.js";

/** The part of a worker's API that the pool uses; what Comlink makes of a port. */
export type InferencePort = {
  [K in "predict" | "cancel"]: (
    ...args: Parameters<InferenceApi[K]>
  ) => Promise<Awaited<ReturnType<InferenceApi[K]>>>;
};

/** A job's worker died or lost its device; the pool tries another before it gives this to the caller. */
export class WorkerLostError extends Error {
  override name = "WorkerLostError";
}

/** No inference worker can be kept alive. */
export class InferenceFailedError extends Error {
  override name = "InferenceFailedError";
}

/** A part of a prediction is given up when this many workers died over it: it may be what kills them. */
const ATTEMPTS = 3;

interface Part {
  readonly model: ModelReference;
  readonly request: PredictionRequest;
  readonly signal: AbortSignal;
  attempts: number;
  resolve(result: PredictionResult): void;
  reject(error: unknown): void;
}

interface Member {
  readonly id: number;
  readonly port: InferencePort;
  /** The part it works on, and how to end the wait for it. */
  busy?: { readonly part: Part; readonly request: number; lost(error: WorkerLostError): void };
}

/**
 * Deals predictions out to the inference workers whose ports it holds. Slices of one request go to several workers when
 * there are several (a 2-D model's slices are independent, so the result is the same), first come first served. Workers
 * come and go: what a lost one was at is done again by another.
 */
export class InferencePool {
  private readonly members = new Map<number, Member>();
  private readonly queue: Part[] = [];
  private failure: InferenceFailedError | undefined;
  private nextRequest = 1;

  /** Number of workers that can be used now. */
  get size(): number {
    return this.members.size;
  }

  add(id: number, port: InferencePort): void {
    this.failure = undefined;
    this.members.set(id, { id, port });
    this.deal();
  }

  /** The worker is gone. Its part goes to the next one. */
  remove(id: number, reason: string): void {
    const member = this.members.get(id);
    if (member === undefined) return;
    this.members.delete(id);
    member.busy?.lost(new WorkerLostError(`inference worker lost: ${reason}`));
  }

  /** No worker will come any more: all that waits is rejected, and so is what is asked later, until one is added. */
  fail(message: string): void {
    this.failure = new InferenceFailedError(message);
    for (const part of this.queue.splice(0)) part.reject(this.failure);
  }

  /**
   * @returns Probability of `request.core`; `milliseconds` is the time that workers spent, in sum.
   * @throws AbortError; InferenceFailedError; WorkerLostError after several workers died over it; the worker's own errors.
   */
  async predict(
    model: ModelReference,
    request: PredictionRequest,
    signal: AbortSignal,
  ): Promise<PredictionResult> {
    signal.throwIfAborted();
    const parts = splitSlices(request, Math.max(1, this.members.size));
    const stop = new AbortController();
    const either = AbortSignal.any([signal, stop.signal]);
    try {
      const results = await Promise.all(parts.map((part) => this.enqueue(model, part, either)));
      return joinSlices(request, parts, results);
    } catch (error) {
      stop.abort(new DOMException("another part of the prediction failed", "AbortError"));
      throw error;
    }
  }

  private enqueue(model: ModelReference, request: PredictionRequest, signal: AbortSignal) {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    return new Promise<PredictionResult>((resolve, reject) => {
      const onAbort = () => {
        const index = this.queue.indexOf(part);
        if (index !== -1) this.queue.splice(index, 1);
        reject(signal.reason);
      };
      const part: Part = {
        model,
        request,
        signal,
        attempts: 0,
        resolve: (result) => {
          signal.removeEventListener("abort", onAbort);
          resolve(result);
        },
        reject: (error) => {
          signal.removeEventListener("abort", onAbort);
          reject(error);
        },
      };
      signal.addEventListener("abort", onAbort, { once: true });
      this.queue.push(part);
      this.deal();
    });
  }

  private deal(): void {
    for (const member of this.members.values()) {
      if (member.busy !== undefined) continue;
      const part = this.queue.shift();
      if (part === undefined) return;
      void this.work(member, part);
    }
  }

  private async work(member: Member, part: Part): Promise<void> {
    const request = this.nextRequest++;
    part.attempts++;
    const cancel = () => void member.port.cancel(request).catch(() => {});
    try {
      part.resolve(
        await new Promise<PredictionResult>((resolve, reject) => {
          member.busy = { part, request, lost: reject };
          part.signal.addEventListener("abort", cancel, { once: true });
          member.port.predict(request, part.model, part.request).then(resolve, reject);
        }),
      );
    } catch (error) {
      if (error instanceof Error && error.name === "DeviceLostError") this.members.delete(member.id);
      if (part.signal.aborted) part.reject(part.signal.reason);
      else if (!isLoss(error)) part.reject(error);
      else if (this.failure !== undefined) part.reject(this.failure);
      else if (part.attempts < ATTEMPTS) this.queue.unshift(part);
      else
        part.reject(
          new WorkerLostError(`given up after ${ATTEMPTS} inference workers were lost over it`, {
            cause: error,
          }),
        );
    } finally {
      part.signal.removeEventListener("abort", cancel);
      member.busy = undefined;
      this.deal();
    }
  }
}

function isLoss(error: unknown): boolean {
  return error instanceof Error && (error.name === "WorkerLostError" || error.name === "DeviceLostError");
}

/** Splits a request into up to `count` requests of whole slices, as even as can be. */
export function splitSlices(request: PredictionRequest, count: number): PredictionRequest[] {
  const axis = request.geometry.sliceAxis;
  const first = request.core.lower[axis];
  const slices = request.core.upper[axis] - first;
  const parts = Math.min(count, slices);
  if (parts <= 1) return [request];
  return Array.from({ length: parts }, (_, i) => {
    const from = first + Math.floor((i * slices) / parts);
    const to = first + Math.floor(((i + 1) * slices) / parts);
    const cut = ({ lower, upper }: Box): Box => ({
      lower: withAxis(lower, axis, from),
      upper: withAxis(upper, axis, to),
    });
    const gather = cut(request.gather);
    return { ...request, core: cut(request.core), gather, em: copyBox(request.em, request.gather, gather) };
  });
}

/** Puts the parts of `splitSlices` together again. */
export function joinSlices(
  request: PredictionRequest,
  parts: readonly PredictionRequest[],
  results: readonly PredictionResult[],
): PredictionResult {
  if (parts.length === 1) return results[0];
  const [sx, sy, sz] = boxSize(request.core);
  const probability = new Uint8Array(sx * sy * sz);
  parts.forEach(({ core }, i) => {
    pasteBox(results[i].probability, core, probability, request.core);
  });
  return {
    probability,
    milliseconds: results.reduce((sum, { milliseconds }) => sum + milliseconds, 0),
    nonFinite: results.reduce((sum, { nonFinite }) => sum + nonFinite, 0),
    backend: results[0].backend,
  };
}

function withAxis(point: Vec3, axis: number, value: number): Vec3 {
  return point.map((v, i) => (i === axis ? value : v)) as unknown as Vec3;
}

/** Voxels of `inner` out of an array that holds `outer`, x fastest. */
function copyBox<T extends Uint8Array | Uint16Array>(data: T, outer: Box, inner: Box): T {
  const [sx, sy, sz] = boxSize(inner);
  const out = new (data.constructor as { new (length: number): T })(sx * sy * sz);
  const [ox, oy] = boxSize(outer);
  const [dx, dy, dz] = inner.lower.map((v, i) => v - outer.lower[i]);
  for (let z = 0; z < sz; z++)
    for (let y = 0; y < sy; y++) {
      const from = dx + ox * (y + dy + oy * (z + dz));
      out.set(data.subarray(from, from + sx), sx * (y + sy * z));
    }
  return out;
}

/** The reverse: writes an array that holds `inner` into one that holds `outer`. */
function pasteBox(data: Uint8Array, inner: Box, out: Uint8Array, outer: Box): void {
  const [sx, sy, sz] = boxSize(inner);
  const [ox, oy] = boxSize(outer);
  const [dx, dy, dz] = inner.lower.map((v, i) => v - outer.lower[i]);
  for (let z = 0; z < sz; z++)
    for (let y = 0; y < sy; y++) {
      const from = sx * (y + sy * z);
      out.set(data.subarray(from, from + sx), dx + ox * (y + dy + oy * (z + dz)));
    }
}
