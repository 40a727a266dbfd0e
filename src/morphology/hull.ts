/**
 * Convex area of a 2-D region exactly as scikit-image 0.26 counts it (`convex_hull_image`, `offset_coordinates` and
 * `include_borders` on): each pixel stands for the diamond (x +- 0.5, y), (x, y +- 0.5), and the pixels whose centre is
 * in the hull of all diamonds, edges and corners included, are counted. Coordinates are doubled, so that everything is
 * an integer and a centre on an edge is decided exactly.
 *
 * Only the first and last pixel of each row can be a corner of the hull. With Y = 2y the left side of the hull is the
 * convex chain under min X over the levels Y: 2 left - 1 at Y = 2y, 2 left at Y = 2y +- 1; the right side mirrors it.
 */
export class HullMeter {
  /** Level above the top row's diamond, doubled. */
  private top = 0;
  private levels = 0;
  private left = new Int32Array(256);
  private right = new Int32Array(256);
  private chainX = new Int32Array(256);
  private chainY = new Int32Array(256);

  /** Starts a region whose pixels lie in the rows firstRow..lastRow. */
  begin(firstRow: number, lastRow: number): void {
    this.top = 2 * firstRow - 1;
    this.levels = 2 * (lastRow - firstRow) + 3;
    if (this.levels > this.left.length) {
      const length = 2 * this.levels;
      this.left = new Int32Array(length);
      this.right = new Int32Array(length);
      this.chainX = new Int32Array(length);
      this.chainY = new Int32Array(length);
    }
    this.left.fill(NONE, 0, this.levels);
    this.right.fill(-NONE, 0, this.levels);
  }

  /** Adds the pixels start..end-1 of a row. */
  add(row: number, start: number, end: number): void {
    const level = 2 * row - this.top;
    const { left, right } = this;
    const l = 2 * start;
    const r = 2 * end - 2;
    if (l - 1 < left[level]) left[level] = l - 1;
    if (r + 1 > right[level]) right[level] = r + 1;
    for (let near = level - 1; near <= level + 1; near += 2) {
      if (l < left[near]) left[near] = l;
      if (r > right[near]) right[near] = r;
    }
  }

  /** Pixels in the hull of what was added. */
  area(): number {
    // The right side is the left side of the mirrored region, so both are one piece of code.
    return this.sum(this.right, -1) + this.sum(this.left, 1) + (this.levels - 1) / 2;
  }

  /**
   * Sum over the rows of -ceil(left / 2) (sign 1) or of floor(right / 2) = -ceil(-right / 2) (sign -1): the two sums
   * and one for each row make the number of pixels between the chains.
   */
  private sum(bound: Int32Array, sign: 1 | -1): number {
    const { chainX, chainY, levels } = this;
    let corners = 0;
    for (let level = 0; level < levels; ++level) {
      const x = sign * bound[level];
      if (x === NONE) continue;
      while (corners > 1) {
        const x1 = chainX[corners - 1];
        const y1 = chainY[corners - 1];
        const x0 = chainX[corners - 2];
        const y0 = chainY[corners - 2];
        // Keep the middle corner only when it lies strictly left of the line from the one before to the new one.
        if ((x1 - x0) * (level - y0) < (x - x0) * (y1 - y0)) break;
        --corners;
      }
      chainX[corners] = x;
      chainY[corners] = level;
      ++corners;
    }
    let total = 0;
    let corner = 0;
    for (let level = 1; level < levels; level += 2) {
      while (chainY[corner + 1] < level) ++corner;
      const x0 = chainX[corner];
      const y0 = chainY[corner];
      const dx = chainX[corner + 1] - x0;
      const dy = chainY[corner + 1] - y0;
      // Exact: numerator and denominator are integers far below 2^53, and so is the gap to the next integer above eps.
      total -= Math.ceil((x0 * dy + dx * (level - y0)) / (2 * dy));
    }
    return total;
  }
}

/** No pixel reaches this level (doubled coordinates stay far below it). */
const NONE = 2 ** 30;
