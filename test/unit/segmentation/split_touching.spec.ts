import { describe, expect, it } from "vitest";
import { exportRuns } from "../../../src/segmentation/label_runs.js";
import { RunLabeller } from "../../../src/segmentation/runs.js";
import { splitObject, splitTouching } from "../../../src/segmentation/split_touching.js";
import type { PlacedRuns } from "../../../src/segmentation/types.js";
import { BoxTooLargeError } from "../../../src/segmentation/voxel_box.js";
import type { Vec3 } from "../../../src/volume/types.js";
import { drawMask } from "../../support/operator_shapes.js";

type Shape = (x: number, y: number, z: number) => boolean;

/** A scene in nm, 1600 x 800 x 800, at some voxel size. */
function draw(voxelSize: Vec3, inside: Shape): { mask: Uint8Array; size: Vec3 } {
  const size: Vec3 = [
    Math.round(1600 / voxelSize[0]),
    Math.round(800 / voxelSize[1]),
    Math.round(800 / voxelSize[2]),
  ];
  const [a, b, c] = voxelSize;
  return { size, mask: drawMask(size, (x, y, z) => inside((x + 0.5) * a, (y + 0.5) * b, (z + 0.5) * c)) };
}

const ball =
  (cx: number, radius: number): Shape =>
  (x, y, z) =>
    (x - cx) ** 2 + (y - 400) ** 2 + (z - 400) ** 2 < radius ** 2;

const either =
  (...shapes: Shape[]): Shape =>
  (x, y, z) =>
    shapes.some((shape) => shape(x, y, z));

const tube =
  (radius: number): Shape =>
  (x, y, z) =>
    x > 100 && x < 1500 && (y - 400) ** 2 + (z - 400) ** 2 < radius ** 2;

/** A bent tube that gets thinner: no neck. */
const banana: Shape = (x, y, z) =>
  x > 150 && x < 1450 && (y - 300 - 150 * Math.sin(x / 450)) ** 2 + (z - 400) ** 2 < (190 - x / 20) ** 2;

const VOXELS: Vec3[] = [
  [16, 16, 16],
  [10, 10, 50],
  [24, 12, 30],
];

describe("splitTouching", () => {
  it.each(VOXELS)("leaves objects without a neck alone, voxels of %d x %d x %d nm", (...voxelSize) => {
    for (const shape of [ball(800, 300), tube(60), tube(130), banana]) {
      const { mask, size } = draw(voxelSize, shape);
      const { count, labels } = splitTouching(mask, size, voxelSize);
      expect(count).toBe(1);
      expect(labels.every((label, at) => label === mask[at])).toBe(true);
    }
  });

  it.each(VOXELS)("parts balls that touch, in the middle, voxels of %d x %d x %d nm", (...voxelSize) => {
    // A neck of sqrt(280² - 220²) = 173 nm: 0.62 of the radius.
    const { mask, size } = draw(voxelSize, either(ball(580, 280), ball(1020, 280)));
    const { count, labels } = splitTouching(mask, size, voxelSize);
    expect(count).toBe(2);
    const first = mask.indexOf(1);
    const left = first % size[0] < size[0] / 2 ? labels[first] : 3 - labels[first];
    let wrong = 0;
    let covered = 0;
    for (let at = 0; at < mask.length; ++at) {
      if ((labels[at] !== 0) === (mask[at] !== 0)) ++covered;
      const x = ((at % size[0]) + 0.5) * voxelSize[0];
      if (mask[at] === 0 || Math.abs(x - 800) <= voxelSize[0]) continue;
      if (labels[at] !== (x < 800 ? left : 3 - left)) ++wrong;
    }
    expect(covered).toBe(mask.length);
    expect(wrong).toBeLessThan(0.01 * mask.reduce((sum, value) => sum + value, 0));
  });

  it("goes by its options", () => {
    const voxelSize: Vec3 = [16, 16, 16];
    const { mask, size } = draw(voxelSize, either(ball(580, 280), ball(1020, 280)));
    expect(splitTouching(mask, size, voxelSize, { neckRatio: 0.5 }).count).toBe(1);
    expect(splitTouching(mask, size, voxelSize, { minimumRadius: 400 }).count).toBe(1);
    expect(splitTouching(mask, size, voxelSize, { minimumDepth: 200 }).count).toBe(1);
    const shallow = draw(voxelSize, either(ball(620, 280), ball(980, 280)));
    expect(splitTouching(shallow.mask, size, voxelSize).count).toBe(1);
    expect(splitTouching(shallow.mask, size, voxelSize, { neckRatio: 0.9 }).count).toBe(2);
  });

  it("parts each of several objects, and numbers the parts in scan order", () => {
    const voxelSize: Vec3 = [20, 20, 20];
    const three = either(ball(250, 200), ball(570, 200), ball(1300, 250));
    const { mask, size } = draw(voxelSize, three);
    const { count, labels } = splitTouching(mask, size, voxelSize);
    expect(count).toBe(3);
    const seen = [...new Set(labels)].filter((label) => label !== 0);
    expect(seen).toEqual([1, 2, 3]);
  });

  it("takes the border of a larger volume as such", () => {
    // The upper x face cuts the second ball into half: a ball of 140 nm fits into what is left, little more than the neck of 125.
    const voxelSize: Vec3 = [16, 16, 16];
    const neck: Shape = (x, y, z) => x > 500 && (y - 400) ** 2 + (z - 400) ** 2 < 125 ** 2;
    const { mask, size } = draw(voxelSize, either(ball(500, 280), ball(1600, 280), neck));
    expect(splitTouching(mask, size, voxelSize, { outside: "ignored" }).count).toBe(2);
    expect(splitTouching(mask, size, voxelSize).count).toBe(1);
    expect(
      splitTouching(new Uint8Array(27).fill(1), [3, 3, 3], voxelSize, { outside: "ignored" }).count,
    ).toBe(1);
    expect(splitTouching(new Uint8Array(27), [3, 3, 3], voxelSize).count).toBe(0);
    expect(splitTouching(new Uint8Array(0), [0, 3, 3], voxelSize).count).toBe(0);
  });

  it("refuses what makes no sense", () => {
    const mask = new Uint8Array(8);
    expect(() => splitTouching(mask, [2, 2, 3], [1, 1, 1])).toThrow(RangeError);
    expect(() => splitTouching(mask, [2, 2, 2], [1, -1, 1])).toThrow(RangeError);
    expect(() => splitTouching(mask, [2, 2, 2], [1, 1, 1], { neckRatio: 1.5 })).toThrow("neck");
    expect(() => splitTouching(mask, [2, 2, 2], [1, 1, 1], { minimumRadius: Number.NaN })).toThrow("lengths");
    const huge = { length: 2 ** 26 } as Uint8Array;
    expect(() => splitTouching(huge, [2 ** 13, 2 ** 13, 1], [1, 1, 1])).toThrow(BoxTooLargeError);
  });
});

/** The mask in chunks, each labelled by itself, as pieces of one object. */
function toPieces(mask: Uint8Array, size: Vec3, chunk: Vec3, origin: Vec3): PlacedRuns[] {
  const pieces: PlacedRuns[] = [];
  const labeller = new RunLabeller();
  for (let z = 0; z < size[2]; z += chunk[2]) {
    for (let y = 0; y < size[1]; y += chunk[1]) {
      for (let x = 0; x < size[0]; x += chunk[0]) {
        const part: Vec3 = [
          Math.min(chunk[0], size[0] - x),
          Math.min(chunk[1], size[1] - y),
          Math.min(chunk[2], size[2] - z),
        ];
        const voxels = drawMask(part, (u, v, w) => mask[x + u + size[0] * (y + v + size[1] * (z + w))] !== 0);
        labeller.begin(part[0], part[1], 26);
        for (let w = 0; w < part[2]; ++w) labeller.addSlice(voxels, 1, w * part[0] * part[1]);
        labeller.finish();
        const labels = Array.from({ length: labeller.count }, (_, i) => i + 1);
        if (labels.length === 0) continue;
        pieces.push({
          lower: [origin[0] + x, origin[1] + y, origin[2] + z],
          runs: exportRuns(labeller),
          labels,
        });
      }
    }
  }
  return pieces;
}

describe("splitObject", () => {
  it("splits the whole object whatever chunks it is cut into, in any order", () => {
    const voxelSize: Vec3 = [20, 20, 40];
    const { mask, size } = draw(voxelSize, either(ball(580, 280), ball(1020, 280)));
    const whole = splitTouching(mask, size, voxelSize);
    for (const chunk of [
      [80, 40, 20],
      [17, 40, 3],
      [32, 9, 8],
    ] as Vec3[]) {
      const pieces = toPieces(mask, size, chunk, [-30, 100, 7]);
      const found = splitObject(pieces.reverse(), voxelSize);
      expect(found.count).toBe(2);
      for (let at = 0; at < found.labels.length; ++at) {
        const x = (at % found.size[0]) + found.lower[0] + 30;
        const y = (Math.floor(at / found.size[0]) % found.size[1]) + found.lower[1] - 100;
        const z = Math.floor(at / (found.size[0] * found.size[1])) + found.lower[2] - 7;
        if (found.labels[at] !== whole.labels[x + size[0] * (y + size[1] * z)])
          expect.fail(`${x}, ${y}, ${z}`);
      }
      expect(found.labels.filter((label) => label !== 0)).toHaveLength(
        mask.filter((value) => value !== 0).length,
      );
    }
  });

  it("takes the wanted labels alone, gives an empty box for none, and refuses an object that is too large", () => {
    const mask = Uint8Array.of(1, 1, 0, 1);
    const [piece] = toPieces(mask, [4, 1, 1], [4, 1, 1], [0, 0, 0]);
    const second = splitObject([{ ...piece, labels: [2] }], [50, 50, 50]);
    expect(second).toMatchObject({ lower: [3, 0, 0], size: [1, 1, 1], count: 1 });
    expect(splitObject([], [5, 5, 5])).toMatchObject({ size: [0, 0, 0], count: 0 });
    const far = { ...piece, lower: [8000, 8000, 8000] as Vec3 };
    expect(() => splitObject([piece, far], [5, 5, 5])).toThrow(BoxTooLargeError);
  });
});
