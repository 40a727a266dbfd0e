// Types of the Neuroglancer modules that neuroglancer@2.41.2 ships without a .d.ts: every module that exports a mixin
// (TypeScript's declaration emit drops them, TS4094; upstream issue 427). Ambient modules are found before files, so
// each is declared under the name that the package's own .d.ts import ("#src/...") and exported again under the name
// that we import ("neuroglancer/unstable/..."). Inside these blocks "#src/..." does not resolve.
// Only what Chondria uses is described; the facts are from the package's JavaScript.

declare module "#src/chunk_manager/backend.js" {
  import type {
    ChunkPriorityTier,
    ChunkSourceParametersConstructor,
    ChunkState,
  } from "neuroglancer/unstable/chunk_manager/base.js";
  import type { StringMemoize } from "neuroglancer/unstable/util/memoize.js";
  import type { NullarySignal } from "neuroglancer/unstable/util/signal.js";
  import type { RPC, SharedObject, SharedObjectCounterpart } from "neuroglancer/unstable/worker_rpc.js";

  export class Chunk {
    source: ChunkSource | null;
    key: string | null;
    state: ChunkState;
    error: unknown;
    isComputational: boolean;
    /** Live while the chunk waits: follows the view. */
    priority: number;
    priorityTier: ChunkPriorityTier;
    /** Being gathered during `recomputeChunkPriorities`. */
    newPriority: number;
    newPriorityTier: ChunkPriorityTier;
    requestedState: ChunkState;
    systemMemoryBytes: number;
    gpuMemoryBytes: number;
    /** Defined while state is DOWNLOADING, and says which download is the current one. */
    downloadAbortController: AbortController | undefined;
    readonly chunkManager: ChunkManager;
    readonly queueManager: ChunkQueueManager;
    freeSystemMemory(): void;
    serialize(message: object, transfers: Transferable[]): void;
  }
  export class ChunkSourceBase extends SharedObject {
    constructor(chunkManager: ChunkManager);
    chunkManager: ChunkManager;
    chunks: Map<string, Chunk>;
    sourceQueueLevel: number;
    removeChunk(chunk: Chunk): void;
    download(chunk: Chunk, signal: AbortSignal): Promise<void>;
  }
  export class ChunkSource extends ChunkSourceBase {
    // biome-ignore lint/suspicious/noExplicitAny: options are whatever the frontend class sent.
    constructor(rpc: RPC, options: any);
  }
  export class ChunkQueueManager extends SharedObjectCounterpart {
    updateChunkState(chunk: Chunk, newState: ChunkState): void;
    invalidateSourceCache(source: ChunkSource): void;
    scheduleUpdate(): void;
  }
  export class ChunkManager extends SharedObjectCounterpart {
    queueManager: ChunkQueueManager;
    memoize: StringMemoize;
    recomputeChunkPriorities: NullarySignal;
    recomputeChunkPrioritiesLate: NullarySignal;
    scheduleUpdateChunkPriorities(): void;
    requestChunk(chunk: Chunk, tier: ChunkPriorityTier, priority: number, requestedState?: ChunkState): void;
  }
  // biome-ignore lint/suspicious/noExplicitAny: a mixin's base constructor must take any arguments.
  export function WithParameters<Parameters, TBase extends { new (...args: any[]): SharedObject }>(
    Base: TBase,
    parametersConstructor: ChunkSourceParametersConstructor<Parameters>,
    // biome-ignore lint/suspicious/noExplicitAny: as above.
  ): TBase & { new (...args: any[]): { parameters: Parameters } };
}
declare module "neuroglancer/unstable/chunk_manager/backend.js" {
  export * from "#src/chunk_manager/backend.js";
}

declare module "#src/chunk_manager/frontend.js" {
  import type {
    ChunkSourceParametersConstructor,
    ChunkState,
  } from "neuroglancer/unstable/chunk_manager/base.js";
  import type { TrackableBoolean } from "neuroglancer/unstable/trackable_boolean.js";
  import type { TrackableValue } from "neuroglancer/unstable/trackable_value.js";
  import type { StringMemoize } from "neuroglancer/unstable/util/memoize.js";
  import type { NullarySignal } from "neuroglancer/unstable/util/signal.js";
  import type { GL } from "neuroglancer/unstable/webgl/context.js";
  import type { RPC, SharedObject } from "neuroglancer/unstable/worker_rpc.js";

  export class Chunk {
    constructor(source: ChunkSource);
    source: ChunkSource;
    state: ChunkState;
    copyToGPU(gl: GL): void;
    freeGPUMemory(gl: GL): void;
  }
  export class CapacitySpecification {
    constructor(options?: { defaultItemLimit?: number; defaultSizeLimit?: number });
    sizeLimit: TrackableValue<number>;
    itemLimit: TrackableValue<number>;
  }
  export interface FrameNumberCounter {
    frameNumber: number;
    changed: NullarySignal;
  }
  interface Capacities {
    gpuMemory: CapacitySpecification;
    systemMemory: CapacitySpecification;
    download: CapacitySpecification;
    compute: CapacitySpecification;
  }
  export class ChunkQueueManager extends SharedObject {
    constructor(rpc: RPC, gl: GL, frameNumberCounter: FrameNumberCounter, capacities: Capacities);
    gl: GL;
    capacities: Capacities;
    enablePrefetch: TrackableBoolean;
    visibleChunksChanged: NullarySignal;
    chunkUpdateDeadline: number | null;
    flushPendingChunkUpdates(): number;
  }
  export class ChunkManager extends SharedObject {
    constructor(chunkQueueManager: ChunkQueueManager);
    chunkQueueManager: ChunkQueueManager;
    memoize: StringMemoize;
    readonly gl: GL;
    getChunkSource<T extends SharedObject & { OPTIONS: object; key: unknown }>(
      // biome-ignore lint/suspicious/noExplicitAny: the constructor's arguments depend on T.
      constructorFunction: { new (...args: any[]): T; encodeOptions(options: T["OPTIONS"]): object },
      options: T["OPTIONS"],
    ): T;
  }
  export class ChunkSource extends SharedObject {
    constructor(chunkManager: ChunkManager, options?: object);
    OPTIONS: object;
    /** What identifies the source among those of its class: `encodeOptions` plus a constructor number. */
    key: unknown;
    chunkManager: ChunkManager;
    readonly gl: GL;
    chunks: Map<string, Chunk>;
    immediateChunkUpdates: boolean;
    addChunk(key: string, chunk: Chunk): void;
    deleteChunk(key: string): void;
    invalidateCache(): void;
    static encodeOptions(options: object): Record<string, unknown>;
  }
  export function WithParameters<
    Parameters,
    // biome-ignore lint/suspicious/noExplicitAny: a mixin's base constructor must take any arguments.
    TBase extends { new (...args: any[]): SharedObject; encodeOptions(options: any): any },
  >(
    Base: TBase,
    parametersConstructor: ChunkSourceParametersConstructor<Parameters>,
    // biome-ignore lint/suspicious/noExplicitAny: as above.
  ): TBase & { new (...args: any[]): { parameters: Parameters } };
}
declare module "neuroglancer/unstable/chunk_manager/frontend.js" {
  export * from "#src/chunk_manager/frontend.js";
}

declare module "#src/sliceview/backend.js" {
  import type { Chunk, ChunkSource } from "neuroglancer/unstable/chunk_manager/backend.js";
  import type { SliceViewChunkSpecification } from "neuroglancer/unstable/sliceview/base.js";
  import type { RPC } from "neuroglancer/unstable/worker_rpc.js";

  export class SliceViewChunk extends Chunk {
    chunkGridPosition: Float32Array;
    initializeVolumeChunk(key: string, chunkGridPosition: Float32Array): void;
  }
  export class SliceViewChunkSourceBackend<
    Spec extends SliceViewChunkSpecification = SliceViewChunkSpecification,
    ChunkType extends SliceViewChunk = SliceViewChunk,
  > extends ChunkSource {
    // biome-ignore lint/suspicious/noExplicitAny: options are whatever the frontend class sent.
    constructor(rpc: RPC, options: any);
    spec: Spec;
    chunks: Map<string, ChunkType>;
    chunkConstructor: { new (): SliceViewChunk };
    getChunk(chunkGridPosition: Float32Array): ChunkType;
  }
}
declare module "neuroglancer/unstable/sliceview/backend.js" {
  export * from "#src/sliceview/backend.js";
}

declare module "#src/sliceview/frontend.js" {
  import type { Chunk, ChunkManager, ChunkSource } from "neuroglancer/unstable/chunk_manager/frontend.js";
  import type {
    SliceViewChunkSpecification,
    SliceViewSourceOptions,
  } from "neuroglancer/unstable/sliceview/base.js";
  import type { ProgressOptions } from "neuroglancer/unstable/util/progress_listener.js";

  export class SliceViewChunk extends Chunk {
    constructor(source: SliceViewChunkSource, message: object);
    chunkGridPosition: Float32Array;
  }
  export abstract class SliceViewChunkSource<
    Spec extends SliceViewChunkSpecification = SliceViewChunkSpecification,
    ChunkType extends SliceViewChunk = SliceViewChunk,
  > extends ChunkSource {
    constructor(chunkManager: ChunkManager, options: { spec: Spec });
    OPTIONS: { spec: Spec };
    spec: Spec;
    chunks: Map<string, ChunkType>;
    static encodeSpec(spec: SliceViewChunkSpecification): object;
    // biome-ignore lint/suspicious/noExplicitAny: each subclass has options of its own.
    static encodeOptions(options: any): Record<string, unknown>;
    fetchChunk<T>(
      chunkGridPosition: Float32Array,
      transform: (chunk: Chunk) => T,
      progressOptions: Partial<ProgressOptions>,
    ): Promise<T>;
  }
  export interface SliceViewSingleResolutionSource<
    Source extends SliceViewChunkSource = SliceViewChunkSource,
  > {
    chunkSource: Source;
    /** Homogeneous, column-major, (rank + 1)^2. */
    chunkToMultiscaleTransform: Float32Array;
    lowerClipBound?: Float32Array;
    upperClipBound?: Float32Array;
  }
  export abstract class MultiscaleSliceViewChunkSource<
    Source extends SliceViewChunkSource = SliceViewChunkSource,
    SourceOptions extends SliceViewSourceOptions = SliceViewSourceOptions,
  > {
    constructor(chunkManager: ChunkManager);
    chunkManager: ChunkManager;
    abstract get rank(): number;
    /** Outer: alternative orientations; inner: scales, fine to coarse. Each source carries a reference. */
    abstract getSources(options: SourceOptions): SliceViewSingleResolutionSource<Source>[][];
  }
}
declare module "neuroglancer/unstable/sliceview/frontend.js" {
  export * from "#src/sliceview/frontend.js";
}

declare module "#src/mesh/backend.js" {
  import type { Chunk } from "neuroglancer/unstable/chunk_manager/backend.js";
  import { ChunkSource } from "neuroglancer/unstable/chunk_manager/backend.js";

  export class ManifestChunk extends Chunk {
    objectId: bigint;
    fragmentIds: string[] | null | undefined;
  }
  export class FragmentChunk extends Chunk {
    manifestChunk: ManifestChunk | null;
    fragmentId: string | null;
  }
  export class MeshSource extends ChunkSource {
    download(chunk: ManifestChunk, signal: AbortSignal): Promise<void>;
    downloadFragment(chunk: FragmentChunk, signal: AbortSignal): Promise<void>;
  }
  export function assignMeshFragmentData(
    chunk: FragmentChunk,
    data: { vertexPositions: Float32Array; indices: Uint32Array },
  ): void;
}
declare module "neuroglancer/unstable/mesh/backend.js" {
  export * from "#src/mesh/backend.js";
}

declare module "#src/layer/segmentation/index.js" {
  import type { ManagedUserLayer } from "neuroglancer/unstable/layer/index.js";
  import { UserLayer } from "neuroglancer/unstable/layer/index.js";
  import type { PreprocessedSegmentPropertyMap } from "neuroglancer/unstable/segmentation_display_state/property_map.js";
  import type { SharedDisjointUint64Sets } from "neuroglancer/unstable/shared_disjoint_sets.js";
  import type { TrackableAlphaValue } from "neuroglancer/unstable/trackable_alpha.js";
  import type { TrackableBoolean } from "neuroglancer/unstable/trackable_boolean.js";
  import type { WatchableValue, WatchableValueInterface } from "neuroglancer/unstable/trackable_value.js";
  import type { Uint64Map } from "neuroglancer/unstable/uint64_map.js";
  import type { Uint64OrderedSet } from "neuroglancer/unstable/uint64_ordered_set.js";
  import type { Uint64Set } from "neuroglancer/unstable/uint64_set.js";
  import type { NullaryReadonlySignal } from "neuroglancer/unstable/util/signal.js";

  export interface SegmentationUserLayerGroupState {
    visibleSegments: Uint64Set;
    selectedSegments: Uint64OrderedSet;
    segmentEquivalences: SharedDisjointUint64Sets;
    segmentPropertyMap: WatchableValue<PreprocessedSegmentPropertyMap | undefined>;
  }
  export class SegmentationUserLayer extends UserLayer {
    constructor(managedLayer: ManagedUserLayer);
    displayState: {
      originalSegmentationGroupState: SegmentationUserLayerGroupState;
      segmentationGroupState: WatchableValueInterface<SegmentationUserLayerGroupState>;
      segmentSelectionState: {
        hasSelectedSegment: boolean;
        selectedSegment: bigint;
        baseValue: bigint | undefined;
        changed: NullaryReadonlySignal;
        set(value: bigint | null): void;
      };
      ignoreNullVisibleSet: TrackableBoolean;
      selectedAlpha: TrackableAlphaValue;
      notSelectedAlpha: TrackableAlphaValue;
      segmentStatedColors: { readonly value: Uint64Map };
    };
    selectSegment(id: bigint, pin: boolean | "toggle"): void;
  }
}
declare module "neuroglancer/unstable/layer/segmentation/index.js" {
  export * from "#src/layer/segmentation/index.js";
}

declare module "#src/segmentation_display_state/frontend.js" {
  import type { SegmentationUserLayer } from "neuroglancer/unstable/layer/segmentation/index.js";
  import type { vec3 } from "neuroglancer/unstable/util/geom.js";

  /** Red, green, blue 0..1, in an array that the next call writes over. */
  export function getBaseObjectColor(
    displayState: SegmentationUserLayer["displayState"],
    objectId: bigint,
  ): vec3;
}
declare module "neuroglancer/unstable/segmentation_display_state/frontend.js" {
  export * from "#src/segmentation_display_state/frontend.js";
}
