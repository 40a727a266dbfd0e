import type { PieceMeasures } from "../morphology/object_types.js";
import type { Box, Vec3 } from "../volume/types.js";
import { LABELS_PER_CHUNK } from "./chunk_grid.js";
import { DIRECTIONS, markTouches, markWithin, type Sides, takeSides, WITHIN } from "./faces.js";
import { runsByteLength, voxelsOfLabels } from "./label_runs.js";
import type { LabelRuns } from "./types.js";

/** A connected set of pieces; written by `Components` only. */
export class Component {
  /** Ids of the pieces; while `dirty`, also of some that are gone. */
  readonly pieces: number[];
  /** A piece was taken out: to be put together anew from the links. */
  dirty = false;
  /** Taken up by another, or put together anew. */
  gone = false;
  /** The id that `takeChanges` gave out last; -1 for none. */
  known = -1;
  /** Ids given out for others that it took up since then. */
  ids: number[] | undefined;
  /** The value with which the mappings of its pieces were compared last. */
  target = Number.NaN;

  constructor(
    /** Smallest of the ids of its pieces. */
    public id: number,
    public voxels: number,
    /** Pieces that go up to a chunk that is not there. */
    public open: number,
    public border: boolean,
  ) {
    this.pieces = [id];
  }
}

/** What is kept of one chunk's labels; index 0 of what is per label is unused. */
export class ChunkPieces {
  readonly count: number;
  /** Added to a label it makes the id of a piece. */
  readonly firstId: number;
  readonly voxels: Float64Array;
  /** Bit d: the label has a voxel at the border towards direction d. */
  readonly touches: Uint32Array;
  readonly sides: Sides;
  readonly owners: Component[] = [];
  /** Pairs of labels (own, other's) that touch, by direction; only above 13: the other chunk has the rest. */
  readonly links: (Uint32Array | undefined)[] = new Array(DIRECTIONS).fill(undefined);
  /** The chunks that are there, by direction. */
  readonly neighbours: (ChunkPieces | undefined)[] = new Array(DIRECTIONS).fill(undefined);
  /** Bit d: within the volume, but there is no chunk. */
  missing = 0;
  /** Bit d: out of the volume. */
  outside = 1 << WITHIN;
  /** Its number in the order of arrival. */
  arrived = 0;
  /** What `mappingOf` answered last. */
  served: Float64Array | undefined;
  /** Of all that hangs on it. */
  byteLength: number;

  constructor(
    readonly index: number,
    readonly position: Vec3,
    readonly box: Box,
    /** Undefined when they were dropped to save memory. */
    public runs: LabelRuns | undefined,
    readonly measures: PieceMeasures | undefined,
    directions: readonly number[],
    /** First voxel of the volume; it may lie within the chunk. */
    first: Vec3,
  ) {
    const labelled = runs!;
    this.count = labelled.count;
    this.firstId = index * LABELS_PER_CHUNK;
    this.voxels = voxelsOfLabels(labelled);
    this.sides = takeSides(labelled, directions);
    this.touches = new Uint32Array(this.count + 1);
    markTouches(this.sides, directions, this.touches);
    const edge = first.map((f, i) => (f > box.lower[i] ? f - box.lower[i] : -1)) as unknown as Vec3;
    if (edge.some((e) => e >= 0)) markWithin(labelled, edge, this.touches);
    const perLabel = this.voxels.byteLength + this.touches.byteLength + 8 * this.count;
    const sums = measures?.values.byteLength ?? 0;
    // About 1,000 bytes are the objects themselves.
    this.byteLength = 1000 + perLabel + this.sides.words.byteLength + sums + runsByteLength(labelled);
  }
}
