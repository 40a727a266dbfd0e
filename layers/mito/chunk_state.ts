import type { Chunk, ChunkSource } from "neuroglancer/unstable/chunk_manager/backend.js";
import { ChunkState } from "neuroglancer/unstable/chunk_manager/base.js";
import type { VolumeChunk, VolumeChunkSource } from "neuroglancer/unstable/sliceview/volume/backend.js";

/**
 * The three things that Neuroglancer's chunk queue has no call for. Each does what the queue itself does in
 * chunk_manager/backend.js (`evict` and `invalidateSourceCache`), for one chunk.
 */

/**
 * Takes a chunk out of its download, as if it had not been started: it is started again when a view asks for it. To be
 * called before the download rejects; that rejection is then nobody's, in place of marking the chunk failed for good.
 */
export function undoDownload(chunk: VolumeChunk): void {
  const controller = chunk.downloadAbortController;
  if (chunk.state !== ChunkState.DOWNLOADING || controller === undefined) return;
  chunk.downloadAbortController = undefined;
  controller.abort(new DOMException("the chunk left the view", "AbortError"));
  // In the queue, a chunk that no view asks for is forgotten.
  chunk.queueManager.updateChunkState(chunk, ChunkState.QUEUED);
}

/** Forgets a finished chunk's data, so that it is made anew if a view asks for it. */
export function remake(source: ChunkSource, chunk: Chunk): void {
  switch (chunk.state) {
    case ChunkState.GPU_MEMORY:
    case ChunkState.SYSTEM_MEMORY:
      source.rpc!.invoke("Chunk.update", { id: chunk.key, source: source.rpcId, state: ChunkState.EXPIRED });
      break;
    case ChunkState.SYSTEM_MEMORY_WORKER:
      chunk.freeSystemMemory();
      break;
    default:
      return; // not finished: it will be made anyway
  }
  chunk.queueManager.updateChunkState(chunk, ChunkState.QUEUED);
}

/** Whether a chunk has data, here or in the page. */
export function isFinished({ state }: Chunk): boolean {
  return state <= ChunkState.SYSTEM_MEMORY_WORKER;
}

/**
 * Gives a finished chunk other data, where it is, so that it is never missing from the screen. Needs a frontend source
 * that frees the chunk it replaces (`InPlaceVolumeChunkSource`).
 */
export function replaceData(
  source: VolumeChunkSource,
  chunk: VolumeChunk,
  data: ArrayBufferView<ArrayBuffer> | null,
): void {
  if (!isFinished(chunk)) return;
  if (chunk.state === ChunkState.SYSTEM_MEMORY_WORKER) chunk.data = data;
  else {
    const message = {
      id: chunk.key,
      source: source.rpcId,
      new: true,
      state: chunk.state,
      chunkGridPosition: chunk.chunkGridPosition,
      chunkDataSize: chunk.chunkDataSize,
      data,
    };
    source.rpc!.invoke("Chunk.update", message, data === null ? [] : [data.buffer]);
  }
  const bytes = data?.byteLength ?? 0;
  chunk.systemMemoryBytes = bytes;
  chunk.gpuMemoryBytes = bytes;
}
