import { cropImage, type Network } from "./predict_box.js";
import { reflect } from "./resample.js";

/** Positions of windows of `tile` along an axis: evenly spread, at least `overlap` of a window shared by neighbours. */
export function windowStarts(length: number, tile: number, overlap: number): number[] {
  if (length <= tile) return [0];
  const count = Math.ceil((length - tile) / (tile * (1 - overlap))) + 1;
  return Array.from({ length: count }, (_, i) => Math.round((i * (length - tile)) / (count - 1)));
}

/**
 * A network that looks at a slice through overlapping windows and averages what they say, as patch-based pipelines such as
 * BiaPy do. Only for comparison with their numbers: every window pads its border with zeros, and a pixel depends on where
 * the windows lie. Slices smaller than a window are padded by reflection.
 * @param tile Edge of a window in model pixels; a multiple of the network's pooling.
 * @param overlap Part of a window shared with the next, 0 <= overlap < 1.
 */
export function overlapNetwork(network: Network, tile: number, overlap: number): Network {
  if (!(Number.isInteger(tile) && tile > 0)) throw new RangeError(`a window of ${tile} pixels`);
  if (!(overlap >= 0 && overlap < 1)) throw new RangeError(`overlap must be in [0, 1), not ${overlap}`);
  return async (images, width, height, wanted) => {
    const sums = images.map(() => new Float64Array(width * height));
    const counts = new Uint16Array(width * height);
    for (const top of windowStarts(height, tile, overlap)) {
      for (const left of windowStarts(width, tile, overlap)) {
        const windows = images.map((image) => {
          const window = new Float32Array(tile * tile);
          for (let y = 0; y < tile; y++)
            for (let x = 0; x < tile; x++)
              window[y * tile + x] = image[reflect(top + y, height) * width + reflect(left + x, width)];
          return window;
        });
        const answers = await network(windows, tile, tile, [
          [0, tile - 1],
          [0, tile - 1],
        ]);
        for (let y = top; y < Math.min(top + tile, height); y++) {
          for (let x = left; x < Math.min(left + tile, width); x++) {
            counts[y * width + x] += 1;
            answers.forEach((answer, i) => {
              sums[i][y * width + x] += answer[(y - top) * tile + x - left];
            });
          }
        }
      }
    }
    return sums.map((sum) =>
      cropImage(
        Float32Array.from(sum, (value, i) => value / counts[i]),
        width,
        wanted,
      ),
    );
  };
}
