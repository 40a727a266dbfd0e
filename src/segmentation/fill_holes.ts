import type { Vec3 } from "../volume/types.js";
import { RunLabeller } from "./runs.js";
import { boxVoxels } from "./voxel_box.js";

export interface FilledHoles {
  /** 1 foreground or filled, 0 background; x fastest. */
  readonly mask: Uint8Array;
  /** Voxels that were filled. */
  readonly filled: number;
}

/**
 * Fills the holes of a 3-D mask: background that no path through faces of background voxels (6-connected) joins to the border of the
 * box, as scipy.ndimage.binary_fill_holes. In a box of one or two slices, all background is at the border.
 * @param mask foreground where not zero, x fastest; left as it is.
 * @throws RangeError when the mask does not fit the size.
 */
export function fillHoles(mask: Uint8Array, size: Vec3): FilledHoles {
  boxVoxels(size, mask);
  const [width, height, depth] = size;
  const filled = binary(mask);
  const background = new Background(width, height);
  for (let z = 0; z < depth; ++z) background.add(mask, z * width * height, 1, width);
  return { mask: filled, filled: background.fill(filled, 0, 1, width, width * height, true) };
}

/**
 * Fills the holes of each slice across `axis` on its own: background that is not 4-connected to the border of the slice, as
 * scipy.ndimage.binary_fill_holes of the slice.
 * @param mask foreground where not zero, x fastest; left as it is.
 * @throws RangeError when the mask does not fit the size.
 */
export function fillHolesInSlices(mask: Uint8Array, size: Vec3, axis: 0 | 1 | 2 = 2): FilledHoles {
  boxVoxels(size, mask);
  const strides = [1, size[0], size[0] * size[1]];
  const [u, v] = [0, 1, 2].filter((other) => other !== axis);
  const filled = binary(mask);
  let count = 0;
  const background = new Background(size[u], size[v]);
  for (let n = 0; n < size[axis]; ++n) {
    const from = n * strides[axis];
    background.begin();
    background.add(mask, from, strides[u], strides[v]);
    count += background.fill(filled, from, strides[u], strides[v], 0, false);
  }
  return { mask: filled, filled: count };
}

function binary(mask: Uint8Array): Uint8Array {
  const ones = new Uint8Array(mask.length);
  for (let at = 0; at < mask.length; ++at) ones[at] = mask[at] === 0 ? 0 : 1;
  return ones;
}

/** Components of the background of slices, as runs. */
class Background {
  private readonly labeller = new RunLabeller();
  private readonly slice: Uint8Array;

  constructor(
    private readonly width: number,
    private readonly height: number,
  ) {
    this.slice = new Uint8Array(width * height);
    this.begin();
  }

  begin(): void {
    this.labeller.begin(this.width, this.height, 6);
  }

  /** Adds the slice whose pixel (u, v) is at from + u * strideU + v * strideV. */
  add(mask: Uint8Array, from: number, strideU: number, strideV: number): void {
    const { slice, width, height } = this;
    for (let v = 0, to = 0; v < height; ++v) {
      for (let u = 0, at = from + v * strideV; u < width; ++u, at += strideU)
        slice[to++] = mask[at] === 0 ? 1 : 0;
    }
    this.labeller.addSlice(slice);
  }

  /** Fills the components that are not at a border; `ends`: the first and last slice are border, too. Gives the voxels filled. */
  fill(
    mask: Uint8Array,
    from: number,
    strideU: number,
    strideV: number,
    strideSlice: number,
    ends: boolean,
  ): number {
    const { labeller, width, height } = this;
    const { depth } = labeller;
    labeller.finish();
    const open = new Uint8Array(labeller.count + 1);
    for (let z = 0; z < depth; ++z) {
      const end = ends && (z === 0 || z === depth - 1);
      labeller.visitSlice(z, (label, row, start, stop) => {
        if (end || row === 0 || row === height - 1 || start === 0 || stop === width) open[label] = 1;
      });
    }
    let filled = 0;
    for (let z = 0; z < depth; ++z) {
      labeller.visitSlice(z, (label, row, start, stop) => {
        if (open[label] !== 0) return;
        const base = from + z * strideSlice + row * strideV;
        for (let u = start; u < stop; ++u) mask[base + u * strideU] = 1;
        filled += stop - start;
      });
    }
    return filled;
  }
}
