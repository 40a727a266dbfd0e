import { GraphView } from "../../src/proofreading/graph_view.js";
import type { EditedVolume, PredictionView } from "../../src/proofreading/types.js";
import type { ObjectGraph } from "../../src/segmentation/object_graph.js";
import type { LabelSettings, PlacedRuns } from "../../src/segmentation/types.js";
import { boxSize, boxVolume, intersect, isEmpty } from "../../src/volume/box.js";
import { copyBox } from "../../src/volume/copy_box.js";
import type { Box, Vec3 } from "../../src/volume/types.js";

/** Probabilities of chunks that are held while a box is put together, as neighbours need the same ones. */
const HELD_CHUNKS = 32;

export interface EditsViewHost {
  readonly voxelSize: Vec3;
  readonly volume: EditedVolume;
  graph(): ObjectGraph;
  settings(): LabelSettings;
  /** Stored probability of a chunk; undefined when there is none. */
  probabilityOf(box: Box): Promise<Uint8Array | undefined>;
}

/** The chunks of one source as predictions to be edited, whatever graph and settings it has at the moment. */
export class EditsView implements PredictionView {
  readonly voxelSize: Vec3;
  readonly volume: EditedVolume;
  private view: GraphView | undefined;
  private of: readonly unknown[] = [];
  private readonly held = new Map<string, Promise<Uint8Array | undefined>>();

  constructor(private readonly host: EditsViewHost) {
    this.voxelSize = host.voxelSize;
    this.volume = host.volume;
  }

  private get now(): GraphView {
    const graph = this.host.graph();
    const settings = this.host.settings();
    if (this.view === undefined || this.of[0] !== graph || this.of[1] !== settings) {
      const { voxelSize, volume } = this;
      this.view = new GraphView(graph, {
        voxelSize,
        volume,
        settings,
        probability: (box) => this.probability(box),
      });
      this.of = [graph, settings];
    }
    return this.view;
  }

  get bounds(): Box {
    return this.now.bounds;
  }

  get settings(): LabelSettings {
    return this.host.settings();
  }

  objectAt(voxel: Vec3): number {
    return this.now.objectAt(voxel);
  }

  runsOf(object: number): readonly PlacedRuns[] {
    return this.now.runsOf(object);
  }

  objectsIn(box: Box): Iterable<number> {
    return this.now.objectsIn(box);
  }

  /** Grid positions of the chunks that meet a box, known or not. */
  positionsIn(box: Box): Vec3[] {
    const { grid } = this.host.graph();
    const inside = intersect(box, grid.bounds);
    if (isEmpty(inside)) return [];
    const first = inside.lower.map((v, i) => Math.floor(v / grid.chunkSize[i]));
    const last = inside.upper.map((v, i) => Math.floor((v - 1) / grid.chunkSize[i]));
    const positions: Vec3[] = [];
    for (let z = first[2]; z <= last[2]; ++z)
      for (let y = first[1]; y <= last[1]; ++y)
        for (let x = first[0]; x <= last[0]; ++x) positions.push([x, y, z]);
    return positions;
  }

  /** Whether the chunk that holds a voxel is there; true outside of the volume, where nothing will come. */
  isThere(voxel: Vec3): boolean {
    const [x, y, z] = voxel;
    const [position] = this.positionsIn({ lower: voxel, upper: [x + 1, y + 1, z + 1] });
    return position === undefined || this.host.graph().has(position);
  }

  async probability(box: Box): Promise<Uint8Array> {
    const size = boxSize(box);
    const out = new Uint8Array(boxVolume(box));
    const { grid } = this.host.graph();
    for (const position of this.positionsIn(box)) {
      const chunk = grid.boxOf(position);
      const probability = await this.chunk(position.join(), chunk);
      if (probability === undefined) continue;
      const part = intersect(chunk, box);
      const within = ({ lower }: Box) => part.lower.map((l, axis) => l - lower[axis]) as unknown as Vec3;
      const partSize = boxSize(part);
      const cut = new Uint8Array(boxVolume(part));
      copyBox(probability, boxSize(chunk), within(chunk), cut, partSize, [0, 0, 0]);
      copyBox(cut, partSize, [0, 0, 0], out, size, within(box));
    }
    return out;
  }

  private chunk(key: string, box: Box): Promise<Uint8Array | undefined> {
    let found = this.held.get(key);
    if (found !== undefined) return found;
    found = this.host.probabilityOf(box);
    this.held.set(key, found);
    found.catch(() => this.held.delete(key));
    for (const oldest of this.held.keys()) {
      if (this.held.size <= HELD_CHUNKS) break;
      this.held.delete(oldest);
    }
    return found;
  }

  /** Gives the held probabilities free. */
  release(): void {
    this.held.clear();
  }
}
