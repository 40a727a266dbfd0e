import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { gatherBox, tilePlans, windowPixels } from "../../../src/inference/plan.js";
import { cropImage, type Network, predictBox } from "../../../src/inference/predict_box.js";
import type {
  Axis,
  InferenceGeometry,
  ReceptiveField,
  TestTimeAugmentation,
} from "../../../src/inference/types.js";
import { boxSize, boxVolume, contains, intersect } from "../../../src/volume/box.js";
import type { Box, Vec3 } from "../../../src/volume/types.js";

/**
 * Stands for the worst network a receptive field allows: every pixel within the halo weighs in, outside the window are
 * zeros (as "same" padding has it), and the answer depends on the place within the pooling grid. Symmetric weights are
 * avoided, so that a mirrored or shifted window shows.
 */
function fakeNetwork({ halo, multiple }: ReceptiveField): Network {
  const blur = (line: (i: number) => number, i: number, length: number) => {
    let sum = 0;
    for (let d = -halo; d <= halo; d++) if (i + d >= 0 && i + d < length) sum += (1 + 0.3 * d) * line(i + d);
    return sum / (2 * halo + 1);
  };
  return async (images, width, height, wanted) =>
    images.map((image) => {
      expect([width % multiple, height % multiple]).toEqual([0, 0]);
      const rows = Float32Array.from(image, (_, i) => {
        const y = Math.floor(i / width);
        return blur((x) => image[y * width + x], i - y * width, width);
      });
      const answer = Float32Array.from(rows, (_, i) => {
        const y = Math.floor(i / width);
        const x = i - y * width;
        const place = 1 + ((x % multiple) + 2 * (y % multiple)) / (4 * multiple);
        return 0.5 + 0.2 * Math.sin(7 * place * blur((row) => rows[row * width + x], y, height));
      });
      return cropImage(answer, width, wanted);
    });
}

function crop(em: Uint8Array, bounds: Box, box: Box): Uint8Array {
  const size = boxSize(bounds);
  const out = new Uint8Array(boxVolume(box));
  let i = 0;
  for (let z = box.lower[2]; z < box.upper[2]; z++)
    for (let y = box.lower[1]; y < box.upper[1]; y++)
      for (let x = box.lower[0]; x < box.upper[0]; x++)
        out[i++] =
          em[x - bounds.lower[0] + size[0] * (y - bounds.lower[1] + size[1] * (z - bounds.lower[2]))];
  return out;
}

interface Case {
  geometry: InferenceGeometry;
  field: ReceptiveField;
  em: Uint8Array;
  tta: TestTimeAugmentation;
}

async function predict({ geometry, field, em, tta }: Case, core: Box, maxTilePixels: number, batch = 1) {
  const gather = gatherBox(geometry, field, core);
  return predictBox(
    { em: crop(em, geometry.bounds, gather), gather, core, geometry, window: [10, 240], tta },
    field,
    fakeNetwork(field),
    { maxTilePixels, batch },
  );
}

const ratio = fc.constantFrom(1, 2, 1.25, 0.7, 3.3);
const caseArbitrary = fc
  .record({
    size: fc.tuple(
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 1, max: 3 }),
    ),
    offset: fc.tuple(
      fc.integer({ min: -9, max: 50 }),
      fc.integer({ min: -9, max: 50 }),
      fc.integer({ min: -2, max: 5 }),
    ),
    ratio: fc.tuple(ratio, ratio),
    sliceAxis: fc.constantFrom<Axis>(0, 1, 2),
    halo: fc.integer({ min: 0, max: 7 }),
    multiple: fc.constantFrom(1, 2, 4, 16),
    seed: fc.integer({ min: 1, max: 1e6 }),
    tta: fc.constantFrom<TestTimeAugmentation>("none", "none", "flip", "d4"),
  })
  .map(({ size, offset, ratio, sliceAxis, halo, multiple, seed, tta }): Case => {
    const planeAxes = ([0, 1, 2] as const).filter((axis) => axis !== sliceAxis) as [Axis, Axis];
    const extent = [0, 0, 0] as [number, number, number];
    extent[planeAxes[0]] = size[0];
    extent[planeAxes[1]] = size[1];
    extent[sliceAxis] = size[2];
    const upper = offset.map((o, i) => o + extent[i]) as unknown as Vec3;
    let state = seed;
    const em = Uint8Array.from({ length: extent[0] * extent[1] * extent[2] }, () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state >>> 24;
    });
    return {
      geometry: { scale: 0, sliceAxis, planeAxes, ratio, bounds: { lower: offset, upper } },
      field: { halo, multiple },
      em,
      tta,
    };
  });

function* chunks(bounds: Box, step: Vec3): Generator<Box> {
  for (let z = bounds.lower[2]; z < bounds.upper[2]; z += step[2])
    for (let y = bounds.lower[1]; y < bounds.upper[1]; y += step[1])
      for (let x = bounds.lower[0]; x < bounds.upper[0]; x += step[0])
        yield intersect(bounds, { lower: [x, y, z], upper: [x + step[0], y + step[1], z + step[2]] });
}

const step = fc.tuple(
  fc.integer({ min: 1, max: 25 }),
  fc.integer({ min: 1, max: 25 }),
  fc.integer({ min: 1, max: 25 }),
);

describe("a chunk's prediction", () => {
  it("equals the same region of the whole slice's", async () => {
    await fc.assert(
      fc.asyncProperty(caseArbitrary, step, async (problem, size) => {
        const { bounds } = problem.geometry;
        const whole = (await predict(problem, bounds, Number.POSITIVE_INFINITY)).probability;
        let checked = 0;
        for (const core of chunks(bounds, size)) {
          if (checked++ > 12) break;
          const chunk = (await predict(problem, core, Number.POSITIVE_INFINITY)).probability;
          expect(chunk).toEqual(crop(whole, bounds, core));
        }
      }),
      { numRuns: 50 },
    );
  }, 120_000);

  it("does not change with internal tiles and batches", async () => {
    await fc.assert(
      fc.asyncProperty(caseArbitrary, fc.integer({ min: 150, max: 2000 }), async (problem, maxTilePixels) => {
        const { geometry, field } = problem;
        const whole = await predict(problem, geometry.bounds, Number.POSITIVE_INFINITY);
        const tiled = await predict(problem, geometry.bounds, maxTilePixels, 2);
        expect(tiled.probability).toEqual(whole.probability);
        const tiles = tilePlans(geometry, field, geometry.bounds, maxTilePixels);
        expect(tiles.reduce((sum, tile) => sum + boxVolume(tile.core), 0)).toBe(boxVolume(geometry.bounds));
        for (const tile of tiles) {
          const plane = geometry.planeAxes.map((axis) => boxSize(tile.core)[axis]);
          expect(windowPixels(tile) <= maxTilePixels || Math.min(...plane) === 1).toBe(true);
        }
      }),
      { numRuns: 25 },
    );
  }, 120_000);

  it("refuses EM that lacks a voxel of its window", async () => {
    await fc.assert(
      fc.asyncProperty(caseArbitrary, step, async (problem, size) => {
        const { geometry, field } = problem;
        const core = chunks(geometry.bounds, size).next().value as Box;
        const gather = gatherBox(geometry, field, core);
        expect(contains(geometry.bounds, gather)).toBe(true);
        expect(contains(gather, core)).toBe(true);
        for (const axis of geometry.planeAxes) {
          if (boxSize(gather)[axis] < 2) continue;
          const upper = gather.upper.map((u, i) => (i === axis ? u - 1 : u)) as unknown as Vec3;
          const less = { lower: gather.lower, upper };
          const em = crop(problem.em, geometry.bounds, less);
          await expect(
            predictBox(
              { em, gather: less, core, geometry, window: [0, 255], tta: "none" },
              field,
              fakeNetwork(field),
              { maxTilePixels: 1e9, batch: 1 },
            ),
          ).rejects.toThrow("does not hold");
        }
      }),
      { numRuns: 25 },
    );
  });
});

describe("predictBox", () => {
  const bounds: Box = { lower: [0, 0, 0], upper: [4, 3, 2] };
  const geometry: InferenceGeometry = { scale: 0, sliceAxis: 2, planeAxes: [0, 1], ratio: [1, 1], bounds };
  const request = {
    em: Uint8Array.from({ length: 24 }, (_, i) => i * 10),
    gather: bounds,
    core: bounds,
    geometry,
    window: [40, 190] as const,
    tta: "none" as const,
  };
  const field = { halo: 0, multiple: 1 };
  const options = { maxTilePixels: 1e6, batch: 1 };

  it("maps the intensity window to 0..1 and probabilities to rounded bytes", async () => {
    const { probability } = await predictBox(request, field, async (images) => [...images], options);
    expect([...probability.subarray(0, 17)]).toEqual([
      0, 0, 0, 0, 0, 17, 34, 51, 68, 85, 102, 119, 136, 153, 170, 187, 204,
    ]);
  });

  it("counts non-finite answers and takes them as background", async () => {
    const broken: Network = async (images) =>
      images.map((image) =>
        image.map((_, i) => (i === 2 ? Number.NaN : i === 5 ? Number.POSITIVE_INFINITY : 1)),
      );
    const { probability, nonFinite } = await predictBox(request, field, broken, options);
    expect(nonFinite).toBe(4);
    expect([...probability.subarray(0, 12)]).toEqual([
      255, 255, 0, 255, 255, 0, 255, 255, 255, 255, 255, 255,
    ]);
  });

  it("stops between slices when aborted", async () => {
    const abort = new AbortController();
    let calls = 0;
    const network: Network = async (images) => {
      calls++;
      abort.abort();
      return [...images];
    };
    await expect(
      predictBox(request, field, network, { ...options, signal: abort.signal }),
    ).rejects.toMatchObject({ name: "AbortError" });
    expect(calls).toBe(1);
  });

  it("lets messages in between slices that take long", async () => {
    const abort = new AbortController();
    // As a worker's message would: it only gets its turn when the prediction gives the thread away.
    setTimeout(() => abort.abort(), 0);
    let calls = 0;
    const busy: Network = async (images) => {
      calls++;
      for (const end = performance.now() + 60; performance.now() < end; );
      return [...images];
    };
    await expect(predictBox(request, field, busy, { ...options, signal: abort.signal })).rejects.toThrow();
    expect(calls).toBe(1);
  });

  it("refuses a request that does not fit", async () => {
    const run = (changes: object) =>
      predictBox({ ...request, ...changes }, field, async (images) => [...images], options);
    await expect(run({ em: new Uint8Array(5) })).rejects.toThrow("5 EM voxels for a box of 4 x 3 x 2");
    await expect(run({ window: [3, 3] })).rejects.toThrow("intensity window 3,3");
    await expect(run({ core: { lower: [0, 0, 0], upper: [5, 3, 2] } })).rejects.toThrow("not a box inside");
    await expect(run({ core: { lower: [1, 1, 1], upper: [1, 3, 2] } })).rejects.toThrow("not a box inside");
  });
});
