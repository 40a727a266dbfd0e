import { ChunkPriorityTier, ChunkState } from "neuroglancer/unstable/chunk_manager/base.js";
import type { VolumeChunk } from "neuroglancer/unstable/sliceview/volume/backend.js";
import { registerRPC } from "neuroglancer/unstable/worker_rpc.js";
import type { LabelSettings } from "../../src/segmentation/types.js";
import type { Vec3 } from "../../src/volume/types.js";
import type { LabelsSource } from "./labels_backend.js";
import {
  OBJECT_IDS,
  OBJECT_ROWS,
  type ObjectIds,
  type ObjectRowsMessage,
  SELECT_OBJECTS,
  type SelectObjects,
} from "./protocol.js";
import { analysis, objectCounts } from "./services.js";
import { WholeObjects } from "./whole_objects.js";

/** Told of the objects of a source that changed or are gone. */
type Listener = (ids: readonly number[]) => void;

/** Sources by their `instance`, and who wants to know of their objects: meshes, which live longer than the source. */
const sources = new Map<number, LabelsSource>();
const listeners = new Map<number, Set<Listener>>();

export function labelsSource(instance: number): LabelsSource | undefined {
  return sources.get(instance);
}

/** @returns Ends it. */
export function onObjectsChanged(instance: number, listener: Listener): () => void {
  let set = listeners.get(instance);
  if (set === undefined) {
    set = new Set();
    listeners.set(instance, set);
  }
  set.add(listener);
  return () => void set.delete(listener);
}

/** Joins the chunks of a source to whole objects for as long as the source exists. */
export function joinObjects(source: LabelsSource, settings: LabelSettings): WholeObjects {
  const { instance, geometry, voxelSize } = source.parameters;
  const chunkOf = (key: string) => source.chunks.get(key) as VolumeChunk | undefined;
  const objects = new WholeObjects(
    {
      chunkSize: Array.from(source.spec.chunkDataSize) as unknown as Vec3,
      bounds: {
        lower: Array.from(source.spec.lowerVoxelBound) as unknown as Vec3,
        upper: Array.from(source.spec.upperVoxelBound) as unknown as Vec3,
      },
      frame: { voxelSize, sliceAxis: geometry.sliceAxis },
      finished: () => source.finishedChunks().map(({ key }) => key!),
      visible: () => {
        const keys = new Set<string>();
        for (const chunk of source.chunks.values() as Iterable<VolumeChunk>)
          if (chunk.priorityTier === ChunkPriorityTier.VISIBLE) keys.add(chunk.key!);
        return keys;
      },
      isComing: (key) => chunkOf(key)?.state === ChunkState.DOWNLOADING,
      write: (key, runs, ids) => source.write(key, runs, ids),
      labelAgain: (key) => source.labelAgain(key),
      measure: (id, pieces, signal) =>
        analysis().measure(
          `${source.rpcId}:measure:${id}`,
          { pieces, frame: { voxelSize, sliceAxis: geometry.sliceAxis } },
          signal,
        ),
      touched: (keys) => {
        for (const key of keys) for (const overview of source.overviews) overview.touch(source.boxOfKey(key));
      },
      changed: (ids) => {
        for (const listener of listeners.get(instance) ?? []) listener(ids);
      },
      sendIds: (message) =>
        source.rpc?.invoke(OBJECT_IDS, { id: source.rpcId!, ...message } satisfies ObjectIds),
      sendRows: (rows) =>
        source.rpc?.invoke(OBJECT_ROWS, { id: source.rpcId!, rows } satisfies ObjectRowsMessage),
    },
    settings,
  );
  const counts = () => ({
    objects: objects.size,
    objectBytes: objects.byteLength,
    links: objects.chunkIds.linkCount,
    outdated: objects.chunkIds.outdatedCount,
    rewritten: objects.chunkIds.rewritten,
  });
  sources.set(instance, source);
  objectCounts.add(counts);
  source.registerDisposer(() => {
    objects.dispose();
    objectCounts.delete(counts);
    if (sources.get(instance) === source) sources.delete(instance);
  });
  return objects;
}

registerRPC(SELECT_OBJECTS, function ({ id, ids }: SelectObjects) {
  (this.get(id) as LabelsSource | undefined)?.objects.select(ids);
});
