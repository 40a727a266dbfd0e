import { describe, expect, it } from "vitest";
import { refineObjects } from "../../../src/export/refine_objects.js";
import type { VolumeObject } from "../../../src/export/volume_objects.js";
import { paintRuns, runsOfLabels } from "../../../src/segmentation/label_runs.js";
import type { Vec3 } from "../../../src/volume/types.js";

const SIZE: Vec3 = [60, 30, 30];
const VOXEL: Vec3 = [10, 10, 10];

function object(id: number, inside: (x: number, y: number, z: number) => boolean): VolumeObject {
  const mask = new Uint8Array(SIZE[0] * SIZE[1] * SIZE[2]);
  let at = 0;
  for (let z = 0; z < SIZE[2]; ++z)
    for (let y = 0; y < SIZE[1]; ++y)
      for (let x = 0; x < SIZE[0]; ++x, ++at) mask[at] = Number(inside(x, y, z));
  const { runs } = runsOfLabels(mask, SIZE);
  const voxels = mask.reduce((sum, value) => sum + value, 0);
  return { id, voxels, pieces: () => [{ lower: [100, 0, 0], runs, labels: [1] }] };
}

const ball = (cx: number, r: number) => (x: number, y: number, z: number) =>
  Math.hypot(x - cx, y - 15, z - 15) <= r;
const either =
  (...shapes: ((x: number, y: number, z: number) => boolean)[]) =>
  (x: number, y: number, z: number) =>
    shapes.some((shape) => shape(x, y, z));
const dumbbell = either(
  ball(15, 11),
  ball(40, 11),
  (x, y, z) => x > 15 && x < 40 && Math.hypot(y - 15, z - 15) <= 3,
);
const shell = (x: number, y: number, z: number) => ball(15, 12)(x, y, z) && !ball(15, 5)(x, y, z);

const options = { holes: false, parts: false, voxelSize: VOXEL, minimumVoxels: 0 };

describe("refining objects", () => {
  it("parts two that touch, keeps the id of the first, and loses no voxel", async () => {
    const touching = object(7, dumbbell);
    const whole = object(3, ball(30, 12));
    const { objects, parted } = await refineObjects([whole, touching], { ...options, parts: true });
    expect(parted).toBe(1);
    expect(objects.map(({ id }) => id)).toEqual([3, 7, 8]);
    expect(objects[0].voxels).toBe(whole.voxels);
    expect(objects[1].voxels + objects[2].voxels).toBe(touching.voxels);
    // The parts are of like size, and lie where the balls do.
    expect(Math.abs(objects[1].voxels - objects[2].voxels)).toBeLessThan(0.05 * touching.voxels);
    const [{ lower, runs, labels }] = objects[2].pieces();
    const painted = new Uint32Array(runs.size[0] * runs.size[1] * runs.size[2]);
    paintRuns(runs, painted);
    const [width] = runs.size;
    let sum = 0;
    painted.forEach((label, at) => {
      if (label === labels[0]) sum += lower[0] + (at % width);
    });
    expect(Math.abs(sum / objects[2].voxels - 100 - 40)).toBeLessThan(3);
  });

  it("fills what an object encloses, and nothing else", async () => {
    const hollow = object(1, shell);
    const { objects, filledVoxels } = await refineObjects([hollow], { ...options, holes: true });
    expect(filledVoxels).toBe(object(1, ball(15, 5)).voxels);
    expect(objects[0].voxels).toBe(object(1, ball(15, 12)).voxels);
  });

  it("leaves out parts that are too small, and stops when told", async () => {
    const small = either(dumbbell, () => false);
    const { objects } = await refineObjects([object(1, small)], {
      ...options,
      parts: true,
      minimumVoxels: 1e6,
    });
    expect(objects).toEqual([]);
    const signal = AbortSignal.abort(new Error("enough"));
    await expect(refineObjects([object(1, small)], { ...options, signal })).rejects.toThrow("enough");
  });
});
