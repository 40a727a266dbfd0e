import type { BlockLayout } from "./blocks.js";
import type { Canvas } from "./canvas.js";
import { hash3 } from "./hash.js";
import { RowNoise } from "./noise.js";
import { baseVoxelSize, isSectioned, type PhantomStyle } from "./style.js";
import type { Tissue } from "./tissue.js";

/** Standard deviation of the sum of four uniform bytes. */
const byteSumDeviation = Math.sqrt((4 * (256 ** 2 - 1)) / 12);

/** Steps of the tone table per grey level. */
const toneSteps = 8;

/** The microscope: grain of the specimen, contrast, gamma, shot noise, slice brightness, rounding to bytes. */
export class FinishPass {
  private readonly style: PhantomStyle;
  private readonly grains: readonly { noise: RowNoise; amplitude: number }[];
  private readonly tone: Float32Array;
  /** Edge in fine voxels of the block whose mean noise a voxel carries, per axis; 1 or 2. */
  private readonly averaged: readonly [number, number, number];
  private readonly noiseScale: number;

  constructor(
    private readonly tissue: Tissue,
    private readonly layout: BlockLayout,
    level: number,
    private readonly drawn: boolean,
  ) {
    const { style } = tissue;
    this.style = style;
    const base = baseVoxelSize(style);
    const factor = layout.voxel.map((v, a) => Math.round(v / base[a]));
    this.averaged = level === 1 ? [factor[0], factor[1], factor[2]] : [1, 1, 1];
    // Scale 1 carries the exact mean of the fine voxels' noise; coarser ones noise of the same strength as the mean.
    this.noiseScale =
      style.noise / byteSumDeviation / (level === 1 ? 1 : Math.sqrt(factor[0] * factor[1] * factor[2]));
    this.grains = [1, 2.6].map((size, i) => {
      const length = style.grainSize * size;
      const spacing = layout.voxel.map((v, a) =>
        a === 2 && isSectioned(style) ? 1 : Math.max(1, length / v),
      );
      // The mean over a voxel evens out what is finer than it.
      const kept = Math.min(1, length / layout.voxel[0]) ** 1.5;
      const amplitude = style.grain * (i === 0 ? 1.25 : 0.75) * kept;
      return {
        noise: new RowNoise((tissue.seed ^ 0x9a17) + i, [spacing[0], spacing[1], spacing[2]]),
        amplitude,
      };
    });
    this.tone = Float32Array.from({ length: 256 * toneSteps + 1 }, (_, i) => {
      const contrasted = 128 + (i / toneSteps - 128) * style.contrast + style.brightness;
      const curved = 255 * (Math.min(255, Math.max(0, contrasted)) / 255) ** style.gamma;
      return Math.round(curved * 1024) / 1024;
    });
  }

  draw(canvas: Canvas): Uint8Array<ArrayBuffer> {
    const { style, layout, tone, noiseScale } = this;
    const { size, box } = canvas;
    const out = new Uint8Array(canvas.grey.length);
    const grain = new Float32Array(size[0]);
    const shot = new Float32Array(size[0]);
    // Voxels larger than cells see the mean of the tissue.
    const mean = style.cytoplasm - 0.22 * style.membraneDarkness * style.cytoplasm;
    let at = 0;
    for (let z = box.lower[2]; z < box.upper[2]; ++z) {
      const flicker = this.tissue.flicker((z + 0.5) * layout.zFactor) / Math.sqrt(layout.zFactor);
      for (let y = box.lower[1]; y < box.upper[1]; ++y) {
        grain.fill(0);
        for (const { noise, amplitude } of this.grains) noise.add(grain, box.lower[0], y, z, amplitude);
        this.fillShot(shot, box.lower[0], y, z);
        for (let i = 0; i < size[0]; ++i, ++at) {
          const grey = this.drawn
            ? canvas.grey[at] + shadowed(grain[i]) * canvas.texture[at]
            : mean + 4 * grain[i];
          const step = (grey + flicker) * toneSteps;
          const toned = tone[step <= 0 ? 0 : step >= 255 * toneSteps ? 255 * toneSteps : (step + 0.5) | 0];
          // The variance of a count is the count.
          const value = toned + shot[i] * noiseScale * Math.sqrt((toned + 12) / 140) + 0.5;
          out[at] = value <= 0 ? 0 : value >= 255 ? 255 : value | 0;
        }
      }
    }
    return out;
  }

  /** Shot noise of a row of voxels before scaling: the mean over the fine voxels that each covers. */
  private fillShot(row: Float32Array, x: number, y: number, z: number): void {
    const [nx, ny, nz] = this.averaged;
    const seed = this.tissue.seed ^ 0x51075;
    row.fill(0);
    const share = 1 / (nx * ny * nz);
    for (let k = 0; k < nz; ++k) {
      for (let j = 0; j < ny; ++j) {
        for (let i = 0; i < row.length * nx; ++i) {
          const h = hash3(seed, x * nx + i, y * ny + j, z * nz + k);
          row[nx === 2 ? i >> 1 : i] += share * bytes(h);
        }
      }
    }
  }
}

/** Sum of the four bytes about its mean: nearly normal. */
const bytes = (h: number) => (h & 255) + ((h >>> 8) & 255) + ((h >>> 16) & 255) + (h >>> 24) - 510;

/** Granules are dark on a light ground rather than both alike. */
const shadowed = (g: number) => (g < 0 ? 1.25 * g : 0.75 * g);
