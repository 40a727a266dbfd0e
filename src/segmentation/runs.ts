import { scanRow } from "./scan_row.js";
import type { Connectivity } from "./types.js";

/** Most voxels one labeller takes: object sizes are counted in 32 bits. */
const MAX_VOXELS = 2 ** 32 - 1;

/**
 * Connected components of a stack that is handed over slice by slice, kept as runs of foreground along x instead of
 * voxels: 16 bytes a run (the mask of Lucchi++ train, 130 M voxels, takes 5 MB), and the mask itself need not be held.
 *
 * Two passes: while slices come in, each run is joined (union-find, the smaller index is the root) with the runs that
 * it touches in the rows before it; `finish` numbers the objects in scan order (x, then y, then slice), as
 * scipy.ndimage.label and skimage.measure.label do. Buffers grow as needed and are kept for the next stack.
 */
export class RunLabeller {
  width = 0;
  height = 0;
  depth = 0;
  /** Number of objects, after `finish`. */
  count = 0;
  /** Voxels in the objects that were kept, after `finish`. */
  foreground = 0;
  private connectivity: Connectivity = 26;
  private runs = 0;
  private starts = new Int32Array(1024);
  private ends = new Int32Array(1024);
  private parents = new Int32Array(1024);
  /** Sizes of roots, then the final label of each run. */
  private numbers = new Uint32Array(1024);
  /** First run of row y + height * z; one more entry closes the last row. */
  private rows = new Int32Array(1024);
  /** A row that does not begin at a whole word. */
  private copied = new Uint8Array(0);

  /** Starts a stack of slices of width x height pixels; what was held before is forgotten. */
  begin(width: number, height: number, connectivity: Connectivity): void {
    if (!(Number.isInteger(width) && Number.isInteger(height) && width >= 0 && height >= 0)) {
      throw new RangeError(`a slice of ${width} x ${height} pixels cannot be labelled`);
    }
    if (connectivity !== 6 && connectivity !== 18 && connectivity !== 26) {
      throw new RangeError(`connectivity must be 6, 18 or 26, not ${connectivity}`);
    }
    this.width = width;
    this.height = height;
    this.connectivity = connectivity;
    this.depth = 0;
    this.runs = 0;
    this.count = 0;
    this.foreground = 0;
    this.rows[0] = 0;
  }

  /**
   * Adds the next slice: `values` from `offset`, x fastest; a pixel is foreground when its value >= `minimum`.
   * @throws RangeError when `values` is too short or the stack has more than 2^32 - 1 voxels.
   */
  addSlice(values: Uint8Array, minimum = 1, offset = 0): void {
    const { width, height } = this;
    if (values.length < offset + width * height) {
      throw new RangeError(`a slice of ${width} x ${height} needs ${width * height} values`);
    }
    if (width * height * (this.depth + 1) > MAX_VOXELS) {
      throw new RangeError(`a stack of more than ${MAX_VOXELS} voxels cannot be labelled at once`);
    }
    const first = height * this.depth;
    if (this.rows.length < first + height + 1) this.rows = grown(this.rows, first + height + 1);
    // Faces always touch; edges from 18, corners from 26. "Reach" is how far a neighbour may be off along x.
    const edges = this.connectivity >= 18;
    const near = edges ? 1 : 0;
    const far = this.connectivity === 26 ? 1 : 0;
    // Rows are scanned in words of four; where rows do not begin with one, each is copied to where it does.
    const perRow = (width + 3) >> 2;
    const aligned = width % 4 === 0 && (values.byteOffset + offset) % 4 === 0;
    if (this.copied.length < 4 * perRow) this.copied = new Uint8Array(4 * perRow);
    this.copied.fill(0);
    const words = aligned
      ? new Int32Array(values.buffer, values.byteOffset + offset, perRow * height)
      : new Int32Array(this.copied.buffer);
    for (let y = 0; y < height; ++y) {
      const row = first + y;
      const from = offset + y * width;
      if (!aligned) this.copied.set(values.subarray(from, from + width));
      const word = aligned ? y * perRow : 0;
      this.makeRoom();
      const { starts, ends, parents } = this;
      const last = scanRow(words, word, word + perRow, width, minimum, starts, ends, this.runs);
      for (let run = this.runs; run < last; ++run) parents[run] = run;
      this.runs = last;
      this.rows[row + 1] = last;
      if (this.rows[row] === this.runs) continue;
      if (y > 0) this.join(row, row - 1, near);
      if (this.depth > 0) {
        const below = row - height;
        this.join(row, below, near);
        if (edges && y > 0) this.join(row, below - 1, far);
        if (edges && y + 1 < height) this.join(row, below + 1, far);
      }
    }
    ++this.depth;
  }

  /** Numbers the objects of at least `minimumVoxels` voxels 1..count in scan order; the others become background. */
  finish(minimumVoxels = 0): void {
    const { runs, starts, ends, parents, numbers } = this;
    numbers.fill(0, 0, runs);
    for (let run = 0; run < runs; ++run) {
      // Roots have the smallest index of their object, so the parent of an earlier run is its root already.
      const root = parents[parents[run]];
      parents[run] = root;
      numbers[root] += ends[run] - starts[run];
    }
    let count = 0;
    let foreground = 0;
    for (let run = 0; run < runs; ++run) {
      const root = parents[run];
      if (root !== run) numbers[run] = numbers[root];
      else if (numbers[run] >= minimumVoxels) {
        foreground += numbers[run];
        numbers[run] = ++count;
      } else numbers[run] = 0;
    }
    this.count = count;
    this.foreground = foreground;
  }

  /** Writes the labels of all slices into `labels` (zero-filled, x fastest), after `finish`. */
  paint(labels: Uint32Array): void {
    const { width, starts, ends, numbers, rows } = this;
    const rowCount = this.height * this.depth;
    for (let row = 0; row < rowCount; ++row) {
      const base = row * width;
      for (let run = rows[row]; run < rows[row + 1]; ++run) {
        const label = numbers[run];
        if (label === 0) continue;
        const end = base + ends[run];
        // The call of `fill` costs more than a short loop.
        if (ends[run] - starts[run] > 24) labels.fill(label, base + starts[run], end);
        else for (let i = base + starts[run]; i < end; ++i) labels[i] = label;
      }
    }
  }

  /** Calls back for every labelled run [start, end) of slice z, rows ascending, then start ascending; after `finish`. */
  visitSlice(z: number, visit: (label: number, row: number, start: number, end: number) => void): void {
    const { starts, ends, numbers, rows, height } = this;
    for (let y = 0; y < height; ++y) {
      const row = z * height + y;
      for (let run = rows[row]; run < rows[row + 1]; ++run) {
        if (numbers[run] !== 0) visit(numbers[run], y, starts[run], ends[run]);
      }
    }
  }

  /** Bytes held by the buffers. */
  get byteLength(): number {
    return this.starts.byteLength * 4 + this.rows.byteLength;
  }

  private makeRoom(): void {
    const mostRuns = this.runs + ((this.width + 1) >> 1);
    if (mostRuns <= this.starts.length) return;
    this.starts = grown(this.starts, mostRuns);
    this.ends = grown(this.ends, mostRuns);
    this.parents = grown(this.parents, mostRuns);
    this.numbers = new Uint32Array(this.starts.length);
  }

  /** Joins the runs of two rows that overlap, or come within `reach` of it along x. */
  private join(rowA: number, rowB: number, reach: number): void {
    const { starts, ends, rows } = this;
    const lastA = rows[rowA + 1];
    const lastB = rows[rowB + 1];
    let a = rows[rowA];
    let b = rows[rowB];
    while (a < lastA && b < lastB) {
      if (ends[b] + reach <= starts[a]) ++b;
      else if (ends[a] + reach <= starts[b]) ++a;
      else {
        this.unite(a, b);
        if (ends[a] < ends[b]) ++a;
        else ++b;
      }
    }
  }

  private unite(a: number, b: number): void {
    const { parents } = this;
    const rootA = findRoot(parents, a);
    const rootB = findRoot(parents, b);
    if (rootA < rootB) parents[rootB] = rootA;
    else parents[rootA] = rootB;
  }
}

/** Root of a run, halving the path on the way. */
function findRoot(parents: Int32Array, run: number): number {
  let at = run;
  while (parents[at] !== at) {
    parents[at] = parents[parents[at]];
    at = parents[at];
  }
  return at;
}

function grown(array: Int32Array, needed: number): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(Math.max(needed, array.length * 2));
  larger.set(array);
  return larger;
}
