import { ChunkPriorityTier } from "neuroglancer/unstable/chunk_manager/base.js";
import type { VolumeChunk, VolumeChunkSource } from "neuroglancer/unstable/sliceview/volume/backend.js";
import { gatherBox } from "../../src/inference/plan.js";
import type { BackendName } from "../../src/inference/types.js";
import { boxSize, boxVolume } from "../../src/volume/box.js";
import type { Box } from "../../src/volume/types.js";
import type { ChunkOrigin } from "./base.js";
import type { Wanted } from "./compute_queue.js";
import { EmGatherer } from "./gather.js";
import type { LabelsParameters } from "./protocol.js";
import { counters, emCache, inference, queue, store } from "./services.js";

export interface PredictedChunk {
  /** Own copy: round(255 p) of each voxel, x fastest. */
  readonly probability: Uint8Array<ArrayBuffer>;
  readonly origin: ChunkOrigin;
  readonly backend?: BackendName;
  readonly ms: { readonly gather: number; readonly queue: number; readonly forward: number };
}

/** Live priorities of the chunks (of any source) that wait for one probability. */
const wantedBy = new Map<string, Set<VolumeChunk>>();

function mostWanted(key: string): Wanted | undefined {
  let best: Wanted | undefined;
  for (const { priorityTier: tier, priority } of wantedBy.get(key) ?? []) {
    // Chunks that are in no view any more are "recent".
    if (tier === ChunkPriorityTier.RECENT) continue;
    if (best === undefined || tier < best.tier || (tier === best.tier && priority > best.priority))
      best = { tier, priority };
  }
  return best;
}

/**
 * Probabilities of a source's chunks: from the store, else gathered, queued by how much they are wanted, predicted and
 * stored. The same chunk asked for twice at once is computed once, also for two layers.
 */
export class PredictedChunks {
  private readonly gatherer: EmGatherer;

  constructor(
    em: VolumeChunkSource,
    private readonly parameters: LabelsParameters,
  ) {
    const { chunkDims, fixed, bytesPerVoxel, innerUrl } = parameters;
    this.gatherer = new EmGatherer(em, emCache, { chunkDims, fixed, bytesPerVoxel, url: innerUrl });
  }

  private key(box: Box): string {
    return `${this.parameters.storeKey}-${[...box.lower, ...boxSize(box)].join("_")}`;
  }

  /** A stored probability; computes nothing. */
  async known(box: Box): Promise<Uint8Array<ArrayBuffer> | undefined> {
    return (await store.get(this.key(box), boxVolume(box)))?.probability;
  }

  /** Whether all EM of a box is at hand: `gather` then reads nothing. */
  isGathered(box: Box): boolean {
    return this.gatherer.has(box);
  }

  /**
   * EM voxels of a box of the predicted scale, x fastest.
   * @throws VolumeError naming the EM chunk that cannot be read; AbortError.
   */
  gather(box: Box, signal: AbortSignal) {
    return this.gatherer.gather(box, signal);
  }

  /**
   * @param chunk Whose priority counts while the work waits.
   * @throws UnwantedError when the chunk left the view before its turn; VolumeError; the workers' errors; AbortError.
   */
  async get(chunk: VolumeChunk, box: Box, signal: AbortSignal): Promise<PredictedChunk> {
    const key = this.key(box);
    let chunks = wantedBy.get(key);
    if (chunks === undefined) {
      chunks = new Set();
      wantedBy.set(key, chunks);
    }
    chunks.add(chunk);
    const leave = () => {
      chunks.delete(chunk);
      if (chunks.size === 0 && wantedBy.get(key) === chunks) wantedBy.delete(key);
    };
    // At once: Neuroglancer uses the chunk object again for another chunk.
    signal.addEventListener("abort", leave, { once: true });
    let computed: Omit<PredictedChunk, "probability" | "origin"> | undefined;
    try {
      const { probability, origin } = await store.getOrCompute(
        key,
        boxVolume(box),
        async (shared) => {
          const result = await this.compute(key, box, shared);
          computed = result;
          return result.probability;
        },
        signal,
      );
      if (origin === "memory") counters.memoryHits++;
      else if (origin === "disk") counters.diskHits++;
      return { ms: { gather: 0, queue: 0, forward: 0 }, ...computed, probability, origin };
    } finally {
      signal.removeEventListener("abort", leave);
      leave();
    }
  }

  private async compute(key: string, core: Box, signal: AbortSignal) {
    const { geometry, field, window, tta, model } = this.parameters;
    const start = performance.now();
    const gather = gatherBox(geometry, field, core);
    const em = await this.gatherer.gather(gather, signal);
    const gathered = performance.now();
    return queue.run({ wanted: () => mostWanted(key) }, signal, async (running) => {
      const begun = performance.now();
      const result = await inference.predict(model, { em, gather, core, geometry, window, tta }, running);
      const slices = core.upper[geometry.sliceAxis] - core.lower[geometry.sliceAxis];
      counters.forwardPasses += slices;
      counters.chunksComputed++;
      const end = performance.now();
      // The workers may still have been at the chunk before.
      const forward = Math.min(result.milliseconds, end - begun);
      return {
        probability: result.probability,
        backend: result.backend,
        ms: { gather: gathered - start, queue: end - gathered - forward, forward },
      };
    });
  }
}
