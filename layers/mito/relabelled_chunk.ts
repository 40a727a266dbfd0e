import type { AnalysisResult } from "../../workers/analyse.js";
import type { Relabelled } from "./relabeller.js";
import { counters } from "./services.js";
import type { WholeObjects } from "./whole_objects.js";

export interface RelabelledChunk {
  readonly key: string;
  readonly result: AnalysisResult;
  readonly objects: WholeObjects;
  /** Whether the chunk has data, which is to be replaced. */
  isShown(): boolean;
  /** See `ChunkIdsHost.write`. */
  write(ids: Float64Array): Promise<(() => void) | undefined>;
  /** It is on the screen. */
  shown(): void;
  /** The rest. */
  finish(): void;
  failed(error: unknown): void;
}

/** A chunk that was labelled anew on its way to the screen: its objects are known once all chunks of the screen are joined. */
export function relabelledChunk(chunk: RelabelledChunk): Relabelled {
  const { key, result, objects } = chunk;
  const { chunkIds } = objects;
  let replace: (() => void) | undefined;
  return {
    join() {
      chunkIds.hold();
      try {
        objects.put(key, result.runs, result.measures);
      } catch (error) {
        chunk.failed(error);
      }
    },
    async pack() {
      const mapping = objects.mappingOf(key);
      if (mapping === undefined || !chunk.isShown()) return;
      const write = chunkIds.begin(key);
      const show = await chunk.write(mapping.ids);
      replace = () => {
        if (chunkIds.replaced(key, write, mapping)) show?.();
      };
    },
    show() {
      counters.relabelled++;
      replace?.();
      chunkIds.release();
      chunk.shown();
    },
    finish: () => chunk.finish(),
  };
}
