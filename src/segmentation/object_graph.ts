import { ADDITIVE, type PieceMeasures } from "../morphology/object_types.js";
import { boxSize } from "../volume/box.js";
import type { Vec3 } from "../volume/types.js";
import { ChunkGrid } from "./chunk_grid.js";
import { Components } from "./components.js";
import { directionsOf, opposite, touchingLabels } from "./faces.js";
import { checkRuns, LabelRunsError, runsByteLength, voxelsOfLabels } from "./label_runs.js";
import type {
  GraphChanges,
  GraphObject,
  ObjectGraphOptions,
  ObjectState,
  PlacedMeasures,
} from "./object_graph_types.js";
import { ChunkPieces, type Component } from "./pieces.js";
import type { Connectivity, LabelRuns, PlacedRuns } from "./types.js";

/** About what a component and a piece in it cost in a JavaScript engine. */
const COMPONENT_BYTES = 160;
const PIECE_BYTES = 16;

/**
 * Joins the labels of chunks to whole objects while chunks come, go and are replaced, in any order. At any time its objects are the
 * connected components of the union of the chunks that are there, as one labelling of all of it would give them.
 *
 * Nodes are pieces (chunk, label); edges join pieces that are adjacent over the border between two chunks. The id of a piece is
 * chunk index * 2^20 + label (below 2^53), the id of an object the smallest of its pieces': it does not depend on the order of
 * chunks.
 */
export class ObjectGraph {
  readonly grid: ChunkGrid;
  readonly connectivity: Connectivity;
  private readonly maximumBytes: number;
  private readonly directions: readonly number[];
  private readonly chunks = new Map<number, ChunkPieces>();
  private readonly components = new Components(this.chunks);
  /** Chunks that have runs, the one touched last at the end. */
  private readonly recent = new Set<ChunkPieces>();
  private bytes = 0;
  private pieceCount = 0;

  /** @throws RangeError for sizes, bounds or a connectivity that make no sense. */
  constructor({ connectivity, chunkSize, bounds, maximumBytes }: ObjectGraphOptions) {
    if (connectivity !== 6 && connectivity !== 18 && connectivity !== 26)
      throw new RangeError(`connectivity must be 6, 18 or 26, not ${connectivity}`);
    if (!(maximumBytes >= 0)) throw new RangeError(`${maximumBytes} bytes are no limit`);
    this.grid = new ChunkGrid(chunkSize, bounds);
    this.connectivity = connectivity;
    this.maximumBytes = maximumBytes;
    this.directions = directionsOf(connectivity);
  }

  /** Number of objects, hidden ones included. */
  get size(): number {
    return this.components.count;
  }

  /** Bytes held, about. What is not runs (borders, sums, links) stays until the chunk is removed. */
  get byteLength(): number {
    return this.bytes + COMPONENT_BYTES * this.components.roughCount + PIECE_BYTES * this.pieceCount;
  }

  /** Objects of fewer voxels are hidden, unless they are partial: `mappingOf` gives 0 for them. */
  get minimumVoxels(): number {
    return this.components.minimumVoxels;
  }

  /** The chunks of which the mapping changes, and the objects, come with the next `takeChanges`. */
  set minimumVoxels(voxels: number) {
    if (Number.isNaN(voxels)) throw new RangeError("the smallest object is not a number");
    this.components.minimumVoxels = voxels;
  }

  has(position: Vec3): boolean {
    return this.chunkAt(position) !== undefined;
  }

  /** Where chunks are, in the order in which they came. */
  positions(): Vec3[] {
    return Array.from(this.chunks.values(), ({ position }) => position);
  }

  /**
   * Takes the labels of a chunk (connected components of it, by the same connectivity) in place of earlier ones of that position.
   * @param runs of the whole chunk, clipped at the volume's end; kept, not copied.
   * @param measures one row of sums a label.
   * @throws RangeError for a position out of the volume, LabelRunsError when runs or sums do not fit; nothing is changed then.
   */
  put(position: Vec3, runs: LabelRuns, measures?: PieceMeasures): void {
    if (!this.grid.has(position)) throw new RangeError(`there is no chunk at ${position.join()}`);
    const box = this.grid.boxOf(position);
    checkRuns(runs, boxSize(box));
    const { count } = runs;
    if (
      measures !== undefined &&
      (measures.count !== count || measures.values.length !== count * ADDITIVE.length)
    )
      throw new LabelRunsError(
        `sums of ${measures.count} pieces for ${count} labels; compute the chunk again`,
      );
    const index = this.grid.indexOf(position);
    const chunk = new ChunkPieces(
      index,
      position,
      box,
      runs,
      measures,
      this.directions,
      this.grid.bounds.lower,
    );
    const empty = chunk.voxels.indexOf(0, 1);
    if (empty > 0)
      throw new LabelRunsError(`label ${empty} of a chunk has no voxel; compute the chunk again`);
    this.remove(position);
    this.lookAround(chunk);
    this.chunks.set(index, chunk);
    this.components.add(chunk);
    this.bytes += chunk.byteLength;
    this.pieceCount += count;
    for (const direction of this.directions) {
      const neighbour = chunk.neighbours[direction];
      if (neighbour === undefined) continue;
      neighbour.neighbours[opposite(direction)] = chunk;
      this.components.setMissing(neighbour, opposite(direction), false);
      if (direction > 13) this.link(chunk, neighbour, direction);
      else this.link(neighbour, chunk, opposite(direction));
    }
    this.touch(chunk);
    this.trim();
  }

  /** Forgets a chunk; nothing happens when it is not there. */
  remove(position: Vec3): void {
    const chunk = this.chunkAt(position);
    if (chunk === undefined) return;
    this.chunks.delete(chunk.index);
    this.recent.delete(chunk);
    this.bytes -= chunk.byteLength;
    this.pieceCount -= chunk.count;
    for (const direction of this.directions) {
      const neighbour = chunk.neighbours[direction];
      if (neighbour === undefined) continue;
      const back = opposite(direction);
      neighbour.neighbours[back] = undefined;
      this.components.setMissing(neighbour, back, true);
      this.resize(neighbour, -(neighbour.links[back]?.byteLength ?? 0));
      neighbour.links[back] = undefined;
    }
    this.components.lose(chunk);
  }

  /** The object that a label of a chunk belongs to; undefined when there is no such piece. */
  objectOf(position: Vec3, label: number): number | undefined {
    const chunk = this.chunkAt(position);
    return chunk && this.components.ofPiece(chunk.firstId + label)?.id;
  }

  /** The object that the piece of this id belongs to (every id of an object is one of a piece). */
  objectOfPiece(id: number): number | undefined {
    return this.components.ofPiece(id)?.id;
  }

  /** Whether `mappingOf` gives the id, and not 0; false when there is no such object. */
  isShown(id: number): boolean {
    const component = this.component(id);
    return component !== undefined && this.components.isShown(component);
  }

  /**
   * What to write for the labels 0..count of a chunk: the ids of their objects, 0 for background and hidden ones. From now on
   * `takeChanges` names the chunk when the answer changes. Undefined when there is no such chunk.
   */
  mappingOf(position: Vec3): Float64Array | undefined {
    const chunk = this.chunkAt(position);
    if (chunk === undefined) return undefined;
    if (chunk.served === undefined) this.resize(chunk, 8 * (chunk.count + 1));
    const served = this.components.serve(chunk);
    this.touch(chunk);
    return served.slice();
  }

  /** What became different since the last call; costs as much as what changed. */
  takeChanges(): GraphChanges {
    const { chunks, ...rest } = this.components.takeChanges();
    return { ...rest, chunks: chunks.map(({ position }) => position) };
  }

  /** An object without its pieces, whatever their number; undefined when no object has this id now. */
  state(id: number): ObjectState | undefined {
    const component = this.component(id);
    return component && stateOf(component);
  }

  /** Undefined when no object has this id now. */
  object(id: number): GraphObject | undefined {
    const component = this.component(id);
    return component && this.describe(component);
  }

  /** All objects, hidden ones included, in no particular order. */
  *objects(): Generator<GraphObject> {
    for (const component of this.components.all()) yield this.describe(component);
  }

  /** The labels of a chunk; null when they were dropped to save memory, undefined when there is no such chunk. */
  runsOf(position: Vec3): LabelRuns | null | undefined {
    const chunk = this.chunkAt(position);
    if (chunk === undefined) return undefined;
    this.touch(chunk);
    return chunk.runs ?? null;
  }

  /** The runs of an object; null when those of a chunk were dropped (see `droppedOf`), undefined when there is no such object. */
  piecesOf(id: number): PlacedRuns[] | null | undefined {
    const found = this.byChunk(id);
    if (found === undefined) return undefined;
    const placed: PlacedRuns[] = [];
    for (const [chunk, labels] of found) {
      this.touch(chunk);
      if (chunk.runs !== undefined) placed.push({ lower: chunk.box.lower, runs: chunk.runs, labels });
    }
    return placed.length === found.size ? placed : null;
  }

  /** Sums of an object's pieces; undefined when there is no such object or a chunk came without. */
  measuresOf(id: number): PlacedMeasures[] | undefined {
    const placed: PlacedMeasures[] = [];
    for (const [{ box, measures }, labels] of this.byChunk(id) ?? []) {
      if (measures === undefined) return undefined;
      placed.push({ lower: box.lower, measures, labels });
    }
    return placed.length === 0 ? undefined : placed;
  }

  /** Chunks of an object whose runs were dropped: label them again as they were and `restore` them. */
  droppedOf(id: number): Vec3[] {
    const chunks = [...(this.byChunk(id)?.keys() ?? [])];
    return chunks.filter(({ runs }) => runs === undefined).map(({ position }) => position);
  }

  /**
   * Gives a chunk its runs back. Drops none of another, so that an object's can be brought together; the next `put` does.
   * @returns false when the chunk is not there, or the runs are not those that it had (made with other settings).
   * @throws LabelRunsError when they do not fit together.
   */
  restore(position: Vec3, runs: LabelRuns): boolean {
    const chunk = this.chunkAt(position);
    if (chunk === undefined) return false;
    checkRuns(runs, boxSize(chunk.box));
    if (runs.count !== chunk.count) return false;
    if (!voxelsOfLabels(runs).every((voxels, label) => voxels === chunk.voxels[label])) return false;
    if (chunk.runs === undefined) this.resize(chunk, runsByteLength(runs));
    chunk.runs ??= runs;
    this.touch(chunk);
    return true;
  }

  private chunkAt(position: Vec3): ChunkPieces | undefined {
    return this.grid.has(position) ? this.chunks.get(this.grid.indexOf(position)) : undefined;
  }

  private component(id: number): Component | undefined {
    const component = this.components.ofPiece(id);
    return component?.id === id ? component : undefined;
  }

  private describe(component: Component): GraphObject {
    const pieces = component.pieces.map((piece) => {
      const chunk = this.components.chunkOf(piece)!;
      return { position: chunk.position, label: piece - chunk.firstId };
    });
    return { ...stateOf(component), pieces };
  }

  private byChunk(id: number): Map<ChunkPieces, number[]> | undefined {
    const component = this.component(id);
    if (component === undefined) return undefined;
    const found = new Map<ChunkPieces, number[]>();
    for (const piece of component.pieces) {
      const chunk = this.components.chunkOf(piece)!;
      const labels = found.get(chunk);
      if (labels === undefined) found.set(chunk, [piece - chunk.firstId]);
      else labels.push(piece - chunk.firstId);
    }
    return found;
  }

  /** Finds out what is around a chunk that comes. */
  private lookAround(chunk: ChunkPieces): void {
    for (const direction of this.directions) {
      const position = this.grid.neighbour(chunk.position, direction);
      if (!this.grid.has(position)) chunk.outside |= 1 << direction;
      else {
        chunk.neighbours[direction] = this.chunkAt(position);
        if (chunk.neighbours[direction] === undefined) chunk.missing |= 1 << direction;
      }
    }
  }

  /** Stores and unites what touches; direction > 13. */
  private link(chunk: ChunkPieces, other: ChunkPieces, direction: number): void {
    const pairs = touchingLabels(chunk.sides, other.sides, direction, this.connectivity);
    if (pairs.length === 0) return;
    chunk.links[direction] = pairs;
    this.resize(chunk, pairs.byteLength);
    for (let i = 0; i < pairs.length; i += 2)
      this.components.unite(chunk.owners[pairs[i]], other.owners[pairs[i + 1]]);
  }

  /** Drops runs until the graph is within its limit, or has none. */
  private trim(): void {
    for (const chunk of this.recent) {
      if (this.byteLength <= this.maximumBytes) return;
      this.resize(chunk, -runsByteLength(chunk.runs!));
      chunk.runs = undefined;
      this.recent.delete(chunk);
    }
  }

  private resize(chunk: ChunkPieces, bytes: number): void {
    chunk.byteLength += bytes;
    this.bytes += bytes;
  }

  private touch(chunk: ChunkPieces): void {
    if (chunk.runs === undefined) return;
    this.recent.delete(chunk);
    this.recent.add(chunk);
  }
}

function stateOf({ id, voxels, open, border }: Component): ObjectState {
  return { id, voxels, partial: open > 0, border };
}
