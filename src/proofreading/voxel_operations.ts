import { boxSize, intersect, isEmpty } from "../volume/box.js";
import type { Box, Vec3 } from "../volume/types.js";
import type { Attempt } from "./attempt.js";
import { growFromSeed } from "./grow_from_seed.js";
import { fillShape, growShape, type ShapeInBox, shrinkShape, smoothShape } from "./shape_edits.js";
import { splitObject } from "./split_object.js";
import { strokeBox, strokeRegion } from "./stroke_region.js";
import type { AddAction, Atom, CorrectedObject, FillAction, ShapeAction, SplitAction } from "./types.js";
import { checkBox, fromMask, maskOf } from "./voxel_set.js";

/** Most parts of one split, so that each has an id of its own. */
const PARTS = 256;

/** Each object that markers of two parts or more lie in is cut; between objects there is nothing to cut. */
export async function splitAtMarkers(attempt: Attempt, { parts, landscape }: SplitAction): Promise<void> {
  const touched = new Map<number, { object: CorrectedObject; markers: Map<number, Vec3[]> }>();
  parts.forEach((markers, part) => {
    let used = 0;
    let deleted = false;
    for (const marker of markers) {
      const object = attempt.at(marker);
      deleted ||= object?.deleted !== undefined;
      if (object === undefined || object.deleted) continue;
      const entry = touched.get(object.id) ?? { object, markers: new Map<number, Vec3[]>() };
      touched.set(object.id, entry);
      const voxels = entry.markers.get(part);
      if (voxels === undefined) entry.markers.set(part, [marker]);
      else voxels.push(marker);
      ++used;
    }
    // A stroke may leave the object; one that never enters it was meant for something that is not there.
    if (used > 0) return;
    if (deleted) attempt.conflict("deleted", `what part ${part + 1} marks is deleted`, markers);
    else attempt.conflict("no-object", `no marker of part ${part + 1} is in an object`, markers);
  });
  const cuts = [...touched.values()].filter(({ markers }) => markers.size > 1);
  if (cuts.length === 0 && touched.size > 1)
    attempt.conflict("already-apart", "the parts are different objects already", parts.flat().slice(0, 100));
  for (const [i, { object, markers }] of cuts.entries()) {
    const set = attempt.state.voxelsOf(object);
    const { lower } = set.box;
    const mask = maskOf(set, set.box);
    const labels = splitObject({
      size: boxSize(set.box),
      mask,
      probability: landscape === "probability" ? await attempt.state.view.probability(set.box) : undefined,
      markers: [...markers.values()].map((voxels) => voxels.map((voxel) => relative(voxel, lower))),
      connectivity: attempt.operation.settings.connectivity,
      voxelSize: attempt.state.view.voxelSize,
    });
    const groups: Atom[][] = [];
    [...markers.keys()].forEach((part, k) => {
      const voxels = fromMask(labels, set.box, k + 1);
      // Markers of two parts on one voxel: the first part has it.
      if (voxels.count > 0)
        groups.push([{ id: groups.length === 0 ? object.id : attempt.madeId(i * PARTS + part), voxels }]);
    });
    if (groups.length > 1) attempt.divide(object, groups);
    else
      attempt.conflict(
        "no-change",
        "the markers of the parts are the same voxels",
        parts.flat().slice(0, 100),
      );
  }
}

export async function addObject(
  attempt: Attempt,
  { seed, threshold, radius, strokes }: AddAction,
): Promise<void> {
  const { state } = attempt;
  const there = attempt.at(seed);
  if (there !== undefined && !there.deleted) {
    attempt.conflict("already-there", `an object is at ${seed} already`, [seed]);
    return;
  }
  const { bounds } = state.view;
  const reach: Vec3 = [Math.ceil(radius[0]), Math.ceil(radius[1]), Math.ceil(radius[2])];
  const around = padded({ lower: seed, upper: [seed[0] + 1, seed[1] + 1, seed[2] + 1] }, reach, bounds);
  const box = strokes === undefined ? around : intersect(around, strokeBox(strokes));
  if (seed.some((at, i) => at < bounds.lower[i] || at >= bounds.upper[i])) {
    attempt.conflict("no-object", `${seed} is outside of the volume`, [seed]);
    return;
  }
  if (isEmpty(box) || seed.some((at, i) => at < box.lower[i] || at >= box.upper[i])) {
    attempt.conflict("no-change", `${seed} is outside of the strokes`, [seed]);
    return;
  }
  checkBox(box);
  const blocked = state.taken(box, 0);
  const probability = await state.view.probability(box);
  const region = growFromSeed({
    size: boxSize(box),
    probability,
    blocked,
    seed: relative(seed, box.lower),
    threshold,
    radius,
    connectivity: attempt.operation.settings.connectivity,
    within: strokes && strokeRegion(strokes, box),
  });
  const voxels = fromMask(region, box);
  if (voxels.count === 0) {
    const where = strokes ? " or outside of the strokes" : "";
    attempt.conflict("below-threshold", `the probability at ${seed} is below ${threshold}${where}`, [seed]);
    return;
  }
  const id = attempt.madeId(0);
  attempt.subjects.add(id);
  state.put({ id, atoms: [{ id, voxels }], tags: [], comments: [] });
}

export function changeShape(attempt: Attempt, action: FillAction | ShapeAction): void {
  const { anchor, reach, kind } = action;
  const { state } = attempt;
  const object = attempt.live(anchor);
  if (object === undefined) return;
  const axes = ([0, 1, 2] as const).filter((axis) => reach.dimensions === 3 || axis !== reach.axis);
  const before = state.voxelsOf(object);
  const margin = kind === "grow" ? action.voxels : 1;
  const pad = ([0, 1, 2] as const).map((axis) => (axes.includes(axis) ? margin : 0));
  const box = padded(before.box, [pad[0], pad[1], pad[2]], state.view.bounds);
  checkBox(box);
  const only =
    reach.dimensions === 2 && reach.sections === "anchor"
      ? { axis: reach.axis, at: anchor[reach.axis] - box.lower[reach.axis] }
      : undefined;
  const shape: ShapeInBox = {
    size: boxSize(box),
    mask: maskOf(before, box),
    // Taking away needs no look at the neighbours.
    blocked: kind === "shrink" ? new Uint8Array(volume(box)) : state.taken(box, object.id),
    axes,
    only,
  };
  const after = fromMask(changed(shape, action), box);
  if (after.count === 0)
    attempt.conflict("would-vanish", `nothing of the object at ${anchor} would be left`, [anchor]);
  else if (after.count === before.count && after.runs.every((value, i) => value === before.runs[i]))
    attempt.conflict("no-change", `nothing to change on the object at ${anchor}`, [anchor]);
  else {
    state.remove([object]);
    state.put({ ...object, atoms: [{ id: object.id, voxels: after }] });
  }
}

function changed(shape: ShapeInBox, action: FillAction | ShapeAction): Uint8Array {
  switch (action.kind) {
    case "grow":
      return growShape(shape, action.voxels);
    case "shrink":
      return shrinkShape(shape, action.voxels);
    case "smooth":
      return smoothShape(shape, action.voxels);
    case "fill_holes":
      return fillShape(shape);
  }
}

function relative(voxel: Vec3, lower: Vec3): Vec3 {
  return [voxel[0] - lower[0], voxel[1] - lower[1], voxel[2] - lower[2]];
}

function volume(box: Box): number {
  const [x, y, z] = boxSize(box);
  return x * y * z;
}

function padded({ lower, upper }: Box, by: Vec3, bounds: Box): Box {
  const low = (i: number) => Math.max(bounds.lower[i], lower[i] - by[i]);
  const high = (i: number) => Math.min(bounds.upper[i], upper[i] + by[i]);
  return { lower: [low(0), low(1), low(2)], upper: [high(0), high(1), high(2)] };
}
