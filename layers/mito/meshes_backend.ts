import { WithParameters } from "neuroglancer/unstable/chunk_manager/backend.js";
import { ChunkState } from "neuroglancer/unstable/chunk_manager/base.js";
import {
  assignMeshFragmentData,
  type FragmentChunk,
  type ManifestChunk,
  MeshSource,
} from "neuroglancer/unstable/mesh/backend.js";
import { type RPC, registerSharedObject } from "neuroglancer/unstable/worker_rpc.js";
import { isFinished, remake } from "./chunk_state.js";
import { labelsSource, onObjectsChanged } from "./objects_backend.js";
import { MeshParameters } from "./protocol.js";
import { analysis } from "./services.js";

/** Meshes of objects that grow are made again at most this often, ms. */
const INTERVAL = 500;
/** How long a mesh stays beside the one that follows it, until that is on the screen, ms. */
const HANDOVER = 400;

const NO_MESH = { vertexPositions: new Float32Array(0), indices: new Uint32Array(0) };

/** Meshes of whole objects: one fragment an object, of what there is of it; made again when the object changes. */
export class ObjectMeshSource extends WithParameters(MeshSource, MeshParameters) {
  /** Fragments are numbered: another number is another state of the object. */
  private made = 0;
  private readonly changed = new Set<string>();
  private timer: ReturnType<typeof setTimeout> | undefined;

  // biome-ignore lint/suspicious/noExplicitAny: the base class takes what the frontend sent.
  constructor(rpc: RPC, options: any) {
    super(rpc, options);
    this.registerDisposer(
      onObjectsChanged(this.parameters.instance, (ids) => {
        if (this.chunks.size === 0) return;
        for (const id of ids) if (this.chunks.has(String(id))) this.changed.add(String(id));
        if (this.changed.size > 0) this.timer ??= setTimeout(() => this.renew(), INTERVAL);
      }),
    );
    this.registerDisposer(() => clearTimeout(this.timer));
  }

  private get objects() {
    return labelsSource(this.parameters.instance)?.objects;
  }

  override async download(chunk: ManifestChunk): Promise<void> {
    // An id that is no object's (any more) has no mesh: a link may still name it.
    const object = this.objects?.object(Number(chunk.objectId));
    chunk.fragmentIds = object === undefined ? [] : [String(++this.made)];
  }

  override async downloadFragment(chunk: FragmentChunk, signal: AbortSignal): Promise<void> {
    const manifest = chunk.manifestChunk!;
    const { key, fragmentId } = { key: manifest.key!, fragmentId: chunk.fragmentId! };
    const id = Number(manifest.objectId);
    try {
      const { objects } = this;
      const pieces = await objects?.piecesOf(id);
      const voxelSize = labelsSource(this.parameters.instance)?.parameters.voxelSize;
      if (pieces === undefined || voxelSize === undefined) assignMeshFragmentData(chunk, NO_MESH);
      else {
        const call = `${this.rpcId}:mesh:${key}:${fragmentId}`;
        const { positions, indices } = await analysis().mesh(call, { pieces, voxelSize }, signal);
        assignMeshFragmentData(chunk, { vertexPositions: positions, indices });
      }
    } catch (error) {
      signal.throwIfAborted();
      // Neuroglancer would not ask again; an object that changes is meshed anew.
      console.warn(`no mesh of object ${key}:`, error);
      assignMeshFragmentData(chunk, NO_MESH);
    }
    setTimeout(() => this.handOver(key, fragmentId), HANDOVER);
  }

  /** Has the meshes of objects that changed made again; those of before are shown until then. */
  private renew(): void {
    this.timer = undefined;
    const keys = [...this.changed];
    this.changed.clear();
    for (const key of keys) {
      const chunk = this.chunks.get(key) as ManifestChunk | undefined;
      if (chunk === undefined || !isFinished(chunk)) continue;
      const before = chunk.fragmentIds ?? [];
      if (before.length === 0 || this.objects?.object(Number(chunk.objectId)) === undefined)
        remake(this, chunk);
      else this.show(chunk, [before[0], String(++this.made)]);
    }
  }

  private handOver(key: string, fragmentId: string): void {
    const chunk = this.chunks.get(key) as ManifestChunk | undefined;
    if (chunk === undefined || !isFinished(chunk)) return;
    const ids = chunk.fragmentIds ?? [];
    if (ids.length > 1 && ids.at(-1) === fragmentId) this.show(chunk, [fragmentId]);
  }

  /** Gives a manifest other fragments, where it is: it has no data on the graphics card. */
  private show(chunk: ManifestChunk, fragmentIds: string[]): void {
    chunk.fragmentIds = fragmentIds;
    if (chunk.state !== ChunkState.SYSTEM_MEMORY_WORKER)
      this.rpc!.invoke("Chunk.update", {
        id: chunk.key,
        source: this.rpcId,
        new: true,
        state: chunk.state,
        fragmentIds,
      });
    this.chunkManager.scheduleUpdateChunkPriorities();
  }
}
registerSharedObject()(ObjectMeshSource);
