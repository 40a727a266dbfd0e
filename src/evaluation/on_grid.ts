import { resampleImage, tapRange, tapsBetween } from "../inference/resample.js";
import type { Axis } from "../inference/types.js";
import { boxSize, boxVolume } from "../volume/box.js";
import type { Box, VolumeScale, VolumeSource } from "../volume/types.js";

/**
 * A volume of probabilities on the voxels of another scale (that of the labels): linear in the plane of the slices, the
 * nearest slice across. Both share the corner 0, 0, 0.
 * @param source Its first scale is used.
 */
export function onGrid(source: VolumeSource, target: VolumeScale, sliceAxis: Axis): VolumeSource {
  const [given] = source.scales;
  const same =
    given.voxelSize.every((size, i) => size === target.voxelSize[i]) &&
    [0, 1, 2].every(
      (i) =>
        given.bounds.lower[i] === target.bounds.lower[i] && given.bounds.upper[i] === target.bounds.upper[i],
    );
  if (same) return source;
  const [columnAxis, rowAxis] = ([0, 1, 2] as const).filter((axis) => axis !== sliceAxis);
  const ratio = target.voxelSize.map((size, i) => size / given.voxelSize[i]);
  const taps = (box: Box, axis: Axis) =>
    tapsBetween(
      box.lower[axis],
      box.upper[axis],
      given.bounds.lower[axis],
      given.bounds.upper[axis],
      ratio[axis],
    );
  const nearest = (slice: number) => {
    const position = Math.floor((slice + 0.5) * ratio[sliceAxis]);
    return Math.min(Math.max(position, given.bounds.lower[sliceAxis]), given.bounds.upper[sliceAxis] - 1);
  };
  return {
    name: source.name,
    dataType: "uint8",
    scales: [target],
    async read(_scale, box, options) {
      const result = new Uint8Array(boxVolume(box));
      const columns = taps(box, columnAxis);
      const rows = taps(box, rowAxis);
      const [left, right] = tapRange(columns);
      const [top, bottom] = tapRange(rows);
      const size = boxSize(box);
      const strides = [1, size[0], size[0] * size[1]];
      const first = nearest(box.lower[sliceAxis]);
      const last = nearest(box.upper[sliceAxis] - 1);
      const lower = [0, 0, 0] as [number, number, number];
      const upper = [0, 0, 0] as [number, number, number];
      const range = (axis: Axis, from: number, to: number) => {
        lower[axis] = from;
        upper[axis] = to;
      };
      range(columnAxis, left + given.bounds.lower[columnAxis], right + given.bounds.lower[columnAxis]);
      range(rowAxis, top + given.bounds.lower[rowAxis], bottom + given.bounds.lower[rowAxis]);
      range(sliceAxis, first, last + 1);
      const read = { lower, upper };
      const data = (await source.read(0, read, options)) as Uint8Array;
      const readSize = boxSize(read);
      const readStrides = [1, readSize[0], readSize[0] * readSize[1]];
      for (let slice = box.lower[sliceAxis]; slice < box.upper[sliceAxis]; slice++) {
        const image = {
          data,
          offset: (nearest(slice) - first) * readStrides[sliceAxis],
          columnStride: readStrides[columnAxis],
          rowStride: readStrides[rowAxis],
        };
        const values = resampleImage(image, columns, rows, [left, top]);
        const start = (slice - box.lower[sliceAxis]) * strides[sliceAxis];
        const width = size[columnAxis];
        for (let i = 0; i < values.length; i++) {
          const x = i % width;
          result[start + x * strides[columnAxis] + ((i - x) / width) * strides[rowAxis]] = Math.round(
            values[i],
          );
        }
      }
      return result;
    },
    close: async () => source.close?.(),
  };
}
