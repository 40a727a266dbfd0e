import type { ObjectGraph } from "../segmentation/object_graph.js";
import type { LabelRuns, LabelSettings, PlacedRuns } from "../segmentation/types.js";
import { boxSize, intersect, isEmpty } from "../volume/box.js";
import type { Box, Vec3 } from "../volume/types.js";
import type { EditedVolume, PredictionView } from "./types.js";

export interface GraphViewOptions {
  /** nm */
  readonly voxelSize: Vec3;
  readonly settings: LabelSettings;
  readonly volume?: EditedVolume;
  /** round(255 p) of a box, x fastest, 0 where it is not known; as from the store of probabilities. */
  readonly probability: (box: Box) => Promise<Uint8Array>;
}

/** What is asked for needs labels that the graph dropped (`ObjectGraph.droppedOf`). */
export class LabelsDroppedError extends Error {
  override name = "LabelsDroppedError";
  constructor() {
    super("the labels of a chunk were dropped to save memory: look at it again");
  }
}

/**
 * The chunks that a viewer has as predictions: what the graph joined. Where the labels of a chunk were dropped to save memory, an
 * operation that needs them is listed as one that could not be tried, and tried again with the next replay: bring them back first
 * (`ObjectGraph.droppedOf`, `restore`).
 *
 * After chunks came or went, `Replay.refresh` with the objects and boxes that changed.
 */
export class GraphView implements PredictionView {
  readonly voxelSize: Vec3;
  readonly settings: LabelSettings;
  readonly volume?: EditedVolume;
  readonly probability: (box: Box) => Promise<Uint8Array>;

  constructor(
    private readonly graph: ObjectGraph,
    { voxelSize, settings, volume, probability }: GraphViewOptions,
  ) {
    this.voxelSize = voxelSize;
    this.settings = settings;
    this.volume = volume;
    this.probability = probability;
  }

  get bounds(): Box {
    return this.graph.grid.bounds;
  }

  objectAt(voxel: Vec3): number {
    const { chunkSize } = this.graph.grid;
    const at = (i: number) => Math.floor(voxel[i] / chunkSize[i]);
    const position: Vec3 = [at(0), at(1), at(2)];
    const runs = this.runsAt(position);
    if (runs === undefined) return 0;
    const { lower, upper } = this.graph.grid.boxOf(position);
    if (voxel.some((v, i) => v >= upper[i])) return 0;
    const x = voxel[0] - lower[0];
    const row = voxel[1] - lower[1] + runs.size[1] * (voxel[2] - lower[2]);
    for (let run = runs.rows[row]; run < runs.rows[row + 1] && runs.starts[run] <= x; ++run)
      if (x < runs.ends[run]) return this.graph.objectOf(position, runs.labels[run]) ?? 0;
    return 0;
  }

  /** @throws LabelsDroppedError when some of its labels were dropped. */
  runsOf(object: number): readonly PlacedRuns[] {
    const pieces = this.graph.piecesOf(object);
    if (pieces === null) throw new LabelsDroppedError();
    return pieces ?? [];
  }

  *objectsIn(box: Box): Generator<number> {
    const { grid } = this.graph;
    const inside = intersect(box, grid.bounds);
    if (isEmpty(inside)) return;
    const first = inside.lower.map((v, i) => Math.floor(v / grid.chunkSize[i]));
    const last = inside.upper.map((v, i) => Math.floor((v - 1) / grid.chunkSize[i]));
    const found = new Set<number>();
    for (let z = first[2]; z <= last[2]; ++z)
      for (let y = first[1]; y <= last[1]; ++y)
        for (let x = first[0]; x <= last[0]; ++x) this.collect([x, y, z], inside, found);
    yield* found;
  }

  private collect(position: Vec3, box: Box, found: Set<number>): void {
    const runs = this.runsAt(position);
    if (runs === undefined) return;
    const chunk = this.graph.grid.boxOf(position);
    const { lower, upper } = intersect(box, chunk);
    const labels = new Set<number>();
    const [, height] = boxSize(chunk);
    for (let z = lower[2]; z < upper[2]; ++z) {
      for (let y = lower[1]; y < upper[1]; ++y) {
        const row = y - chunk.lower[1] + height * (z - chunk.lower[2]);
        for (let run = runs.rows[row]; run < runs.rows[row + 1]; ++run) {
          const start = runs.starts[run] + chunk.lower[0];
          if (start < upper[0] && runs.ends[run] + chunk.lower[0] > lower[0]) labels.add(runs.labels[run]);
        }
      }
    }
    for (const label of labels) {
      const id = this.graph.objectOf(position, label);
      if (id !== undefined) found.add(id);
    }
  }

  private runsAt(position: Vec3): LabelRuns | undefined {
    const runs = this.graph.runsOf(position);
    if (runs === null) throw new LabelsDroppedError();
    return runs;
  }
}
