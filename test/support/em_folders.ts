import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { encode } from "fast-png";
import { Random } from "../../src/network/random.js";

/** Grey EM with dark round blobs, and where they are: easy to learn, and easy to shift. */
export function blobSlice(
  width: number,
  height: number,
  seed: number,
  options: { offset?: number; noise?: number } = {},
) {
  const { offset = 0, noise = 12 } = options;
  const random = new Random(seed);
  const em = new Uint8Array(width * height);
  const labels = new Uint8Array(width * height);
  const blobs = Array.from({ length: 3 }, (_, i) => ({
    // At the same places in every slice, or nearly: objects go through the stack.
    x: width * (0.2 + 0.3 * i) + random.uniform(-1, 1),
    y: height * (0.3 + 0.2 * (i % 2)) + random.uniform(-1, 1),
    r: Math.min(width, height) * 0.13,
  }));
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const inside = blobs.some((blob) => (x - blob.x) ** 2 + (y - blob.y) ** 2 < blob.r ** 2);
      const i = y * width + x;
      labels[i] = inside ? 255 : 0;
      em[i] = Math.max(1, Math.min(255, (inside ? 70 : 170) + offset + noise * random.normal()));
    }
  return { em, labels };
}

export interface FolderOptions {
  readonly width: number;
  readonly height: number;
  readonly train: number;
  readonly test: number;
  readonly offset?: number;
  /** Labels as RGB with 2 in the left columns, and zeros of EM there: Kasthuri++. */
  readonly padded?: number;
}

/** Train_In, Train_Out, Test_In, Test_Out with the names that Lucchi++ has: mask%04d.png and %d.png. */
export async function officialLayout(folder: string, options: FolderOptions): Promise<void> {
  const { width, height, padded = 0 } = options;
  for (const half of ["Train", "Test"] as const) {
    const [images, labels] = [join(folder, `${half}_In`), join(folder, `${half}_Out`)];
    await mkdir(images, { recursive: true });
    await mkdir(labels, { recursive: true });
    const count = half === "Train" ? options.train : options.test;
    for (let z = 0; z < count; z++) {
      const slice = blobSlice(width, height, (half === "Train" ? 100 : 500) + z, options);
      for (let i = 0; i < slice.em.length; i++)
        if (i % width < padded) {
          slice.em[i] = 0;
          slice.labels[i] = 2;
        }
      await writeFile(
        join(images, `mask${String(z).padStart(4, "0")}.png`),
        encode({ width, height, channels: 1, depth: 8, data: slice.em }),
      );
      const rgb = Uint8Array.from(
        { length: 3 * slice.labels.length },
        (_, i) => slice.labels[Math.floor(i / 3)],
      );
      await writeFile(
        join(labels, `${z}.png`),
        padded > 0
          ? encode({ width, height, channels: 3, depth: 8, data: rgb })
          : encode({ width, height, channels: 1, depth: 8, data: slice.labels }),
      );
    }
  }
}
