import * as v from "valibot";
import { type Action, type Stamp, VERDICTS } from "./types.js";

/** An author's stroke of markers; more is no click. */
export const MAX_VOXELS_PER_OPERATION = 100_000;

const whole = v.pipe(v.number(), v.safeInteger(), v.minValue(-(2 ** 31)), v.maxValue(2 ** 31 - 1));
const voxel = v.pipe(v.strictTuple([whole, whole, whole]), v.readonly());
const text = (max: number, min = 1) => v.pipe(v.string(), v.minLength(min), v.maxLength(max));
const unit = v.pipe(v.number(), v.minValue(0), v.maxValue(1));
const id = v.pipe(v.string(), v.regex(/^[\w-]{1,64}$/, "is no id of an operation"));
const steps = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(32));
const halfAxis = v.pipe(v.number(), v.gtValue(0), v.maxValue(1024));

/** Unknown keys are a newer version's; they are kept, see `json_lines.ts`. */
export const stampSchema: v.GenericSchema<unknown, Stamp> = v.looseObject({
  id,
  time: v.pipe(v.number(), v.safeInteger(), v.minValue(0), v.maxValue(8.64e15)),
  author: text(200),
  after: v.pipe(v.array(id), v.maxLength(1000)),
  model: text(200, 0),
  volume: v.looseObject({
    url: text(8192, 0),
    scale: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(100)),
  }),
  settings: v.looseObject({ threshold: unit, connectivity: v.picklist([6, 18, 26]) }),
});

const reach = v.union([
  v.strictObject({ dimensions: v.literal(3) }),
  v.strictObject({
    dimensions: v.literal(2),
    axis: v.picklist([0, 1, 2]),
    sections: v.picklist(["all", "anchor"]),
  }),
]);

const box = v.pipe(
  v.strictObject({ lower: voxel, upper: voxel }),
  v.check(({ lower, upper }) => lower.every((at, i) => at < upper[i]), "is an empty box"),
);

const strokes = v.pipe(
  v.strictObject({
    axis: v.picklist([0, 1, 2]),
    lines: v.pipe(
      v.array(
        v.pipe(
          v.array(v.pipe(v.strictTuple([whole, whole, whole, halfAxis]), v.readonly())),
          v.minLength(1),
          v.maxLength(1000),
        ),
      ),
      v.minLength(1),
      v.maxLength(1000),
    ),
  }),
  v.check(
    ({ axis, lines }) => lines.every((line) => line.every((click) => click[axis] === line[0][axis])),
    "has a line that leaves its section",
  ),
);

const anchored = { anchor: voxel };

/** Parameters of each kind, without the stamp. */
export const actionSchemas: {
  readonly [K in Action["kind"]]: v.GenericSchema<unknown, Extract<Action, { kind: K }>>;
} = {
  merge: v.strictObject({
    kind: v.literal("merge"),
    anchors: v.pipe(v.array(voxel), v.minLength(2), v.maxLength(MAX_VOXELS_PER_OPERATION)),
  }),
  split: v.strictObject({
    kind: v.literal("split"),
    parts: v.pipe(
      v.array(v.pipe(v.array(voxel), v.minLength(1))),
      v.minLength(2),
      v.maxLength(255),
      v.check(
        (parts) => parts.reduce((sum, part) => sum + part.length, 0) <= MAX_VOXELS_PER_OPERATION,
        `has more than ${MAX_VOXELS_PER_OPERATION} marker voxels`,
      ),
    ),
    landscape: v.picklist(["probability", "distance"]),
  }),
  separate: v.strictObject({ kind: v.literal("separate"), ...anchored, within: v.optional(box) }),
  delete: v.strictObject({ kind: v.literal("delete"), ...anchored }),
  restore: v.strictObject({ kind: v.literal("restore"), ...anchored }),
  add: v.strictObject({
    kind: v.literal("add"),
    seed: voxel,
    threshold: unit,
    radius: v.pipe(v.strictTuple([halfAxis, halfAxis, halfAxis]), v.readonly()),
    strokes: v.optional(strokes),
  }),
  fill_holes: v.strictObject({ kind: v.literal("fill_holes"), ...anchored, reach }),
  smooth: v.strictObject({ kind: v.literal("smooth"), ...anchored, reach, voxels: steps }),
  grow: v.strictObject({ kind: v.literal("grow"), ...anchored, reach, voxels: steps }),
  shrink: v.strictObject({ kind: v.literal("shrink"), ...anchored, reach, voxels: steps }),
  verdict: v.strictObject({ kind: v.literal("verdict"), ...anchored, verdict: v.picklist(VERDICTS) }),
  tag: v.strictObject({
    kind: v.literal("tag"),
    ...anchored,
    tag: text(200),
    remove: v.optional(v.boolean()),
  }),
  comment: v.strictObject({ kind: v.literal("comment"), ...anchored, text: text(10_000) }),
  undo: v.strictObject({ kind: v.literal("undo"), target: id }),
  redo: v.strictObject({ kind: v.literal("redo"), target: id }),
};
