import { BoxTooLargeError } from "../segmentation/voxel_box.js";
import { boxSize, intersect, isEmpty } from "../volume/box.js";
import type { Box, Vec3 } from "../volume/types.js";
import type { Click, Strokes } from "./types.js";

/** Pixels of a section times clicks: some seconds. */
const MAX_WORK = 2 ** 27;

/** Smallest box around the strokes, in the sections from the first to the last one that is clicked in. */
export function strokeBox({ axis, lines }: Strokes): Box {
  const lower: [number, number, number] = [Infinity, Infinity, Infinity];
  const upper: [number, number, number] = [-Infinity, -Infinity, -Infinity];
  for (const click of lines.flat()) {
    for (const i of [0, 1, 2] as const) {
      const reach = i === axis ? 0 : Math.ceil(click[3]);
      lower[i] = Math.min(lower[i], click[i] - reach);
      upper[i] = Math.max(upper[i], click[i] + reach + 1);
    }
  }
  return { lower, upper };
}

/**
 * The voxels that strokes stand for. In a section with strokes: all that are not farther from a line than its half width there, which goes
 * evenly from one click to the next. In a section between two such: where the mean of the distances to the border in these, weighted by nearness,
 * is not outside (shape-based interpolation: Raya & Udupa 1990, "Shape-based interpolation of multidimensional objects"). Beyond the first and the last: none.
 * @returns 1 for those in the box, x fastest.
 * @throws BoxTooLargeError when pixels of a section times clicks would take minutes.
 */
export function strokeRegion({ axis, lines }: Strokes, box: Box): Uint8Array {
  const size = boxSize(box);
  const mask = new Uint8Array(size[0] * size[1] * size[2]);
  const own = intersect(box, strokeBox({ axis, lines }));
  if (isEmpty(own)) return mask;
  const sections = [...new Set(lines.map(([first]) => first[axis]))].sort((a, b) => a - b);
  const clicks = lines.reduce((sum, line) => sum + line.length, 0);
  const [width, height] = planeAxes(axis).map((i) => own.upper[i] - own.lower[i]);
  if (width * height * clicks > MAX_WORK)
    throw new BoxTooLargeError("an object of so many clicks", size, MAX_WORK);
  const known = new Map<number, Float32Array>();
  const distances = (section: number) => {
    let found = known.get(section);
    if (found === undefined) {
      found = distancesIn(
        own,
        axis,
        lines.filter(([first]) => first[axis] === section),
      );
      known.set(section, found);
    }
    return found;
  };
  const [u, v] = planeAxes(axis);
  const strides: Vec3 = [1, size[0], size[0] * size[1]];
  for (let section = own.lower[axis]; section < own.upper[axis]; ++section) {
    const above = sections.find((other) => other >= section);
    const below = sections.findLast((other) => other <= section);
    if (above === undefined || below === undefined) continue;
    const a = distances(below);
    const b = distances(above);
    for (const other of known.keys()) if (other < below) known.delete(other);
    const weight = above === below ? 0 : (section - below) / (above - below);
    let at = 0;
    for (let q = own.lower[v]; q < own.upper[v]; ++q) {
      let to =
        (section - box.lower[axis]) * strides[axis] +
        (q - box.lower[v]) * strides[v] +
        (own.lower[u] - box.lower[u]) * strides[u];
      for (let p = own.lower[u]; p < own.upper[u]; ++p, ++at, to += strides[u])
        if (a[at] * (1 - weight) + b[at] * weight <= 0) mask[to] = 1;
    }
  }
  return mask;
}

function planeAxes(axis: 0 | 1 | 2): readonly [0 | 1 | 2, 0 | 1 | 2] {
  return axis === 0 ? [1, 2] : axis === 1 ? [0, 2] : [0, 1];
}

/** Distance to the border of the lines of one section, negative inside, for the pixels of the box's section. */
function distancesIn(box: Box, axis: 0 | 1 | 2, lines: readonly (readonly Click[])[]): Float32Array {
  const [u, v] = planeAxes(axis);
  const width = Math.max(0, box.upper[u] - box.lower[u]);
  const out = new Float32Array(width * Math.max(0, box.upper[v] - box.lower[v])).fill(Infinity);
  for (const line of lines) {
    for (let k = 0; k < Math.max(1, line.length - 1); ++k) {
      const from = line[k];
      const to = line[Math.min(k + 1, line.length - 1)];
      const [du, dv] = [to[u] - from[u], to[v] - from[v]];
      const length = du * du + dv * dv;
      let at = 0;
      for (let q = box.lower[v]; q < box.upper[v]; ++q) {
        for (let p = box.lower[u]; p < box.upper[u]; ++p, ++at) {
          const along = (p - from[u]) * du + (q - from[v]) * dv;
          const t = length === 0 ? 0 : Math.min(1, Math.max(0, along / length));
          const away = Math.hypot(p - from[u] - t * du, q - from[v] - t * dv);
          const distance = away - (from[3] + t * (to[3] - from[3]));
          if (distance < out[at]) out[at] = distance;
        }
      }
    }
  }
  return out;
}
