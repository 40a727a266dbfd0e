import { describe, expect, it } from "vitest";
import { Phantom } from "../../../src/phantom/phantom.js";
import { type PhantomPreset, phantomStyle } from "../../../src/phantom/style.js";
import type { Box } from "../../../src/volume/types.js";

const phantom = (preset: PhantomPreset, seed = 1) => new Phantom(phantomStyle(preset), seed);

/** Growing tissue takes longer than drawing it: tests that do not care where it was before share it. */
const grown = new Map<PhantomPreset, Phantom>();
const shared = (preset: PhantomPreset): Phantom => {
  const found = grown.get(preset) ?? phantom(preset);
  grown.set(preset, found);
  return found;
};

const boxAt = (lower: readonly [number, number, number], size: readonly [number, number, number]): Box => ({
  lower,
  upper: [lower[0] + size[0], lower[1] + size[1], lower[2] + size[2]],
});

/** Voxels of `inner` out of an array that holds `outer`. */
function crop<T>(voxels: ArrayLike<T>, outer: Box, inner: Box): T[] {
  const [sx, sy] = [0, 1].map((a) => outer.upper[a] - outer.lower[a]);
  const out: T[] = [];
  for (let z = inner.lower[2]; z < inner.upper[2]; ++z) {
    for (let y = inner.lower[1]; y < inner.upper[1]; ++y) {
      for (let x = inner.lower[0]; x < inner.upper[0]; ++x) {
        out.push(voxels[x - outer.lower[0] + sx * (y - outer.lower[1] + sy * (z - outer.lower[2]))]);
      }
    }
  }
  return out;
}

const statistics = (values: ArrayLike<number>) => {
  let sum = 0;
  let squares = 0;
  for (let i = 0; i < values.length; ++i) {
    sum += values[i];
    squares += values[i] ** 2;
  }
  const mean = sum / values.length;
  return { mean, deviation: Math.sqrt(squares / values.length - mean ** 2) };
};

describe("determinism", () => {
  const cases = [
    { preset: "fib", scale: 0, at: [8010, 6003, 5001] },
    { preset: "fib", scale: 1, at: [4005, 3001, 2501] },
    { preset: "fib", scale: 2, at: [2003, 1501, 1250] },
    { preset: "fib", scale: 3, at: [1001, 751, 625] },
    { preset: "sstem", scale: 0, at: [8010, 6003, 501] },
    { preset: "sstem", scale: 2, at: [2003, 1501, 501] },
    { preset: "shifted", scale: 0, at: [8010, 6003, 5001] },
  ] as const;

  it.each(cases)("$preset, scale $scale: a box read alone equals the same part of a larger one", (c) => {
    const outer = boxAt(c.at, [70, 61, 9]);
    const whole = shared(c.preset).em(c.scale, outer);
    const wholeLabels = shared(c.preset).labels(c.scale, outer);
    // Another instance, that has been elsewhere first.
    const other = phantom(c.preset);
    other.em(c.scale, boxAt([c.at[0] + 300, c.at[1] + 200, c.at[2]], [30, 30, 2]));
    for (const [dx, dy, dz, size] of [
      [0, 0, 0, [70, 61, 1]],
      [13, 7, 3, [29, 22, 5]],
      [69, 60, 8, [1, 1, 1]],
      [31, 40, 2, [33, 3, 6]],
    ] as const) {
      const inner = boxAt([c.at[0] + dx, c.at[1] + dy, c.at[2] + dz], size);
      expect([...other.em(c.scale, inner)]).toEqual(crop(whole, outer, inner));
      expect([...other.labels(c.scale, inner)]).toEqual(crop(wholeLabels, outer, inner));
    }
  });

  it("gives other tissue for another seed", () => {
    const box = boxAt([8000, 6000, 5000], [128, 128, 2]);
    const a = shared("fib").em(0, box);
    const b = phantom("fib", 2).em(0, box);
    const same = a.filter((v, i) => v === b[i]).length;
    // Two unrelated pictures of standard deviation 30 agree in about one voxel of a hundred.
    expect(same / a.length).toBeLessThan(0.05);
  });

  it("works at the corners of the volume", () => {
    const p = shared("fib");
    const { upper } = p.scales[0].bounds;
    for (const box of [
      boxAt([0, 0, 0], [20, 20, 3]),
      boxAt([upper[0] - 20, upper[1] - 20, upper[2] - 3], [20, 20, 3]),
    ]) {
      expect(statistics(p.em(0, box)).mean).toBeGreaterThan(60);
    }
  });
});

describe("mitochondria", () => {
  /** 20 nm voxels: a cube of 2.4 um. */
  const box = boxAt([1500, 1500, 1500], [120, 120, 120]);
  const labels = shared("fib").labels(2, box);
  const [sx, sy, sz] = [120, 120, 120];

  it("are one connected object each", () => {
    const seen = new Uint8Array(labels.length);
    const pieces = new Map<bigint, number>();
    const cut = new Set<bigint>();
    for (let start = 0; start < labels.length; ++start) {
      const id = labels[start];
      if (id === 0n || seen[start]) continue;
      pieces.set(id, (pieces.get(id) ?? 0) + 1);
      const stack = [start];
      seen[start] = 1;
      while (stack.length > 0) {
        const at = stack.pop()!;
        const [x, y, z] = [at % sx, Math.floor(at / sx) % sy, Math.floor(at / (sx * sy))];
        if (x === 0 || y === 0 || z === 0 || x === sx - 1 || y === sy - 1 || z === sz - 1) cut.add(id);
        for (let k = Math.max(0, z - 1); k <= Math.min(sz - 1, z + 1); ++k) {
          for (let j = Math.max(0, y - 1); j <= Math.min(sy - 1, y + 1); ++j) {
            for (let i = Math.max(0, x - 1); i <= Math.min(sx - 1, x + 1); ++i) {
              const next = i + sx * (j + sy * k);
              if (seen[next] || labels[next] !== id) continue;
              seen[next] = 1;
              stack.push(next);
            }
          }
        }
      }
    }
    const whole = [...pieces].filter(([id]) => !cut.has(id));
    expect(whole.length).toBeGreaterThan(5);
    expect(whole.filter(([, count]) => count > 1)).toEqual([]);
  });

  it("have natural sizes and take up a natural part of the tissue", () => {
    let inside = 0;
    const areas = new Map<string, number>();
    labels.forEach((id, i) => {
      if (id === 0n) return;
      ++inside;
      const key = `${id} ${Math.floor(i / (sx * sy))}`;
      areas.set(key, (areas.get(key) ?? 0) + 1);
    });
    const fraction = inside / labels.length;
    expect(fraction).toBeGreaterThan(0.04);
    expect(fraction).toBeLessThan(0.14);
    // Diameter of the circle of equal area, nm, of the sections.
    const diameters = [...areas.values()]
      .map((a) => 2 * Math.sqrt((a * 400) / Math.PI))
      .sort((a, b) => a - b);
    const median = diameters[diameters.length >> 1];
    expect(median).toBeGreaterThan(130);
    expect(median).toBeLessThan(450);
    expect(diameters[diameters.length - 1]).toBeLessThan(2000);
  });

  it("keep their id wherever they are read from, and at the next scale", () => {
    const p = shared("fib");
    const fine = boxAt([2 * 1530, 2 * 1530, 2 * 1530], [48, 48, 4]);
    const coarse = boxAt([1530, 1530, 1530], [24, 24, 2]);
    const a = p.labels(1, fine);
    const b = p.labels(2, coarse);
    let equal = 0;
    b.forEach((id, i) => {
      const [x, y, z] = [i % 24, Math.floor(i / 24) % 24, Math.floor(i / 576)];
      if (a[2 * x + 48 * (2 * y + 96 * z)] === id) ++equal;
    });
    // A voxel on the surface may fall on the other side at its other centre.
    expect(equal / b.length).toBeGreaterThan(0.96);
    const known = new Set(crop(labels, box, coarse));
    expect(new Set(b)).toEqual(known);
  });

  it.each(["fib", "sstem", "shifted"] as const)("are darker than what is around them in %s", (preset) => {
    const p = shared(preset);
    const place = boxAt([4096, 4096, 420], [320, 320, 2]);
    const em = p.em(1, place);
    const truth = p.labels(1, place);
    const inside = statistics(em.filter((_, i) => truth[i] > 0n));
    const outside = statistics(em.filter((_, i) => truth[i] === 0n));
    expect(truth.filter((id) => id > 0n).length).toBeGreaterThan(2000);
    // Lucchi++ train: 109 inside, 143 outside (deviation 30).
    expect(outside.mean - inside.mean).toBeGreaterThan(0.6 * outside.deviation);
  });
});

describe("styles", () => {
  const histogram = (preset: PhantomPreset) =>
    statistics(shared(preset).em(0, boxAt([8000, 6000, 600], [256, 256, 2])));
  const fib = histogram("fib");

  it("fib has the grey levels of Lucchi++ (140 +- 30)", () => {
    expect(Math.abs(fib.mean - 140)).toBeLessThan(12);
    expect(Math.abs(fib.deviation - 30)).toBeLessThan(6);
  });

  it("sstem has the grey levels of VNC (129 +- 55): at least 1.5 times the spread of fib", () => {
    const sstem = histogram("sstem");
    expect(Math.abs(sstem.mean - 135)).toBeLessThan(20);
    expect(sstem.deviation).toBeGreaterThan(1.5 * fib.deviation);
  });

  it("shifted is darker by 30 grey levels and flatter", () => {
    const shifted = histogram("shifted");
    expect(fib.mean - shifted.mean).toBeGreaterThan(30);
    expect(shifted.deviation).toBeLessThan(0.85 * fib.deviation);
  });

  it("a changed microscope leaves the tissue where it is", () => {
    const box = boxAt([8000, 6000, 5000], [150, 150, 2]);
    const noisy = new Phantom(phantomStyle("fib", { noise: 30, contrast: 0.5, blur: 12 }), 1);
    expect([...noisy.labels(0, box)]).toEqual([...shared("fib").labels(0, box)]);
    expect([...noisy.em(0, box)]).not.toEqual([...shared("fib").em(0, box)]);
  });
});

describe("scales", () => {
  it("scale 1 is near the mean of scale 0", () => {
    const p = shared("fib");
    const n = 96;
    const fine = p.em(0, boxAt([8000, 6000, 5000], [2 * n, 2 * n, 4]));
    const coarse = p.em(1, boxAt([4000, 3000, 2500], [n, n, 2]));
    let sum = 0;
    for (let z = 0; z < 2; ++z) {
      for (let y = 0; y < n; ++y) {
        for (let x = 0; x < n; ++x) {
          let mean = 0;
          for (let c = 0; c < 8; ++c) {
            mean += fine[2 * x + (c & 1) + 2 * n * (2 * y + ((c >> 1) & 1) + 2 * n * (2 * z + (c >> 2)))] / 8;
          }
          sum += Math.abs(coarse[x + n * (y + n * z)] - mean);
        }
      }
    }
    const difference = sum / coarse.length;
    console.log(
      `scale 1 against the area mean of scale 0: mean |difference| ${difference.toFixed(2)} grey levels`,
    );
    expect(difference).toBeLessThan(2.5);
  });

  it("sections are halved in plane first", () => {
    const sizes = shared("sstem").scales.map(({ voxelSize }) => voxelSize);
    expect(sizes[2]).toEqual([18.4, 18.4, 45]);
    expect(sizes[4][2]).toBe(90);
    expect(shared("fib").scales[3].voxelSize).toEqual([40, 40, 40]);
  });

  it("the coarsest scales are grey and without labels", () => {
    const p = shared("fib");
    const box = boxAt([100, 100, 100], [64, 64, 4]);
    const { mean, deviation } = statistics(p.em(6, box));
    expect(Math.abs(mean - 140)).toBeLessThan(15);
    expect(deviation).toBeLessThan(12);
    expect(p.labels(6, box).every((id) => id === 0n)).toBe(true);
  });
});
