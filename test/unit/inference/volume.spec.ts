import { describe, expect, it } from "vitest";
import type { Region } from "../../../src/inference/cropped_network.js";
import { chooseGeometry } from "../../../src/inference/geometry.js";
import { overlapNetwork, windowStarts } from "../../../src/inference/overlap.js";
import { type Network, predictBox } from "../../../src/inference/predict_box.js";
import { predictedVolume } from "../../../src/inference/predicted_volume.js";
import type { PredictionRequest } from "../../../src/inference/types.js";
import { defaultWindow } from "../../../src/inference/window.js";
import { boxSize, boxVolume } from "../../../src/volume/box.js";
import type { Vec3, VolumeSource } from "../../../src/volume/types.js";

const whole = (width: number, height: number): Region => [
  [0, height - 1],
  [0, width - 1],
];

const identity: Network = async (images) => [...images];

function ramp(size: Vec3, voxelSize: Vec3): VolumeSource {
  const value = (x: number, y: number, z: number) => (3 * x + 5 * y + 11 * z) & 255;
  return {
    name: "ramp",
    dataType: "uint8",
    scales: [{ bounds: { lower: [0, 0, 0], upper: size }, voxelSize, chunkSize: size }],
    async read(_scale, box) {
      const [sx, sy] = boxSize(box);
      return Uint8Array.from({ length: boxVolume(box) }, (_, i) =>
        value(
          box.lower[0] + (i % sx),
          box.lower[1] + (Math.floor(i / sx) % sy),
          box.lower[2] + Math.floor(i / sx / sy),
        ),
      );
    },
  };
}

describe("predictedVolume", () => {
  it.each<[string, Vec3, Vec3, boolean]>([
    ["z", [60, 30, 9], [10, 10, 40], false],
    ["x", [9, 60, 30], [40, 10, 10], false],
    ["z, one huge slice", [120, 70, 1], [10, 10, 40], false],
    ["z, whole slices", [120, 70, 2], [10, 10, 40], true],
  ])("is predicted in parts across %s and is the same", async (_, size, voxelSize, wholeSlices) => {
    const em = ramp(size, voxelSize);
    const geometry = chooseGeometry(em.scales, [10, 10, 10]);
    const field = { halo: 0, multiple: 1 };
    const parts: Vec3[] = [];
    let seen = 0;
    const predict = (request: PredictionRequest) => {
      parts.push(boxSize(request.core));
      return predictBox(request, field, identity, { maxTilePixels: 1e9, batch: 1 });
    };
    const volume = predictedVolume(em, {
      name: "p",
      geometry,
      field,
      window: [0, 255],
      tta: "none",
      predict,
      wholeSlices,
      partVoxels: 5000,
      onPart: (voxels) => {
        seen += voxels;
      },
    });
    const { bounds } = em.scales[0];
    const read = await volume.read(0, bounds);
    expect(Buffer.compare(read as Uint8Array, (await em.read(0, bounds)) as Uint8Array)).toBe(0);
    expect(seen).toBe(boxVolume(bounds));
    expect(parts.length).toBeGreaterThan(1);
    for (const part of parts) {
      const plane = geometry.planeAxes.map((axis) => part[axis]);
      if (wholeSlices) expect(plane).toEqual(geometry.planeAxes.map((axis) => size[axis]));
      else expect(part.reduce((a, b) => a * b)).toBeLessThanOrEqual(5000);
    }
    expect(volume.nonFinite()).toBe(0);
  });
});

describe("overlapNetwork", () => {
  it("places windows from edge to edge with at least the overlap", () => {
    expect(windowStarts(100, 256, 0.5)).toEqual([0]);
    expect(windowStarts(512, 256, 0)).toEqual([0, 256]);
    expect(windowStarts(512, 256, 0.5)).toEqual([0, 128, 256]);
    const starts = windowStarts(1000, 256, 0.5);
    expect(starts[0]).toBe(0);
    expect(starts.at(-1)).toBe(744);
    for (let i = 1; i < starts.length; i++) expect(starts[i] - starts[i - 1]).toBeLessThanOrEqual(128);
  });

  it("averages what the windows say", async () => {
    // Each window answers with the index of its column: the mean of the windows over a pixel.
    const network: Network = async (images, width) => images.map((image) => image.map((_, i) => i % width));
    const [answer] = await overlapNetwork(network, 4, 0.5)([new Float32Array(8)], 8, 1, whole(8, 1));
    // Windows start at 0, 2, 4.
    expect([...answer]).toEqual([0, 1, 1, 2, 1, 2, 2, 3]);
  });

  it("reflects what is smaller than a window, and keeps a network that looks at single pixels", async () => {
    const image = Float32Array.from({ length: 35 * 20 }, (_, i) => i % 97);
    const [answer] = await overlapNetwork(identity, 16, 0.3)([image], 35, 20, whole(35, 20));
    expect([...answer]).toEqual([...image]);
    const [small] = await overlapNetwork(identity, 64, 0.5)([image], 35, 20, whole(35, 20));
    expect([...small]).toEqual([...image]);
  });

  it("refuses nonsense", () => {
    expect(() => overlapNetwork(identity, 0, 0.5)).toThrow("window of 0");
    expect(() => overlapNetwork(identity, 64, 1)).toThrow("overlap must be");
  });
});

describe("defaultWindow", () => {
  it("spreads an 8-bit window over 16-bit values", () => {
    expect(defaultWindow([0, 255], "uint8")).toEqual([0, 255]);
    expect(defaultWindow([0, 255], "uint16")).toEqual([0, 65535]);
  });
});
