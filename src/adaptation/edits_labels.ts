import type { Corrections } from "../proofreading/corrections.js";
import type { CorrectedObject } from "../proofreading/types.js";
import type { VolumeView } from "../proofreading/volume_view.js";
import { paintSet } from "../proofreading/voxel_set.js";
import { distanceTransform } from "../segmentation/distance_transform.js";
import { boxSize, boxVolume, intersect, isEmpty } from "../volume/box.js";
import type { Box } from "../volume/types.js";

export interface EditLabelsOptions {
  /** Around reviewed objects, in their sections, what no other object has is taken to have been looked at: nm. */
  readonly margin: number;
  /** Boxes in which all was looked at: what stands there is right, what does not is background. */
  readonly reviewed: readonly Box[];
}

/** Labels to learn from, of a box; x fastest. */
export interface EditLabels {
  /** 1 in mitochondria. */
  readonly labels: Uint8Array;
  /** 1 where `labels` is known: elsewhere nobody has looked. */
  readonly known: Uint8Array;
}

/** Not looked at, or not judged. */
const UNKNOWN = 0;
const BACKGROUND = 1;
const MITOCHONDRION = 2;
const OTHER = 3;

/**
 * What corrections teach. Mitochondria: objects that were accepted, and those that were changed or added and not judged. Background: objects that were
 * deleted or rejected, and the margin of all of these. Not known: objects that nobody judged or that are unsure or for an expert, and all else
 * that is not in a reviewed box; in one, objects are mitochondria (but for those unsure) and the rest is background.
 * @throws BoxTooLargeError when a section does not fit into memory.
 */
export function editLabels(
  corrections: Corrections,
  view: VolumeView,
  box: Box,
  { margin, reviewed }: EditLabelsOptions,
): EditLabels {
  const classes = new Uint8Array(boxVolume(box));
  for (const id of view.objectsIn(box)) {
    if (corrections.has(corrections.shownAs(id)) || corrections.shownAs(id) === 0) continue;
    if (view.voxelsOf(id) < view.settings.minimumVoxels) continue;
    paintSet(corrections.voxelsOf(corrections.get(id)), box, classes, OTHER);
  }
  // What is deleted lies behind all others.
  const corrected = [...corrections.corrected()].sort((a, b) => Number(b.deleted) - Number(a.deleted));
  for (const object of corrected) paintSet(corrections.voxelsOf(object), box, classes, classOf(object));
  addMargin(classes, box, margin, view);
  for (const part of reviewed) settle(classes, box, intersect(part, box), corrected, corrections);
  return {
    labels: classes.map((value) => (value === MITOCHONDRION ? 1 : 0)),
    known: classes.map((value) => (value === MITOCHONDRION || value === BACKGROUND ? 1 : 0)),
  };
}

function classOf({ deleted, verdict, atoms }: CorrectedObject): number {
  if (deleted || verdict?.verdict === "reject") return BACKGROUND;
  if (isUndecided(verdict)) return OTHER;
  // A comment or a tag alone judges nothing.
  const changed = atoms.length > 1 || atoms.some(({ voxels }) => voxels !== undefined);
  return verdict?.verdict === "accept" || changed ? MITOCHONDRION : OTHER;
}

function isUndecided(verdict: CorrectedObject["verdict"]): boolean {
  return verdict?.verdict === "unsure" || verdict?.verdict === "expert";
}

function addMargin(classes: Uint8Array, box: Box, margin: number, { voxelSize }: VolumeView): void {
  if (margin <= 0) return;
  const [width, height, depth] = boxSize(box);
  for (let z = 0; z < depth; ++z) {
    const section = classes.subarray(z * width * height, (z + 1) * width * height);
    const away = section.map((value) => (value === MITOCHONDRION || value === BACKGROUND ? 0 : 1));
    if (!away.includes(0)) continue;
    const distance = distanceTransform(away, [width, height, 1], voxelSize, { outside: "ignored" });
    for (let i = 0; i < section.length; ++i)
      if (section[i] === UNKNOWN && distance[i] <= margin) section[i] = BACKGROUND;
  }
}

/** All in a box that was looked at is known, but for objects that somebody is unsure of. */
function settle(
  classes: Uint8Array,
  box: Box,
  part: Box,
  corrected: readonly CorrectedObject[],
  corrections: Corrections,
): void {
  if (isEmpty(part)) return;
  const unsure = new Uint8Array(boxVolume(part));
  for (const object of corrected)
    if (!object.deleted && isUndecided(object.verdict))
      paintSet(corrections.voxelsOf(object), part, unsure, 1);
  const [width, height] = boxSize(box);
  let at = 0;
  for (let z = part.lower[2]; z < part.upper[2]; ++z)
    for (let y = part.lower[1]; y < part.upper[1]; ++y) {
      const row = width * (y - box.lower[1] + height * (z - box.lower[2])) - box.lower[0];
      for (let x = part.lower[0]; x < part.upper[0]; ++x, ++at) {
        if (unsure[at] !== 0) continue;
        if (classes[row + x] === UNKNOWN) classes[row + x] = BACKGROUND;
        if (classes[row + x] === OTHER) classes[row + x] = MITOCHONDRION;
      }
    }
}
