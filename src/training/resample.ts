/**
 * Area average of one 2-D image by whole factors: each output pixel is the mean of fx x fy input pixels. Rows and columns
 * that do not fill a block are left out.
 *
 * @param image row-major, `width` columns
 * @returns float means, row-major, floor(width / fx) columns
 */
export function areaAverage(
  image: ArrayLike<number>,
  width: number,
  height: number,
  fx: number,
  fy: number,
): { data: Float32Array; width: number; height: number } {
  const w = Math.floor(width / fx);
  const h = Math.floor(height / fy);
  const data = new Float32Array(w * h);
  const scale = 1 / (fx * fy);
  for (let y = 0; y < h; y++) {
    for (let x = 0; x < w; x++) {
      let sum = 0;
      for (let j = 0; j < fy; j++) {
        const row = (y * fy + j) * width + x * fx;
        for (let i = 0; i < fx; i++) sum += image[row + i];
      }
      data[y * w + x] = sum * scale;
    }
  }
  return { data, width: w, height: h };
}
