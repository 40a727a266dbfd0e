import { mkdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { encode, type ImageData } from "fast-png";
import { describe, expect, it } from "vitest";
import { openImageStack } from "../../../src/volume/image_stack_node.js";
import { decodePng } from "../../../src/volume/png_node.js";
import { SliceCache } from "../../../src/volume/slice_cache.js";
import { naturalSort, numberingWarnings } from "../../../src/volume/slice_names.js";
import { VolumeError, type VolumeSource } from "../../../src/volume/types.js";
import { fillVoxels } from "../../support/make_zarr.js";
import { scratch, writePngStack } from "../../support/slices.js";

const path = await scratch();

async function readAll(source: VolumeSource) {
  return source.read(0, source.scales[0].bounds);
}

/** A folder with one PNG. */
async function single(name: string, image: ImageData): Promise<string> {
  await mkdir(path(name));
  await writeFile(path(name, "0.png"), encode(image));
  return path(name);
}

describe("slice names", () => {
  it("sorts by number", () => {
    expect(naturalSort(["10.png", "9.png", "100.png", "0.png"])).toEqual([
      "0.png",
      "9.png",
      "10.png",
      "100.png",
    ]);
    expect(naturalSort(["s1_010.tif", "s1_9.tif"])).toEqual(["s1_9.tif", "s1_010.tif"]);
    expect(naturalSort(["01.png", "1.png"])).toEqual(naturalSort(["1.png", "01.png"]));
  });

  it("says which numbers are missing", () => {
    expect(numberingWarnings(["0.png", "1.png", "2.png"])).toEqual([]);
    const [warning] = numberingWarnings(["a0007.png", "a0009.png", "a0013.png"]);
    expect(warning).toContain("4 of the numbers between a0007.png and a0013.png");
    expect(warning).toContain("(8, 10 to 12)");
  });

  it("says when a name does not belong or is double", () => {
    expect(numberingWarnings(["a1.png", "a2.png", "overview3.png"])[0]).toContain("a1.png and overview3.png");
    expect(numberingWarnings(["1.png", "01.png"])[0]).toContain("same number");
    expect(numberingWarnings(["left.png", "right.png"])[0]).toContain("no number");
  });
});

describe("openImageStack on PNG", () => {
  it("reads 8 and 16 bit slices, in natural order, any box", async () => {
    const size = [13, 7, 12] as const;
    for (const type of ["uint8", "uint16"] as const) {
      const voxels = fillVoxels(
        type,
        size,
        (x, y, z) => x + 13 * y + (type === "uint8" ? 3 : 1000) * z,
      ) as Uint8Array;
      const folder = await writePngStack(path(type), voxels, size, (z) => `${z}.png`);
      const warnings: string[] = [];
      const source = await openImageStack(folder, {
        voxelSize: [4, 4, 40],
        onWarning: (w) => warnings.push(w),
      });
      expect(source.dataType).toBe(type);
      expect(source.scales[0]).toEqual({
        bounds: { lower: [0, 0, 0], upper: [13, 7, 12] },
        voxelSize: [4, 4, 40],
        chunkSize: [13, 7, 1],
      });
      expect(await readAll(source)).toEqual(voxels);
      const box = await source.read(0, { lower: [2, 3, 9], upper: [5, 5, 11] });
      expect([...box]).toEqual([
        ...fillVoxels(type, [3, 2, 2], (x, y, z) => voxels[x + 2 + 13 * (y + 3 + 7 * (z + 9))]),
      ]);
      expect(warnings).toEqual([]);
      await source.close?.();
    }
  });

  it("stretches fewer than 8 bits to 0..255", async () => {
    // 10 columns of 1 bit: rows of two bytes.
    const data = new Uint8Array([0b10110011, 0b01000000, 0b00000001, 0b10000000]);
    const folder = await single("bit1", { width: 10, height: 2, channels: 1, depth: 1, data });
    const bits = [1, 0, 1, 1, 0, 0, 1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0];
    expect([...(await readAll(await openImageStack(folder)))]).toEqual(bits.map((bit) => bit * 255));
    const four = await single("bit4", {
      width: 3,
      height: 1,
      channels: 1,
      depth: 4,
      data: new Uint8Array([0x0f, 0x80]),
    });
    expect([...(await readAll(await openImageStack(four)))]).toEqual([0, 255, 136]);
  });

  it("takes equal channels as grey and drops opacity", async () => {
    const data = new Uint8Array([7, 7, 7, 255, 200, 200, 200, 0]);
    const folder = await single("rgba", { width: 2, height: 1, channels: 4, depth: 8, data });
    expect([...(await readAll(await openImageStack(folder)))]).toEqual([7, 200]);
    const grey = await single("la", {
      width: 2,
      height: 1,
      channels: 2,
      depth: 8,
      data: new Uint8Array([5, 9, 6, 8]),
    });
    expect([...(await readAll(await openImageStack(grey)))]).toEqual([5, 6]);
  });

  it("refuses colour EM, takes a chosen channel, and the first one of labels with a warning", async () => {
    const data = new Uint8Array([1, 1, 1, 1, 2, 3]);
    const folder = await single("rgb", { width: 2, height: 1, channels: 3, depth: 8, data });
    await expect(openImageStack(folder).then(readAll)).rejects.toThrow(/0\.png.*x 1, y 0.*--channel/);
    expect([...(await readAll(await openImageStack(folder, { channel: 2 })))]).toEqual([1, 3]);
    await expect(openImageStack(folder, { channel: 3 }).then(readAll)).rejects.toThrow(/no channel 3/);
    const warnings: string[] = [];
    const labels = await openImageStack(folder, { labels: true, onWarning: (w) => warnings.push(w) });
    expect([...(await readAll(labels))]).toEqual([1, 1]);
    expect(warnings.join()).toContain("channel 0");
  });

  it("takes indices as labels and colours as EM", async () => {
    const palette = [
      [0, 0, 0],
      [90, 90, 90],
      [250, 250, 250],
    ];
    const data = new Uint8Array([2, 0, 1]);
    const folder = await single("palette", { width: 3, height: 1, channels: 1, depth: 8, data, palette });
    expect([...(await readAll(await openImageStack(folder, { labels: true })))]).toEqual([2, 0, 1]);
    expect([...(await readAll(await openImageStack(folder)))]).toEqual([250, 0, 90]);
  });

  it("reads interlaced files", async () => {
    const data = fillVoxels("uint8", [11, 9, 1], (x, y) => x * 20 + y) as Uint8Array;
    const bytes = encode({ width: 11, height: 9, channels: 1, depth: 8, data }, { interlace: "Adam7" });
    expect(decodePng("a.png", bytes).data).toEqual(data);
  });

  it("warns of a hole in the numbering and goes on", async () => {
    const folder = await writePngStack(path("hole"), new Uint8Array(12), [2, 2, 3], (z) => `${z * 2}.png`);
    const warnings: string[] = [];
    const source = await openImageStack(folder, { onWarning: (w) => warnings.push(w) });
    expect(source.scales[0].bounds.upper[2]).toBe(3);
    expect(warnings[0]).toMatch(/hole: 2 of the numbers between 0\.png and 4\.png have no file \(1, 3\)/);
  });

  it("ignores what desktops leave behind", async () => {
    const folder = await writePngStack(path("dots"), new Uint8Array(4), [2, 2, 1]);
    await writeFile(path("dots", "._0000.png"), "not a picture");
    await writeFile(path("dots", "Thumbs.db"), "");
    expect((await openImageStack(folder)).scales[0].bounds.upper).toEqual([2, 2, 1]);
  });
});

describe("openImageStack names what is wrong", () => {
  it("two sizes, two types", async () => {
    const folder = await writePngStack(path("sizes"), new Uint8Array(12), [2, 2, 3]);
    await writeFile(
      path("sizes", "0001.png"),
      encode({ width: 3, height: 2, channels: 1, depth: 8, data: new Uint8Array(6) }),
    );
    await expect(openImageStack(folder)).rejects.toThrow(
      /0001\.png: is 3 x 2 pixels, but .*0000\.png is 2 x 2/,
    );
    await writeFile(
      path("sizes", "0001.png"),
      encode({ width: 2, height: 2, channels: 1, depth: 16, data: new Uint16Array(4) }),
    );
    await expect(openImageStack(folder)).rejects.toThrow(/0001\.png: is uint16, but .*0000\.png is uint8/);
  });

  it("nothing there, not a folder of slices, mixed formats", async () => {
    await expect(openImageStack(path("absent"))).rejects.toThrow(/absent: does not exist/);
    await mkdir(path("empty"));
    await expect(openImageStack(path("empty"))).rejects.toThrow(/empty: holds no \.png/);
    const mixed = await writePngStack(path("mixed"), new Uint8Array(4), [2, 2, 1]);
    await writeFile(path("mixed", "a.tif"), "");
    await expect(openImageStack(mixed)).rejects.toThrow(/1 PNG and 1 TIFF/);
    await writeFile(path("notes.txt"), "");
    await expect(openImageStack(path("notes.txt"))).rejects.toThrow(/neither a folder/);
  });

  it("an empty, foreign or absurd file", async () => {
    const folder = await writePngStack(path("foreign"), new Uint8Array(8), [2, 2, 2]);
    const file = path("foreign", "0001.png");
    const good = await readFile(file);
    await writeFile(file, "");
    await expect(openImageStack(folder)).rejects.toThrow(/0001\.png: is empty/);
    await writeFile(file, "GIF89a and so on");
    await expect(openImageStack(folder)).rejects.toThrow(/0001\.png: is not a PNG file/);
    const absurd = Buffer.from(good);
    absurd.writeUInt32BE(0x7fffffff, 16);
    absurd.writeUInt32BE(0x7fffffff, 20);
    await writeFile(file, absurd);
    await expect(openImageStack(folder)).rejects.toThrow(/0001\.png: claims to be 2147483647/);
  });

  it("a truncated or damaged file, at whatever byte", async () => {
    const noise = fillVoxels("uint8", [40, 40, 1], (x, y) => (x * 7919 + y * 104729) % 251) as Uint8Array;
    const folder = await writePngStack(path("cut"), noise, [40, 40, 1]);
    const file = path("cut", "0000.png");
    const good = await readFile(file);
    for (const length of [40, 60, good.length >> 1, good.length - 13, good.length - 1]) {
      await writeFile(file, good);
      await truncate(file, length);
      const error: unknown = await openImageStack(folder)
        .then(readAll)
        .catch((e) => e);
      expect(error).toBeInstanceOf(VolumeError);
      expect(String(error)).toMatch(/0000\.png: (is truncated|is damaged|has damaged)/);
    }
    for (let at = 45; at < good.length - 12; at += 37) {
      const bad = Buffer.from(good);
      bad[at] ^= 0x10;
      await writeFile(file, bad);
      await expect(openImageStack(folder).then(readAll)).rejects.toThrow(VolumeError);
    }
  });

  it("pixel data that are more than the header announces", async () => {
    const bytes = Buffer.from(
      encode({ width: 64, height: 64, channels: 1, depth: 8, data: new Uint8Array(4096) }),
    );
    bytes.writeUInt32BE(2, 20);
    expect(() => decodePng("bomb.png", bytes)).toThrow(/bomb\.png: has damaged pixel data/);
    bytes.writeUInt32BE(80, 20);
    expect(() => decodePng("short.png", bytes)).toThrow(
      /4160 bytes of pixel data where its header announces 5200/,
    );
  });

  it("a slice that changed since it was opened, a box outside", async () => {
    const folder = await writePngStack(path("changed"), new Uint8Array(4), [2, 2, 1]);
    const source = await openImageStack(folder);
    await expect(source.read(0, { lower: [0, 0, 0], upper: [3, 2, 1] })).rejects.toThrow(/outside/);
    await writePngStack(folder, new Uint8Array(6), [3, 2, 1]);
    await expect(readAll(source)).rejects.toThrow(/0000\.png: has changed/);
  });

  it("a slice that is a folder, or gone since the stack was opened", async () => {
    const folder = await writePngStack(path("gone"), new Uint8Array(8), [2, 2, 2]);
    const source = await openImageStack(folder);
    await rm(path("gone", "0001.png"));
    const error: unknown = await readAll(source).catch((e) => e);
    expect(error).toBeInstanceOf(VolumeError);
    expect(String(error)).toMatch(/0001\.png: cannot be read \(ENOENT.*check that it is there/);
    await mkdir(path("gone", "0001.png"));
    await expect(openImageStack(folder)).rejects.toThrow(/0001\.png: cannot be read \(EISDIR/);
  });

  it("an aborted read", async () => {
    const source = await openImageStack(await writePngStack(path("abort"), new Uint8Array(4), [2, 2, 1]));
    const signal = AbortSignal.abort();
    await expect(source.read(0, source.scales[0].bounds, { signal })).rejects.toThrow(/abort/i);
  });
});

describe("SliceCache", () => {
  it("stays below its limit, keeps what was used last, shares loads", async () => {
    const cache = new SliceCache<Uint8Array>(300);
    const loads: number[] = [];
    const get = (key: number) =>
      cache.get(key, async () => {
        loads.push(key);
        return new Uint8Array(100);
      });
    await Promise.all([get(0), get(0)]);
    await get(1);
    await get(2);
    await get(0);
    await get(3);
    expect(cache.bytes).toBe(300);
    await get(0);
    await get(1);
    expect(loads).toEqual([0, 1, 2, 3, 1]);
    expect(cache.bytes).toBe(300);
  });

  it("keeps one slice that is larger than the limit, and forgets a load that failed", async () => {
    const cache = new SliceCache<Uint8Array>(1);
    await cache.get(0, async () => new Uint8Array(50));
    await cache.get(1, async () => new Uint8Array(60));
    expect(cache.bytes).toBe(60);
    await expect(cache.get(2, () => Promise.reject(new Error("once")))).rejects.toThrow("once");
    expect((await cache.get(2, async () => new Uint8Array(3))).length).toBe(3);
  });
});
