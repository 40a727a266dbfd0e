import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Vec3 } from "../../src/volume/types.js";

const CHUNK: Vec3 = [64, 64, 16];

/**
 * Writes a precomputed volume of one scale, raw chunks of 64 x 64 x 16, as large EM archives are served.
 * @param value Of a voxel in a channel.
 * @param offset Where the volume begins.
 */
export async function makePrecomputed(
  folder: string,
  {
    size,
    voxelSize,
    channels = 1,
    type = "uint8",
    offset = [0, 0, 0],
    value,
  }: {
    size: Vec3;
    voxelSize: Vec3;
    channels?: number;
    type?: "uint8" | "uint16" | "float32";
    offset?: Vec3;
    value: (x: number, y: number, z: number, channel: number) => number;
  },
): Promise<string> {
  const arrays = { uint8: Uint8Array, uint16: Uint16Array, float32: Float32Array };
  await mkdir(join(folder, "s0"), { recursive: true });
  await writeFile(
    join(folder, "info"),
    JSON.stringify({
      "@type": "neuroglancer_multiscale_volume",
      type: "image",
      data_type: type,
      num_channels: channels,
      scales: [
        {
          key: "s0",
          size,
          resolution: voxelSize,
          voxel_offset: offset,
          chunk_sizes: [CHUNK],
          encoding: "raw",
        },
      ],
    }),
  );
  const starts = (axis: number) =>
    Array.from({ length: Math.ceil(size[axis] / CHUNK[axis]) }, (_, i) => i * CHUNK[axis]);
  for (const z0 of starts(2))
    for (const y0 of starts(1))
      for (const x0 of starts(0)) {
        const [sx, sy, sz] = [x0, y0, z0].map((start, axis) => Math.min(CHUNK[axis], size[axis] - start));
        const data = new arrays[type](sx * sy * sz * channels);
        let i = 0;
        for (let c = 0; c < channels; c++)
          for (let z = z0; z < z0 + sz; z++)
            for (let y = y0; y < y0 + sy; y++)
              for (let x = x0; x < x0 + sx; x++) data[i++] = value(x, y, z, c);
        const range = (start: number, length: number, axis: number) =>
          `${start + offset[axis]}-${start + offset[axis] + length}`;
        const name = [range(x0, sx, 0), range(y0, sy, 1), range(z0, sz, 2)].join("_");
        await writeFile(join(folder, "s0", name), new Uint8Array(data.buffer));
      }
  return folder;
}
