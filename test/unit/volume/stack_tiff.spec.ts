import { mkdir, truncate, writeFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { openImageStack } from "../../../src/volume/image_stack_node.js";
import { VolumeError, type VolumeSource } from "../../../src/volume/types.js";
import { fillVoxels } from "../../support/make_zarr.js";
import { makeTiff, scratch, type TiffLayout, type TiffPageData } from "../../support/slices.js";

const path = await scratch();

const readAll = (source: VolumeSource) => source.read(0, source.scales[0].bounds);

async function file(name: string, pages: TiffPageData[], layout?: TiffLayout): Promise<string> {
  await writeFile(path(name), makeTiff(pages, layout));
  return path(name);
}

const layouts: TiffLayout[] = [
  {},
  { bigEndian: true },
  { rowsPerStrip: 3 },
  // More strips than fit in the directory, in a foreign byte order: what geotiff alone reads wrong.
  { bigEndian: true, rowsPerStrip: 2, deflate: true },
];

describe("openImageStack on TIFF", () => {
  it("reads every page of 8, 16 and 32 bit stacks, strips and byte orders", async () => {
    const size = [17, 11, 4] as const;
    for (const type of ["uint8", "uint16", "uint32"] as const) {
      const voxels = fillVoxels(
        type,
        size,
        (x, y, z) => (x + 17 * y + 187 * z) * (type === "uint8" ? 1 : 85),
      ) as Uint8Array;
      for (const [i, layout] of layouts.entries()) {
        const pages = [0, 1, 2, 3].map((z) => ({
          width: 17,
          height: 11,
          data: voxels.slice(187 * z, 187 * (z + 1)),
        }));
        const source = await openImageStack(await file(`${type}_${i}.tif`, pages, layout));
        expect(source.dataType).toBe(type);
        expect(source.scales[0].bounds.upper).toEqual([17, 11, 4]);
        expect(await readAll(source)).toEqual(voxels);
        await source.close?.();
      }
    }
  });

  it("reads a folder of single pages", async () => {
    await mkdir(path("folder"));
    for (const z of [0, 1, 10]) {
      await file(`folder/${z}.TIFF`, [{ width: 2, height: 2, data: new Uint8Array(4).fill(z) }]);
    }
    const source = await openImageStack(path("folder"));
    expect([...(await readAll(source))]).toEqual([0, 0, 0, 0, 1, 1, 1, 1, 10, 10, 10, 10]);
  });

  it("stretches 1 bit, turns round 'white is zero', reads colour tables and opacity", async () => {
    const bits = { width: 3, height: 2, bits: 1, data: new Uint8Array([0b10100000, 0b01000000]) };
    expect([...(await readAll(await openImageStack(await file("bit.tif", [bits]))))]).toEqual([
      255, 0, 255, 0, 255, 0,
    ]);
    const inverted = await file("white.tif", [{ ...bits, photometric: 0 }]);
    expect([...(await readAll(await openImageStack(inverted)))]).toEqual([0, 255, 0, 255, 0, 255]);
    const white = await file("white8.tif", [
      { width: 2, height: 1, photometric: 0, data: new Uint8Array([0, 250]) },
    ]);
    expect([...(await readAll(await openImageStack(white)))]).toEqual([255, 5]);
    const colourMap = new Uint16Array(768).map((_, i) => (255 - (i % 256)) * 257);
    const indexed = await file("map.tif", [
      { width: 2, height: 1, photometric: 3, colourMap, data: new Uint8Array([3, 255]) },
    ]);
    expect([...(await readAll(await openImageStack(indexed)))]).toEqual([252, 0]);
    expect([...(await readAll(await openImageStack(indexed, { labels: true })))]).toEqual([3, 255]);
    const opaque = {
      width: 2,
      height: 1,
      samplesPerPixel: 2,
      extraSamples: 2,
      data: new Uint8Array([5, 1, 6, 2]),
    };
    expect([...(await readAll(await openImageStack(await file("la.tif", [opaque]))))]).toEqual([5, 6]);
  });

  it("says what cannot be: signed, floating point, colour, one page of another size", async () => {
    const page = { width: 2, height: 1 };
    const signed = await file("signed.tif", [{ ...page, data: new Uint8Array(2), sampleFormat: 2 }]);
    await expect(openImageStack(signed)).rejects.toThrow(/signed\.tif: holds signed integers/);
    const float = await file("float.tif", [{ ...page, data: new Float32Array(2), sampleFormat: 3 }]);
    await expect(openImageStack(float)).rejects.toThrow(/float\.tif: holds floating point/);
    const rgb = { ...page, data: new Uint8Array([1, 2, 3, 4, 5, 6]), samplesPerPixel: 3, photometric: 2 };
    await expect(openImageStack(await file("rgb.tif", [rgb])).then(readAll)).rejects.toThrow(
      /rgb\.tif.*--channel/,
    );
    const sizes = [
      { ...page, data: new Uint8Array(2) },
      { width: 3, height: 1, data: new Uint8Array(3) },
    ];
    await expect(openImageStack(await file("sizes.tif", sizes))).rejects.toThrow(
      /page 2 of 2.*is 3 x 1.*page 1 of 2.*is 2 x 1/,
    );
    await mkdir(path("pages"));
    await file("pages/1.tif", [sizes[0], sizes[0]]);
    await expect(openImageStack(path("pages"))).rejects.toThrow(/1\.tif: has 2 pages, but lies in a folder/);
  });

  it("does not take the first slice of a large ImageJ stack for all of it", async () => {
    const pages = [
      { width: 4, height: 4, data: new Uint8Array(16), description: "ImageJ=1.53t\nimages=3\nslices=3\n" },
    ];
    const bytes = makeTiff(pages);
    await writeFile(path("imagej.tif"), Buffer.concat([bytes, new Uint8Array(32)]));
    await expect(openImageStack(path("imagej.tif"))).rejects.toThrow(/holds 3 slices in ImageJ's own form/);
  });

  it("ends on directories that run in a circle", async () => {
    const page = { width: 2, height: 1, data: new Uint8Array(2) };
    await expect(openImageStack(await file("loop.tif", [page, page], { loop: true }))).rejects.toThrow(
      /points back/,
    );
  });

  it("names a truncated, empty or foreign file", async () => {
    const noise = fillVoxels("uint8", [32, 32, 1], (x, y) => (x * 7919 + y * 104729) % 251) as Uint8Array;
    for (const [i, layout] of layouts.entries()) {
      const page = { width: 32, height: 32, data: noise };
      const full = makeTiff([page, page], layout);
      for (const length of [4, 9, 600, full.length >> 1, full.length - 200]) {
        await writeFile(path(`cut${i}.tif`), full);
        await truncate(path(`cut${i}.tif`), length);
        const error: unknown = await openImageStack(path(`cut${i}.tif`))
          .then(readAll)
          .catch((e) => e);
        expect(error).toBeInstanceOf(VolumeError);
        expect(String(error)).toContain(`cut${i}.tif`);
      }
    }
    await writeFile(path("empty.tif"), "");
    await expect(openImageStack(path("empty.tif"))).rejects.toThrow(/empty\.tif: is empty/);
    await writeFile(path("text.tif"), "this is no picture at all, whatever its name says");
    await expect(openImageStack(path("text.tif"))).rejects.toThrow(/text\.tif: is not a TIFF file/);
  });

  it("finds a strip that was cut off at the end of the file", async () => {
    // Data behind the directory, as many programs write it: the directory is whole, the pixels are not.
    const page = { width: 8, height: 8, data: new Uint8Array(64).fill(9) };
    const bytes = makeTiff([page]);
    const view = new DataView(bytes.buffer);
    const directory = view.getUint32(4, true);
    const moved = Buffer.concat([bytes, new Uint8Array(40).fill(9)]);
    for (let at = directory + 2; at < bytes.length - 12; at += 12) {
      if (moved.readUInt16LE(at) === 273) moved.writeUInt32LE(bytes.length, at + 8);
    }
    await writeFile(path("tail.tif"), moved);
    await expect(openImageStack(path("tail.tif")).then(readAll)).rejects.toThrow(/tail\.tif: cannot be read/);
  });
});
