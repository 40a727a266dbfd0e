import { thresholdByte } from "../segmentation/label.js";
import { RunLabeller } from "../segmentation/runs.js";
import type { LabelSettings, PlacedRuns } from "../segmentation/types.js";
import { boxSize, boxVolume, intersect, isEmpty } from "../volume/box.js";
import { type Box, type Vec3, VolumeError, type VolumeSource, type VoxelArray } from "../volume/types.js";
import type { EditedVolume, PredictionView } from "./types.js";
import { toPlaced, voxelSet } from "./voxel_set.js";

/** What a volume's labels are read as. */
export interface VolumeViewOptions {
  /** Probabilities are labelled by these; of labels only the connectivity matters, for cutting. */
  readonly settings: LabelSettings;
  readonly kind: "probability" | "labels";
  /** Probabilities for splits and added objects, where the volume is labels. */
  readonly probability?: VolumeSource;
  readonly volume?: EditedVolume;
  readonly signal?: AbortSignal;
  readonly onSlice?: (done: number, total: number) => void;
}

/** Largest id: those of objects that operations make are above. */
const LARGEST_ID = 2 ** 52 - 1;

/**
 * A whole volume, the finest scale of it, as predictions: kept as runs, 12 bytes each, read once slice by slice. Probabilities are read again
 * where an operation asks for them.
 * @throws VolumeError when the volume does not fit, or holds what are no probabilities or labels.
 */
export async function openVolumeView(source: VolumeSource, options: VolumeViewOptions): Promise<VolumeView> {
  const {
    kind,
    probability = kind === "probability" ? source : undefined,
    settings,
    signal,
    onSlice,
  } = options;
  const [{ bounds, voxelSize }] = source.scales;
  const [width, height, depth] = boxSize(bounds);
  if (kind === "probability" && source.dataType !== "uint8")
    throw new VolumeError(
      source.name,
      `holds ${source.dataType} values; probabilities are uint8, 255 for 1: if these are labels, say so`,
    );
  if (probability) checkProbability(probability, bounds);
  const builder = new RunBuilder(width, height);
  const minimum = thresholdByte(settings.threshold);
  for (let z = 0; z < depth; ++z) {
    signal?.throwIfAborted();
    const box: Box = {
      lower: [bounds.lower[0], bounds.lower[1], bounds.lower[2] + z],
      upper: [bounds.upper[0], bounds.upper[1], bounds.lower[2] + z + 1],
    };
    const values = await source.read(0, box, { signal });
    if (kind === "labels") builder.addLabels(values, source.name);
    else builder.addMask(values as Uint8Array, minimum, settings.connectivity);
    onSlice?.(z + 1, depth);
  }
  const read = async (box: Box): Promise<Uint8Array> => {
    if (probability === undefined)
      throw new Error("the probabilities are not at hand: give the volume of probabilities, too");
    return (await probability.read(0, box, { signal })) as Uint8Array;
  };
  return new VolumeView({ bounds, voxelSize, settings, volume: options.volume }, builder.finish(), read);
}

function checkProbability(source: VolumeSource, bounds: Box): void {
  if (source.dataType !== "uint8")
    throw new VolumeError(source.name, `holds ${source.dataType} values; probabilities are uint8, 255 for 1`);
  const own = source.scales[0].bounds;
  if (boxVolume(intersect(own, bounds)) !== boxVolume(bounds))
    throw new VolumeError(
      source.name,
      "does not hold all voxels of the labels: give the probabilities of the same box",
    );
}

/** Labelled runs of a whole volume, rows in scan order, with an index by object. */
interface VolumeRuns {
  readonly rows: Uint32Array;
  readonly starts: Int32Array;
  readonly ends: Int32Array;
  /** Position in `ids` of each run. */
  readonly objects: Uint32Array;
  /** Ascending. */
  readonly ids: Float64Array;
}

export class VolumeView implements PredictionView {
  readonly bounds: Box;
  readonly voxelSize: Vec3;
  readonly settings: LabelSettings;
  readonly volume?: EditedVolume;
  /** Runs by object: `order[first[object]..first[object + 1]]`. */
  private readonly first: Uint32Array;
  private readonly order: Uint32Array;
  private readonly cache = new Map<number, readonly PlacedRuns[]>();

  constructor(
    frame: Pick<PredictionView, "bounds" | "voxelSize" | "settings" | "volume">,
    private readonly runs: VolumeRuns,
    readonly probability: (box: Box) => Promise<Uint8Array>,
  ) {
    this.bounds = frame.bounds;
    this.voxelSize = frame.voxelSize;
    this.settings = frame.settings;
    this.volume = frame.volume;
    const { objects, ids } = runs;
    this.first = new Uint32Array(ids.length + 1);
    for (const object of objects) ++this.first[object + 1];
    for (let i = 0; i < ids.length; ++i) this.first[i + 1] += this.first[i];
    this.order = new Uint32Array(objects.length);
    const next = this.first.slice(0, -1);
    objects.forEach((object, run) => {
      this.order[next[object]++] = run;
    });
  }

  /** Ids of all objects, ascending. */
  get ids(): Float64Array {
    return this.runs.ids;
  }

  /** Voxels of an object; 0 when there is none of this id. */
  voxelsOf(id: number): number {
    const object = indexOf(this.runs.ids, id);
    if (object < 0) return 0;
    let voxels = 0;
    for (let i = this.first[object]; i < this.first[object + 1]; ++i)
      voxels += this.runs.ends[this.order[i]] - this.runs.starts[this.order[i]];
    return voxels;
  }

  objectAt([x, y, z]: Vec3): number {
    const { lower, upper } = this.bounds;
    if (x < lower[0] || y < lower[1] || z < lower[2] || x >= upper[0] || y >= upper[1] || z >= upper[2])
      return 0;
    const row = y - lower[1] + (upper[1] - lower[1]) * (z - lower[2]);
    const { rows, starts, ends, objects, ids } = this.runs;
    let low = rows[row];
    let high = rows[row + 1];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (ends[middle] <= x - lower[0]) low = middle + 1;
      else high = middle;
    }
    return low < rows[row + 1] && starts[low] <= x - lower[0] ? ids[objects[low]] : 0;
  }

  runsOf(id: number): readonly PlacedRuns[] {
    const known = this.cache.get(id);
    if (known !== undefined) return known;
    const object = indexOf(this.runs.ids, id);
    if (object < 0) return [];
    const { rows, starts, ends } = this.runs;
    const { lower, upper } = this.bounds;
    const height = upper[1] - lower[1];
    const list = new Int32Array(4 * (this.first[object + 1] - this.first[object]));
    let row = 0;
    for (let i = this.first[object], at = 0; i < this.first[object + 1]; ++i, at += 4) {
      const run = this.order[i];
      row = rowOf(rows, run, row);
      list[at] = lower[2] + Math.floor(row / height);
      list[at + 1] = lower[1] + (row % height);
      list[at + 2] = lower[0] + starts[run];
      list[at + 3] = lower[0] + ends[run];
    }
    const placed = toPlaced(voxelSet(list));
    if (this.cache.size >= 256) this.cache.clear();
    this.cache.set(id, placed);
    return placed;
  }

  *objectsIn(box: Box): Generator<number> {
    const found = new Set<number>();
    this.visit(box, (id) => found.add(id));
    yield* found;
  }

  /** Calls back for the runs inside of a box, in the order z, y, x. */
  visit(box: Box, visit: (id: number, start: number, end: number, y: number, z: number) => void): void {
    const inside = intersect(box, this.bounds);
    if (isEmpty(inside)) return;
    const { lower, upper } = this.bounds;
    const { rows, starts, ends, objects, ids } = this.runs;
    for (let z = inside.lower[2]; z < inside.upper[2]; ++z) {
      for (let y = inside.lower[1]; y < inside.upper[1]; ++y) {
        const row = y - lower[1] + (upper[1] - lower[1]) * (z - lower[2]);
        for (let run = rows[row]; run < rows[row + 1]; ++run) {
          const start = Math.max(starts[run] + lower[0], inside.lower[0]);
          const end = Math.min(ends[run] + lower[0], inside.upper[0]);
          if (start < end) visit(ids[objects[run]], start, end, y, z);
        }
      }
    }
  }
}

/** Collects the runs of slices; of masks the connected objects, of labels the voxels of one value. */
class RunBuilder {
  private readonly labeller = new RunLabeller();
  private begun = false;
  private rows = [0];
  private starts: number[] = [];
  private ends: number[] = [];
  private values: number[] = [];

  constructor(
    private readonly width: number,
    private readonly height: number,
  ) {}

  addMask(values: Uint8Array, minimum: number, connectivity: LabelSettings["connectivity"]): void {
    if (!this.begun) this.labeller.begin(this.width, this.height, connectivity);
    this.begun = true;
    this.labeller.addSlice(values, minimum);
  }

  addLabels(values: VoxelArray, name: string): void {
    const { width, height } = this;
    for (let y = 0; y < height; ++y) {
      for (let x = 0; x < width; ) {
        const value = values[x + width * y];
        const start = x;
        while (x < width && values[x + width * y] === value) ++x;
        if (Number(value) === 0) continue;
        if (value > LARGEST_ID)
          throw new VolumeError(name, `has the label ${value}; labels above 2^52 - 1 cannot be corrected`);
        this.push(Number(value), start, x);
      }
      this.rows.push(this.starts.length);
    }
  }

  finish(): VolumeRuns {
    const { labeller } = this;
    if (this.begun) {
      labeller.finish(0);
      for (let z = 0; z < labeller.depth; ++z) {
        let row = 0;
        const close = (until: number) => {
          for (; row < until; ++row) this.rows.push(this.starts.length);
        };
        labeller.visitSlice(z, (label, y, start, end) => {
          close(y);
          this.push(label, start, end);
        });
        close(this.height);
      }
    }
    const ids = Float64Array.from(new Set(this.values)).sort();
    const place = new Map(Array.from(ids, (id, i) => [id, i]));
    return {
      rows: Uint32Array.from(this.rows),
      starts: Int32Array.from(this.starts),
      ends: Int32Array.from(this.ends),
      objects: Uint32Array.from(this.values, (value) => place.get(value) ?? 0),
      ids,
    };
  }

  private push(value: number, start: number, end: number): void {
    this.values.push(value);
    this.starts.push(start);
    this.ends.push(end);
  }
}

function indexOf(ids: Float64Array, id: number): number {
  let low = 0;
  let high = ids.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ids[middle] < id) low = middle + 1;
    else high = middle;
  }
  return ids[low] === id ? low : -1;
}

/** Row of a run, which is not before row `from`. */
function rowOf(rows: Uint32Array, run: number, from: number): number {
  let low = from;
  let high = rows.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (rows[middle + 1] <= run) low = middle + 1;
    else high = middle;
  }
  return low;
}
