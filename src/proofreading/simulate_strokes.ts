import type { Random } from "../network/random.js";
import { labelMask } from "../segmentation/label.js";
import { boxSize } from "../volume/box.js";
import type { Box, Vec3 } from "../volume/types.js";
import { strokeRegion } from "./stroke_region.js";
import type { Click, Strokes, VoxelSet } from "./types.js";
import { maskOf } from "./voxel_set.js";

/** Pixels of one section of an object, one connected part of it. */
type Part = readonly (readonly [x: number, y: number])[];

/** Sections are clicked in until the interpolated shape is as good as this, or all have been. */
const GOOD_IOU = 0.85;
/** Clicks of one line, and how good a line is good enough for no further click. */
const MOST_CLICKS = 6;
const GOOD_LINE = 0.9;
/** Worse sections that are clicked in at once, before the shape is looked at again. */
const SECTIONS_AT_ONCE = 3;
/** Parts of a section that are smaller than this share of it are not worth a line. */
const SMALL_PART = 0.05;

/** A hand that does not hit exactly: standard deviations, in voxels and as a share of the half width. */
export interface Hand {
  readonly random: Random;
  readonly voxels: number;
  readonly width: number;
}

/**
 * Clicks for an object that a person sees: along the middle of its parts in its first, last and middle section, then in those where the
 * interpolated shape is worst. Sections are across z.
 */
export function strokesAlong(set: VoxelSet, hand: Hand): Strokes {
  const { box } = set;
  const mask = maskOf(set, box);
  const [width, height, depth] = boxSize(box);
  const chosen = new Set([0, Math.floor((depth - 1) / 2), depth - 1]);
  const known = new Map<number, Click[][]>();
  for (;;) {
    const lines = [...chosen]
      .sort((a, b) => a - b)
      .flatMap((section) => {
        const own = known.get(section) ?? linesIn(mask, box, section).map((line) => shaken(line, hand, box));
        known.set(section, own);
        return own;
      });
    const strokes: Strokes = { axis: 2, lines };
    const errors = errorsOf(strokeRegion(strokes, box), mask, width * height);
    const shared = errors.reduce((sum, { both }) => sum + both, 0);
    const wrong = errors.reduce((sum, { either, both }) => sum + either - both, 0);
    const rest = errors
      .map((error, section) => ({ ...error, section }))
      .filter(({ section }) => !chosen.has(section));
    if (rest.length === 0 || shared / (shared + wrong) >= GOOD_IOU) return strokes;
    rest.sort((a, b) => b.either - b.both - (a.either - a.both) || a.section - b.section);
    for (const { section } of rest.slice(0, SECTIONS_AT_ONCE)) chosen.add(section);
  }
}

function errorsOf(made: Uint8Array, mask: Uint8Array, plane: number): { both: number; either: number }[] {
  const errors: { both: number; either: number }[] = [];
  for (let at = 0; at < mask.length; at += plane) {
    let both = 0;
    let either = 0;
    for (let i = at; i < at + plane; ++i) {
      both += mask[i] & made[i];
      either += mask[i] | made[i];
    }
    errors.push({ both, either });
  }
  return errors;
}

function linesIn(mask: Uint8Array, box: Box, section: number): Click[][] {
  const [width, height] = boxSize(box);
  const plane = mask.subarray(section * width * height, (section + 1) * width * height);
  const { labels, count } = labelMask(plane, [width, height, 1]);
  const parts: (readonly [number, number])[][] = Array.from({ length: count }, () => []);
  for (let i = 0; i < plane.length; ++i)
    if (labels[i] > 0) parts[labels[i] - 1].push([i % width, Math.floor(i / width)]);
  const least = parts.reduce((most, { length }) => Math.max(most, length), 0) * SMALL_PART;
  return parts
    .filter(({ length }) => length >= least)
    .map((part) =>
      lineAlong(part).map(
        ([x, y, z, r]) => [x + box.lower[0], y + box.lower[1], z + box.lower[2] + section, r] as const,
      ),
    );
}

/** The fewest clicks along the longest axis of a part that outline it well; else those that do it best. */
function lineAlong(part: Part): Click[] {
  const [right, bottom] = [0, 1].map((i) => part.reduce((most, pixel) => Math.max(most, pixel[i]), 0));
  const box: Box = { lower: [0, 0, 0], upper: [right + 1, bottom + 1, 1] };
  const size = boxSize(box);
  const mask = new Uint8Array(size[0] * size[1]);
  for (const [x, y] of part) mask[x + size[0] * y] = 1;
  let best: Click[] = [];
  let bestIou = -1;
  for (let clicks = 1; clicks <= MOST_CLICKS && bestIou < GOOD_LINE; ++clicks) {
    for (const scale of [0.95, 1, 1.05, 1.1, 1.2]) {
      const line = lineOf(part, clicks, scale);
      // A line may reach beyond its part's box: what lies there is wrong, too.
      const around: Box = { lower: [-20, -20, 0], upper: [size[0] + 20, size[1] + 20, 1] };
      const region = strokeRegion({ axis: 2, lines: [line] }, around);
      let both = 0;
      let made = 0;
      region.forEach((value, i) => {
        if (value === 0) return;
        ++made;
        const x = (i % (size[0] + 40)) - 20;
        const y = Math.floor(i / (size[0] + 40)) - 20;
        if (x >= 0 && y >= 0 && x < size[0] && y < size[1]) both += mask[x + size[0] * y];
      });
      const iou = both / (made + part.length - both);
      if (iou <= bestIou + 0.01) continue;
      bestIou = iou;
      best = line;
    }
  }
  return best;
}

/** `count` clicks spread over the longest axis of a part: each in the middle of it there, with its half width there. */
function lineOf(part: Part, count: number, scale: number): Click[] {
  const n = part.length;
  const [mx, my] = [0, 1].map((i) => part.reduce((sum, pixel) => sum + pixel[i], 0) / n);
  if (count === 1)
    return [[Math.round(mx), Math.round(my), 0, Math.max(0.5, Math.sqrt(n / Math.PI) * scale)]];
  let [xx, xy, yy] = [0, 0, 0];
  for (const [x, y] of part) {
    xx += (x - mx) ** 2;
    xy += (x - mx) * (y - my);
    yy += (y - my) ** 2;
  }
  const angle = Math.atan2(2 * xy, xx - yy) / 2;
  const axis = [Math.cos(angle), Math.sin(angle)];
  const along = part.map(([x, y]) => (x - mx) * axis[0] + (y - my) * axis[1]);
  const from = along.reduce((a, b) => Math.min(a, b));
  const to = along.reduce((a, b) => Math.max(a, b));
  const mean = n / (to - from + 1) / 2;
  return Array.from({ length: count }, (_, k) => {
    // The ends are round: the outermost clicks are half a width inside.
    const inset = Math.min(mean, (to - from) / 3);
    const t = from + inset + ((to - from - 2 * inset) * k) / (count - 1);
    const slab = part.filter((_, i) => Math.abs(along[i] - t) <= 2);
    if (slab.length === 0)
      return [Math.round(mx + t * axis[0]), Math.round(my + t * axis[1]), 0, 0.5] as const;
    const x = slab.reduce((sum, pixel) => sum + pixel[0], 0) / slab.length;
    const y = slab.reduce((sum, pixel) => sum + pixel[1], 0) / slab.length;
    return [Math.round(x), Math.round(y), 0, Math.max(0.5, (slab.length / 5 / 2) * scale)] as const;
  });
}

function shaken(line: readonly Click[], { random, voxels, width }: Hand, { lower, upper }: Box): Click[] {
  return line.map(([x, y, z, radius]) => {
    // Small objects are clicked at closer view.
    const miss = Math.min(voxels, radius / 4);
    const place = (value: number, i: 0 | 1) =>
      Math.min(upper[i] - 1, Math.max(lower[i], Math.round(value + miss * random.normal())));
    return [place(x, 0), place(y, 1), z, Math.max(0.5, radius * (1 + width * random.normal()))] as const;
  });
}

/** The click that is deepest in its object: where growing begins. */
export function widestClick({ lines }: Strokes): Vec3 {
  const [x, y, z] = lines.flat().reduce((best, click) => (click[3] > best[3] ? click : best));
  return [x, y, z];
}
