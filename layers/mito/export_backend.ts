import * as Comlink from "comlink";
import { ChunkPriorityTier } from "neuroglancer/unstable/chunk_manager/base.js";
import type { VolumeChunk } from "neuroglancer/unstable/sliceview/volume/backend.js";
import { registerRPC } from "neuroglancer/unstable/worker_rpc.js";
import type { LabelRuns, LabelSettings } from "../../src/segmentation/types.js";
import { boxSize, boxVolume, contains, intersect, isEmpty } from "../../src/volume/box.js";
import { copyBox } from "../../src/volume/copy_box.js";
import type { Box, Vec3 } from "../../src/volume/types.js";
import type { ExportSourceApi } from "../../workers/export_api.js";
import { exposeApi } from "../../workers/expose.js";
import { openFaces } from "../../workers/open_faces.js";
import { ExportMemory, idsInBox } from "./export_memory.js";
import { SERVE_EXPORT, type ServeExport } from "./export_protocol.js";
import type { LabelsSource } from "./labels_backend.js";
import { analysis } from "./services.js";

/** Voxels given at once. */
const MOST_VOXELS = 2 ** 24;
/** Kept between two boxes that need the same chunk, as stored chunks are of another shape: bytes. */
const MEMORY = 64 * 2 ** 20;
/** How long a port stays open for the last answers, ms. */
const LAST_WORDS = 1000;

/** Chunks of an export wait behind those of the views, and never leave the queue by themselves. */
const WANTED = {
  priorityTier: ChunkPriorityTier.PREFETCH,
  priority: Number.NEGATIVE_INFINITY,
} as VolumeChunk;

const layerClosed = () => new DOMException("the layer was closed", "AbortError");

/** Serves labels, probabilities and meshes of a source on a port; the voxels never pass through the page. */
class ExportService {
  private readonly running = new Map<number, AbortController>();
  private closed = false;
  private readonly ids = new Map<string, Float64Array>();
  private readonly runs = new ExportMemory<LabelRuns>(MEMORY / 2, ({ starts }) => 8 * starts.length);
  private readonly probabilities = new ExportMemory<Uint8Array>(MEMORY / 2, ({ length }) => length);

  constructor(
    private readonly source: LabelsSource,
    private readonly settings: LabelSettings,
    private readonly port: MessagePort,
  ) {
    source.registerDisposer(() => this.close());
  }

  serve(): void {
    const api = {
      chunksOf: (box: Box) => this.chunksOf(box),
      prepare: (call: number, key: string, labels: boolean) =>
        this.during(call, (signal) => this.prepare(key, labels, signal)),
      holdIds: (keys: readonly string[]) => this.holdIds(keys),
      readLabels: (call: number, box: Box) => this.during(call, (signal) => this.readLabels(box, signal)),
      readProbability: (call: number, box: Box) =>
        this.during(call, (signal) => this.readProbability(box, signal)),
      mesh: (call: number, id: number) => this.during(call, (signal) => this.mesh(call, id, signal)),
      cancel: (call: number) => {
        this.running.get(call)?.abort(new DOMException("the export was cancelled", "AbortError"));
      },
      close: () => this.close(),
    } satisfies ExportSourceApi;
    exposeApi(api, this.port);
  }

  private close(): void {
    this.closed = true;
    for (const controller of this.running.values()) controller.abort(layerClosed());
    // Their answers still have to get through.
    setTimeout(() => this.port.close(), LAST_WORDS);
  }

  private async during<T>(call: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    if (this.closed) throw layerClosed();
    const controller = new AbortController();
    this.running.set(call, controller);
    try {
      return await work(controller.signal);
    } finally {
      this.running.delete(call);
    }
  }

  private check(box: Box): void {
    const { bounds } = this.source.parameters.geometry;
    if (isEmpty(box) || !contains(bounds, box))
      throw new RangeError(
        `the box ${box.lower.join()} - ${box.upper.join()} is not in the volume, ${bounds.lower.join()} - ${bounds.upper.join()}`,
      );
  }

  private chunksOf(box: Box): string[] {
    this.check(box);
    const size = this.source.spec.chunkDataSize;
    const first = box.lower.map((l, axis) => Math.floor(l / size[axis]));
    const last = box.upper.map((u, axis) => Math.ceil(u / size[axis]));
    const keys: string[] = [];
    for (let z = first[2]; z < last[2]; ++z)
      for (let y = first[1]; y < last[1]; ++y)
        for (let x = first[0]; x < last[0]; ++x) keys.push(`${x},${y},${z}`);
    return keys;
  }

  private async prepare(key: string, labels: boolean, signal: AbortSignal): Promise<void> {
    const { source, settings } = this;
    if (labels && source.objects.mappingOf(key) !== undefined) return;
    const box = source.boxOfKey(key);
    const { probability } = await source.predicted.get(WANTED, box, signal);
    signal.throwIfAborted();
    if (!labels) return;
    // Read for the intensity of objects only where that costs nothing.
    const em = source.predicted.isGathered(box)
      ? await source.predicted.gather(box, signal).catch(() => undefined)
      : undefined;
    const { geometry } = source.parameters;
    const { runs, measures } = await analysis().label(`${source.rpcId}:export:${key}`, {
      probability,
      size: boxSize(box),
      sliceAxis: geometry.sliceAxis,
      settings,
      open: openFaces(box, geometry.bounds),
      ...(em && { em }),
    });
    signal.throwIfAborted();
    source.objects.put(key, runs, measures);
  }

  private holdIds(keys: readonly string[]): void {
    this.ids.clear();
    for (const key of keys) {
      const mapping = this.source.objects.mappingOf(key);
      if (mapping === undefined)
        throw new Error(
          `the objects of ${keys.length} chunks do not fit in this page's memory: export a smaller box, or use the command line (chondria predict, chondria objects)`,
        );
      this.ids.set(key, mapping.ids);
    }
  }

  private async readLabels(box: Box, signal: AbortSignal): Promise<BigUint64Array<ArrayBuffer>> {
    this.check(box);
    const voxels = new BigUint64Array(this.length(box));
    for (const key of this.chunksOf(box)) {
      const ids = this.ids.get(key);
      const runs = await this.runs.get(key, () => this.runsOf(key, signal));
      signal.throwIfAborted();
      if (ids === undefined || runs === undefined || ids.length !== runs.count + 1)
        throw new Error(
          "the objects changed while they were exported: leave the layer's settings as they are",
        );
      idsInBox(runs, this.source.boxOfKey(key).lower, ids, box, voxels);
    }
    this.source.objects.overlay?.paint(box, voxels, false);
    return Comlink.transfer(voxels, [voxels.buffer]);
  }

  /** Labels of a chunk, the same as they were; predicted once more when the probability was forgotten. */
  private async runsOf(key: string, signal: AbortSignal): Promise<LabelRuns | undefined> {
    const known = await this.source.labelAgain(key);
    if (known !== undefined) return known;
    await this.source.predicted.get(WANTED, this.source.boxOfKey(key), signal);
    return this.source.labelAgain(key);
  }

  private async readProbability(box: Box, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
    this.check(box);
    const voxels = new Uint8Array(this.length(box));
    for (const key of this.chunksOf(box)) {
      const chunk = this.source.boxOfKey(key);
      const probability = await this.probabilities.get(
        key,
        async () => (await this.source.predicted.get(WANTED, chunk, signal)).probability,
      );
      signal.throwIfAborted();
      const part = intersect(chunk, box);
      const within = (origin: Vec3) => part.lower.map((l, axis) => l - origin[axis]) as unknown as Vec3;
      const size = boxSize(part);
      const cut = copyBox(
        probability!,
        boxSize(chunk),
        within(chunk.lower),
        new Uint8Array(boxVolume(part)),
        size,
        [0, 0, 0],
      );
      copyBox(cut, size, [0, 0, 0], voxels, boxSize(box), within(box.lower));
    }
    return Comlink.transfer(voxels, [voxels.buffer]);
  }

  private length(box: Box): number {
    const voxels = boxVolume(box);
    if (voxels > MOST_VOXELS) throw new RangeError(`${voxels} voxels are not to be had at once`);
    return voxels;
  }

  private async mesh(call: number, id: number, signal: AbortSignal) {
    const { source } = this;
    const pieces = await source.objects.piecesOf(id);
    if (pieces === undefined) return undefined;
    const { voxelSize } = source.parameters;
    const mesh = await analysis().mesh(`${source.rpcId}:export:${call}`, { pieces, voxelSize }, signal);
    return Comlink.transfer(mesh, [mesh.positions.buffer, mesh.indices.buffer]);
  }
}

registerRPC(SERVE_EXPORT, function ({ id, port, settings }: ServeExport) {
  const source = this.get(id) as LabelsSource | undefined;
  if (source !== undefined) {
    new ExportService(source, settings, port).serve();
    return;
  }
  // The layer went while the message was on its way: the first question is answered with that.
  const refuse = () => {
    throw layerClosed();
  };
  exposeApi({ chunksOf: refuse, mesh: refuse, close: () => port.close() }, port);
});
