import {
  CapacitySpecification,
  ChunkManager,
  ChunkQueueManager,
} from "neuroglancer/unstable/chunk_manager/frontend.js";
import type { DataManagementContext } from "neuroglancer/unstable/data_management_context.js";
import type { DisplayContext } from "neuroglancer/unstable/display_context.js";
import { RefCounted } from "neuroglancer/unstable/util/disposable.js";
import { RPC } from "neuroglancer/unstable/worker_rpc.js";

/** Limits as in stock Neuroglancer, which its state keys (gpuMemoryLimit, ...) override, but for `compute`. */
const GPU_BYTES = 1e9;
const SYSTEM_BYTES = 2e9;
const DOWNLOADS = 100;
/**
 * Stock Neuroglancer starts up to 128 computed chunks at once and drops none of them when the view moves away: with
 * a slow model the new view then waits for the old one. Few at a time keeps the queue where it follows the view.
 */
const COMPUTE_CHUNKS = 8;
const COMPUTE_BYTES = 5e8;

/**
 * Neuroglancer's data management context with our chunk worker in place of the stock one: same members, same
 * limits. `Viewer` takes it as the option `dataContext`.
 */
export class ChondriaDataContext extends RefCounted {
  readonly worker: Worker;
  readonly chunkQueueManager: ChunkQueueManager;
  readonly chunkManager: ChunkManager;

  constructor(
    readonly gl: DisplayContext["gl"],
    readonly frameNumberCounter: DisplayContext,
  ) {
    super();
    this.worker = new Worker(
      /* webpackChunkName: "chunk_worker" */ new URL("../../layers/chunk_worker.ts", import.meta.url),
      { type: "module" },
    );
    const rpc = new RPC(this.worker, /*waitUntilReady=*/ true);
    this.chunkQueueManager = this.registerDisposer(
      new ChunkQueueManager(rpc, gl, frameNumberCounter, {
        gpuMemory: new CapacitySpecification({ defaultItemLimit: 1e6, defaultSizeLimit: GPU_BYTES }),
        systemMemory: new CapacitySpecification({ defaultItemLimit: 1e7, defaultSizeLimit: SYSTEM_BYTES }),
        download: new CapacitySpecification({
          defaultItemLimit: DOWNLOADS,
          defaultSizeLimit: Number.POSITIVE_INFINITY,
        }),
        compute: new CapacitySpecification({
          defaultItemLimit: COMPUTE_CHUNKS,
          defaultSizeLimit: COMPUTE_BYTES,
        }),
      }),
    );
    this.chunkQueueManager.registerDisposer(() => this.worker.terminate());
    this.chunkManager = this.registerDisposer(new ChunkManager(this.chunkQueueManager));
  }

  get rpc(): RPC {
    return this.chunkQueueManager.rpc!;
  }
}

/** The context under the name that `Viewer` asks for; the classes differ only in where the worker comes from. */
export function makeDataContext(display: DisplayContext): DataManagementContext {
  return new ChondriaDataContext(display.gl, display) as unknown as DataManagementContext;
}
