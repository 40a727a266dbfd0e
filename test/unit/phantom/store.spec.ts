import { describe, expect, it } from "vitest";
import { openPhantom, phantomKeySize, readPhantomKey } from "../../../src/phantom/store.js";
import { parsePhantomStyle, phantomPresets } from "../../../src/phantom/style.js";
import { VolumeError } from "../../../src/volume/types.js";

const readInfo = async (path: string) => JSON.parse(new TextDecoder().decode(await readPhantomKey(path)));

describe("the precomputed layout", () => {
  it("has an info for EM and for labels", async () => {
    const em = await readInfo("fib/1/em/info");
    expect(em).toMatchObject({ type: "image", data_type: "uint8", num_channels: 1 });
    expect(em.scales[0]).toMatchObject({
      key: "s0",
      size: [131072, 131072, 65536],
      resolution: [5, 5, 5],
      encoding: "raw",
    });
    const labels = await readInfo("fib/1/labels/info");
    expect(labels).toMatchObject({ type: "segmentation", data_type: "uint64" });
    expect(labels.scales).toHaveLength(em.scales.length);
    expect(phantomKeySize("fib/1/em/info")).toBe((await readPhantomKey("fib/1/em/info"))!.length);
  });

  it("answers a chunk with the voxels of the volume", async () => {
    const [x, y, z] = (await readInfo("sstem/7/em/info")).scales[1].chunk_sizes[0];
    const lower = [20 * x, 30 * y, 9 * z] as const;
    const upper = [21 * x, 31 * y, 10 * z] as const;
    const key = `s1/${[0, 1, 2].map((a) => `${lower[a]}-${upper[a]}`).join("_")}`;
    const em = await readPhantomKey(`sstem/7/em/${key}`);
    expect(em).toEqual(await openPhantom("phantom://sstem/7/em").read(1, { lower, upper }));
    const labels = await readPhantomKey(`sstem/7/labels/${key}`);
    expect(labels!.length).toBe(8 * em!.length);
    expect(phantomKeySize(`sstem/7/labels/${key}`)).toBe(labels!.length);
    expect(new BigUint64Array(labels!.buffer)).toEqual(
      await openPhantom("phantom://sstem/7/labels").read(1, { lower, upper }),
    );
  });

  it.each([
    "fib/1/em/s0/0-64_0-64",
    "fib/1/em/s0/1-129_0-128_0-16",
    "fib/1/em/s0/0-100_0-128_0-16",
    "fib/1/em/s99/0-128_0-128_0-16",
    "fib/1/em/s0/9999872-10000000_0-128_0-16",
    "fib/1/em/s0",
    "fib/1/em/",
    "fib/1/labels/zarr.json",
    "fib/1/em/../info",
    "fib/1/em/s0/-64-0_0-128_0-16",
  ])("has nothing at %s", async (path) => {
    expect(await readPhantomKey(path)).toBeUndefined();
    expect(phantomKeySize(path)).toBeUndefined();
  });

  it.each([
    ["", /<style>\/<seed>\/em/],
    ["fib", /<style>\/<seed>\/em/],
    ["fib/1", /<style>\/<seed>\/em/],
    ["fib/1/pictures/info", /<style>\/<seed>\/em/],
    ["fob/1/em/info", /unknown phantom style "fob"/],
    ["constructor/1/em/info", /unknown phantom style/],
    ["fib/x/em/info", /seed "x"/],
    ["fib/-1/em/info", /seed "-1"/],
    ["fib/4294967296/em/info", /seed must be/],
    ["fib,noise/1/em/info", /needs a number/],
    ["fib,noise=1=2/1/em/info", /needs a number/],
    ["fib,noise=1e9/1/em/info", /needs a number/],
    ["fib,noise=1000/1/em/info", /must lie in/],
    ["fib,__proto__=1/1/em/info", /unknown style field/],
    ["%E0%A4%A/1/em/info", /percent-encoding/],
  ])("says what is wrong with %s", async (path, message) => {
    await expect(readPhantomKey(path)).rejects.toThrow(VolumeError);
    await expect(readPhantomKey(path)).rejects.toThrow(message);
  });

  it("stops before a chunk that is no longer wanted", async () => {
    const abort = new AbortController();
    const reading = readPhantomKey("fib/1/em/s0/0-128_0-128_0-16", { signal: abort.signal });
    abort.abort();
    await expect(reading).rejects.toMatchObject({ name: "AbortError" });
    expect(await readPhantomKey("fib/1/em/s5/0-128_0-128_0-16")).toHaveLength(128 * 128 * 16);
  });
});

describe("openPhantom", () => {
  it("reads a box across parts as one", async () => {
    const volume = openPhantom("phantom://fib/3/em");
    const { chunkSize } = volume.scales[0];
    const lower = [40 * chunkSize[0] - 3, 40 * chunkSize[1] - 2, 40 * chunkSize[2] - 1] as const;
    const upper = [lower[0] + 6, lower[1] + 5, lower[2] + 3] as const;
    const whole = await volume.read(0, { lower, upper });
    for (let z = 0; z < 3; ++z) {
      const slice = await volume.read(0, {
        lower: [lower[0], lower[1], lower[2] + z],
        upper: [upper[0], upper[1], lower[2] + z + 1],
      });
      expect(whole.slice(30 * z, 30 * z + 30)).toEqual(slice);
    }
  });

  it("refuses boxes outside, empty, broken or too large, and unknown scales", async () => {
    const volume = openPhantom("phantom://fib/1/labels");
    const read = (scale: number, lower: [number, number, number], upper: [number, number, number]) =>
      volume.read(scale, { lower, upper });
    await expect(read(0, [-1, 0, 0], [4, 4, 4])).rejects.toThrow(/not inside scale 0/);
    await expect(read(0, [0, 0, 0], [0, 4, 4])).rejects.toThrow(/not inside/);
    await expect(read(0, [0.5, 0, 0], [4, 4, 4])).rejects.toThrow(/not inside/);
    await expect(read(0, [0, 0, 0], [131072, 131072, 100])).rejects.toThrow(/too large/);
    await expect(read(77, [0, 0, 0], [4, 4, 4])).rejects.toThrow(/no scale 77/);
  });

  it.each(["phantom:fib/1/em", "phantom://fib/1/em/info", "http://fib/1/em"])("refuses %s", (url) => {
    expect(() => openPhantom(url)).toThrow(VolumeError);
  });
});

describe("styles in a URL", () => {
  it("override single fields of a preset", () => {
    expect(parsePhantomStyle("fib,noise=12.5,brightness=-20")).toEqual({
      ...phantomPresets.fib,
      noise: 12.5,
      brightness: -20,
    });
  });
});
