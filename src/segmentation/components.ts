import { LABELS_PER_CHUNK } from "./chunk_grid.js";
import { type ChunkPieces, Component } from "./pieces.js";

/** See `GraphChanges`. */
export interface ComponentChanges {
  readonly objects: number[];
  readonly gone: number[];
  readonly renamed: [from: number, to: number][];
  readonly chunks: ChunkPieces[];
}

/** What lost a piece, as it was then: to say as what the ids given out for it live on. */
interface Former {
  readonly ids: readonly number[];
  readonly pieces: readonly number[];
  readonly time: number;
}

/**
 * The components of a graph whose nodes are pieces (chunk, label). Pieces come with their chunk and are united over links; the
 * smaller component moves to the larger. What loses pieces is put together anew from the links that remain, when it is next asked for.
 */
export class Components {
  private live = 0;
  private minimum = 0;
  private readonly dirty = new Set<Component>();
  private readonly changed = new Set<Component>();
  /** Ids given out that may be no object's any more. */
  private readonly retired = new Set<number>();
  private readonly formers: Former[] = [];
  /** Chunks whose mapping may have changed. */
  private readonly suspects = new Set<ChunkPieces>();
  /** Counts the chunks that came. */
  private time = 0;
  private takenAt = 0;

  constructor(private readonly chunks: ReadonlyMap<number, ChunkPieces>) {}

  get count(): number {
    this.settle();
    return this.live;
  }

  /** Without settling what waits. */
  get roughCount(): number {
    return this.live;
  }

  chunkOf(piece: number): ChunkPieces | undefined {
    return this.chunks.get(Math.floor(piece / LABELS_PER_CHUNK));
  }

  /** The component that a piece belongs to now; undefined when there is no such piece. */
  ofPiece(piece: number): Component | undefined {
    this.settle();
    return this.ownerOf(piece);
  }

  isShown({ voxels, open }: Component): boolean {
    return voxels >= this.minimum || open > 0;
  }

  targetOf(component: Component): number {
    return this.isShown(component) ? component.id : 0;
  }

  get minimumVoxels(): number {
    return this.minimum;
  }

  set minimumVoxels(voxels: number) {
    this.settle();
    const before = this.minimum;
    this.minimum = voxels;
    for (const component of this.all()) {
      if (component.voxels >= before !== component.voxels >= voxels) this.changed.add(component);
    }
  }

  /** All components, by chunk. */
  *all(): Generator<Component> {
    this.settle();
    for (const { owners, count, firstId } of this.chunks.values()) {
      for (let label = 1; label <= count; ++label) {
        if (owners[label].id === firstId + label) yield owners[label];
      }
    }
  }

  /** Makes a component of each label of a chunk that has come. */
  add(chunk: ChunkPieces): void {
    chunk.arrived = ++this.time;
    for (let label = 1; label <= chunk.count; ++label) this.single(chunk, label);
  }

  /** The labels of a chunk are gone, and so are its links. */
  lose(chunk: ChunkPieces): void {
    this.suspects.delete(chunk);
    for (let label = 1; label <= chunk.count; ++label) {
      const component = chunk.owners[label];
      if (!component.dirty && component.pieces.length === 1) this.end(component);
      else this.spoil(component);
    }
  }

  /** A neighbour of a chunk came or went. */
  setMissing(chunk: ChunkPieces, direction: number, missing: boolean): void {
    const bit = 1 << direction;
    const before = chunk.missing;
    chunk.missing = missing ? before | bit : before & ~bit;
    const { touches, owners, count } = chunk;
    for (let label = 1; label <= count; ++label) {
      if ((touches[label] & bit) === 0) continue;
      const was = (touches[label] & before) !== 0;
      const is = (touches[label] & chunk.missing) !== 0;
      if (was === is) continue;
      owners[label].open += is ? 1 : -1;
      this.changed.add(owners[label]);
    }
  }

  unite(a: Component, b: Component): void {
    if (a === b) return;
    const [kept, other] = a.pieces.length >= b.pieces.length ? [a, b] : [b, a];
    if (kept.dirty || other.dirty) {
      this.spoil(kept);
      this.spoil(other);
    }
    for (const piece of other.pieces) {
      const chunk = this.chunkOf(piece);
      // While it waits to be put together anew, a component has ids of pieces that are gone, or new ones of another.
      if (chunk === undefined || chunk.owners[piece - chunk.firstId] !== other) continue;
      chunk.owners[piece - chunk.firstId] = kept;
      kept.pieces.push(piece);
      if (chunk.served !== undefined) this.suspects.add(chunk);
    }
    kept.id = Math.min(kept.id, other.id);
    kept.voxels += other.voxels;
    kept.open += other.open;
    kept.border ||= other.border;
    const ids = idsOf(other);
    if (ids.length > 0) kept.ids = [...(kept.ids ?? []), ...ids];
    this.end(other);
    this.changed.add(kept);
  }

  /** Puts together anew what lost pieces. */
  settle(): void {
    if (this.dirty.size === 0) return;
    const affected = new Set<ChunkPieces>();
    for (const component of this.dirty) {
      this.end(component);
      for (const piece of component.pieces) {
        const chunk = this.chunkOf(piece);
        if (chunk === undefined || chunk.owners[piece - chunk.firstId] !== component) continue;
        this.single(chunk, piece - chunk.firstId);
        affected.add(chunk);
      }
    }
    this.dirty.clear();
    for (const chunk of affected) this.follow(chunk);
    for (const former of this.formers) this.bequeath(former);
    this.formers.length = 0;
  }

  /** The mapping of a chunk, which is remembered as what is written there now. */
  serve(chunk: ChunkPieces): Float64Array {
    this.settle();
    const served = new Float64Array(chunk.count + 1);
    for (let label = 1; label <= chunk.count; ++label) {
      const component = chunk.owners[label];
      served[label] = this.targetOf(component);
      // Other than at the last taking of changes: it may be as then again at the next.
      if (served[label] !== component.target) this.suspects.add(chunk);
    }
    chunk.served = served;
    return served;
  }

  takeChanges(): ComponentChanges {
    this.settle();
    const objects: number[] = [];
    const heirs = new Map<number, Component>();
    for (const component of this.changed) {
      objects.push(component.id);
      for (const id of idsOf(component)) heirs.set(id, component);
      if (component.known !== component.id) this.retire(component);
      component.known = component.id;
      component.ids = undefined;
      const target = this.targetOf(component);
      if (target === component.target) continue;
      component.target = target;
      for (const piece of component.pieces) this.suspects.add(this.chunkOf(piece)!);
    }
    const gone = [...this.retired].filter((id) => this.ownerOf(id)?.id !== id);
    const renamed: [number, number][] = [];
    for (const id of gone) {
      const heir = heirs.get(id);
      if (heir !== undefined) renamed.push([id, heir.id]);
    }
    const chunks = [...this.suspects].filter((chunk) => this.isStale(chunk));
    this.changed.clear();
    this.retired.clear();
    this.suspects.clear();
    this.takenAt = this.time;
    return { objects, gone, renamed, chunks };
  }

  private ownerOf(piece: number): Component | undefined {
    const chunk = this.chunkOf(piece);
    return chunk?.owners[piece - chunk.firstId];
  }

  private single(chunk: ChunkPieces, label: number): void {
    const touches = chunk.touches[label];
    const open = (touches & chunk.missing) !== 0 ? 1 : 0;
    const border = (touches & chunk.outside) !== 0;
    const component = new Component(chunk.firstId + label, chunk.voxels[label], open, border);
    chunk.owners[label] = component;
    this.changed.add(component);
    ++this.live;
  }

  private end(component: Component): void {
    component.gone = true;
    --this.live;
    this.changed.delete(component);
    this.dirty.delete(component);
    this.retire(component);
  }

  private retire({ known }: Component): void {
    if (known >= 0) this.retired.add(known);
  }

  private follow(chunk: ChunkPieces): void {
    for (let direction = 14; direction < chunk.links.length; ++direction) {
      const pairs = chunk.links[direction];
      if (pairs === undefined) continue;
      const other = chunk.neighbours[direction]!;
      for (let i = 0; i < pairs.length; i += 2)
        this.unite(chunk.owners[pairs[i]], other.owners[pairs[i + 1]]);
    }
  }

  /** Marks what is to be put together anew. */
  private spoil(component: Component): void {
    if (component.dirty) return;
    component.dirty = true;
    this.dirty.add(component);
    const ids = idsOf(component);
    component.ids = undefined;
    if (ids.length > 0) this.formers.push({ ids, pieces: [...component.pieces], time: this.time });
  }

  /** Hands the ids of what fell apart to the part that has the piece of that id, else to that with most of the voxels. */
  private bequeath({ ids, pieces, time }: Former): void {
    const voxels = new Map<Component, number>();
    let largest: Component | undefined;
    for (const piece of pieces) {
      const chunk = this.chunkOf(piece);
      if (chunk === undefined || chunk.arrived > time) continue;
      const component = chunk.owners[piece - chunk.firstId];
      const sum = (voxels.get(component) ?? 0) + chunk.voxels[piece - chunk.firstId];
      voxels.set(component, sum);
      if (largest === undefined || sum > voxels.get(largest)!) largest = component;
    }
    for (const id of ids) {
      const own = this.chunkOf(id);
      const heir = own !== undefined && own.arrived <= this.takenAt ? this.ownerOf(id) : largest;
      if (heir !== undefined) heir.ids = [...(heir.ids ?? []), id];
    }
  }

  private isStale({ served, owners, count }: ChunkPieces): boolean {
    if (served === undefined) return false;
    for (let label = 1; label <= count; ++label) {
      if (served[label] !== this.targetOf(owners[label])) return true;
    }
    return false;
  }
}

/** Ids given out that a component answers for. */
function idsOf({ known, ids }: Component): number[] {
  if (known < 0) return ids ?? [];
  return [...(ids ?? []), known];
}
