import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { downsampleMean } from "../../src/volume/downsample.js";
import { openImageStack } from "../../src/volume/image_stack_node.js";
import { importVolume } from "../../src/volume/import_node.js";
import { openVolume } from "../../src/volume/open_node.js";
import type { Box } from "../../src/volume/types.js";
import { scratch } from "../support/slices.js";

const data = (name: string) => fileURLToPath(new URL(`../../../shared/data/${name}`, import.meta.url));
const there = existsSync(data("Lucchi++")) && existsSync(data("VNC"));
if (!there) console.log("skipped: the real EM data of ../shared/data are not on this machine");

const path = await scratch();
const sha1 = (voxels: ArrayBufferView) =>
  createHash("sha1")
    .update(new Uint8Array(voxels.buffer, voxels.byteOffset, voxels.byteLength))
    .digest("hex");

/**
 * SHA-1 of the first 20 slices as one array (z, y, x), made with Pillow 12 and tifffile: what other programs see in the
 * same files (1-bit masks as 0 and 255, the red channel of RGBA).
 */
const GOLDEN: [name: string, labels: boolean, digest: string][] = [
  ["Lucchi++/Train_In", false, "781d3c86feb436c5972ddc83b5b7e6cae7b3582d"],
  ["Lucchi++/Train_Out", true, "51daa3a7845daa5be3d81288c49cf105db039eff"],
  ["Lucchi++/Test_Out", true, "29ec51385e6aa3505f950fb8e221f4d610fb52b7"],
  ["VNC/stack1/raw", false, "3efd72f4d960143294587f5d2c334cf9ab8875da"],
  ["VNC/stack1/mitochondria", true, "2b47cd960cd6f1009ad2d74f9016aeab6308f078"],
];

describe.skipIf(!there)("real stacks", () => {
  it.each(GOLDEN)(
    "%s is read as Python reads it, and its import gives it back",
    { timeout: 120_000 },
    async (name, labels, digest) => {
      const warnings: string[] = [];
      const stack = await openImageStack(data(name), {
        labels,
        onWarning: (warning) => warnings.push(warning),
      });
      const [sx, sy] = stack.scales[0].bounds.upper;
      const box: Box = { lower: [0, 0, 0], upper: [sx, sy, 20] };
      const voxels = (await stack.read(0, box)) as Uint8Array;
      expect(sha1(voxels)).toBe(digest);
      expect(warnings).toEqual([]);

      const anisotropic = name.startsWith("VNC");
      const output = path(`${name.replaceAll(/\W/g, "_")}.ome.zarr`);
      const voxelSize = anisotropic ? ([4.6, 4.6, 50] as const) : ([5, 5, 5] as const);
      await importVolume({ input: data(name), output, voxelSize, labels, region: ":,:,0:20" });
      const volume = await openVolume(output);
      expect(volume.scales[0]).toMatchObject({ bounds: box, voxelSize });
      expect(volume.scales[1].voxelSize).toEqual(anisotropic ? [9.2, 9.2, 50] : [10, 10, 10]);
      expect(sha1(await volume.read(0, box))).toBe(digest);
      const second = (await volume.read(1, volume.scales[1].bounds)) as Uint8Array;
      if (labels) {
        const values = new Set(voxels);
        expect([...new Set(second)].filter((value) => !values.has(value))).toEqual([]);
      } else {
        expect(sha1(second)).toBe(
          sha1(downsampleMean(voxels, box.upper, anisotropic ? [2, 2, 1] : [2, 2, 2])),
        );
      }
      await volume.close?.();
    },
  );
});
