import { ChunkPriorityTier, ChunkState } from "neuroglancer/unstable/chunk_manager/base.js";
import type { VolumeChunk, VolumeChunkSource } from "neuroglancer/unstable/sliceview/volume/backend.js";
import { isFinished } from "./chunk_state.js";
import { VIEW, type View } from "./protocol.js";

/** How often the page is told which chunks are visible, ms. */
const INTERVAL = 100;

/** Tells the page which chunks of a source the views ask for, each time that changes. @returns Ends it. */
export function watchVisibleChunks(source: VolumeChunkSource): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let sent = "";
  const send = () => {
    timer = undefined;
    const keys: string[] = [];
    const finished: boolean[] = [];
    for (const chunk of source.chunks.values() as Iterable<VolumeChunk>) {
      if (chunk.priorityTier !== ChunkPriorityTier.VISIBLE || chunk.state === ChunkState.NEW) continue;
      keys.push(chunk.key!);
      finished.push(isFinished(chunk));
    }
    const view = `${keys.join(";")}|${finished.map(Number).join("")}`;
    if (view === sent) return;
    sent = view;
    source.rpc?.invoke(VIEW, { id: source.rpcId!, keys, finished } satisfies View);
  };
  // Priorities change after the signal, in the same turn.
  const stop = source.chunkManager.recomputeChunkPrioritiesLate.add(() => {
    timer ??= setTimeout(send, INTERVAL);
  });
  return () => {
    stop();
    clearTimeout(timer);
  };
}
