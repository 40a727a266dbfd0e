import { boxSize, boxVolume, contains, isEmpty } from "../volume/box.js";
import type { Box, Vec3, VolumeScale } from "../volume/types.js";
import { VolumeError } from "../volume/types.js";
import { BasePass } from "./base_pass.js";
import type { BlockLayout } from "./blocks.js";
import { makeCanvas } from "./canvas.js";
import { DetailPass } from "./detail_pass.js";
import { FinishPass } from "./finish_pass.js";
import { makeProfiles } from "./profiles.js";
import { baseVoxelSize, isSectioned, type PhantomStyle } from "./style.js";
import { Tissue } from "./tissue.js";

/** Voxels of the finest scale along x and y, and edge of the volume along z in nm. */
const widthInVoxels = 131072;
const depthInNanometres = 327680;
/**
 * Scales on which cells and mitochondria are drawn, and those that also show what is smaller than 20 nm. The coarser
 * ones show the mean of the tissue with some grain, and no labels: their voxels are as large as mitochondria.
 */
const drawnScales = 4;
const detailedScales = 2;
const scaleCount = 10;
/** A box larger than this is refused: its voxels would not fit in memory. */
const mostVoxels = 2 ** 30;

export interface PhantomScale extends VolumeScale {
  readonly layout: BlockLayout;
  readonly passes: { base: BasePass; detail: DetailPass | undefined; finish: FinishPass };
  readonly drawn: boolean;
}

/**
 * A procedural EM volume. Any box of any scale on demand; equal seed and style give equal voxels on every host with
 * IEEE arithmetic, whatever was read before. Labels depend on + - x / and square roots alone; grey levels also on
 * tables of Math.exp and Math.pow, rounded so that a last-bit difference does not show.
 */
export class Phantom {
  readonly scales: readonly VolumeScale[];
  private readonly inner: readonly PhantomScale[];

  constructor(
    readonly style: PhantomStyle,
    readonly seed: number,
    readonly name: string = `phantom seed ${seed}`,
  ) {
    if (!Number.isInteger(seed) || seed < 0 || seed >= 2 ** 32) {
      throw new VolumeError(name, `the seed must be an integer 0 .. ${2 ** 32 - 1}, it is ${seed}`);
    }
    const tissue = new Tissue(style, seed);
    this.inner = Array.from({ length: scaleCount }, (_, level) => makeScale(tissue, level));
    this.scales = this.inner.map(({ bounds, voxelSize, chunkSize }) => ({ bounds, voxelSize, chunkSize }));
  }

  /** Grey levels of a box, x fastest. Takes 30 bytes a voxel meanwhile: read large boxes in parts (`openPhantom` does). */
  em(scale: number, box: Box): Uint8Array<ArrayBuffer> {
    const { passes, drawn } = this.check(scale, box);
    const canvas = makeCanvas(box);
    if (drawn) {
      passes.base.draw(canvas);
      passes.detail?.draw(canvas);
    }
    return passes.finish.draw(canvas);
  }

  /** Mitochondria of a box, x fastest: 0 outside, else an id below 2^47 that is unique in the volume. */
  labels(scale: number, box: Box): BigUint64Array<ArrayBuffer> {
    const { passes, drawn } = this.check(scale, box);
    const out = new BigUint64Array(boxVolume(box));
    if (!drawn) return out;
    const canvas = makeCanvas(box);
    passes.base.draw(canvas);
    const ids = canvas.mitos.map(({ id }) => BigInt(id));
    for (let i = 0; i < out.length; ++i) if (canvas.label[i] > 0) out[i] = ids[canvas.label[i] - 1];
    return out;
  }

  /**
   * The scale, when the box can be read from it.
   * @throws VolumeError when there is no such scale, or the box is empty, not inside of it, or too large to hold.
   */
  check(scale: number, box: Box): PhantomScale {
    const found = this.inner[scale];
    if (found === undefined) {
      throw new VolumeError(this.name, `there is no scale ${scale}, only 0 .. ${this.inner.length - 1}`);
    }
    if (
      isEmpty(box) ||
      ![...box.lower, ...box.upper].every(Number.isInteger) ||
      !contains(found.bounds, box)
    ) {
      throw new VolumeError(
        this.name,
        `box ${box.lower} .. ${box.upper} is not inside scale ${scale}, which has ${boxSize(found.bounds).join(" x ")} voxels`,
      );
    }
    if (boxVolume(box) > mostVoxels) {
      throw new VolumeError(
        this.name,
        `box ${box.lower} .. ${box.upper} is too large to read at once, read it in parts`,
      );
    }
    return found;
  }
}

/** x2 a level; a sectioned volume first in plane until its voxels are nearly cubes. */
function makeScale(tissue: Tissue, level: number): PhantomScale {
  const { style } = tissue;
  const base = baseVoxelSize(style);
  const sectioned = isSectioned(style);
  let z = 0;
  for (let i = 0; i < level; ++i) {
    if (!sectioned || base[2] * 2 ** z < base[0] * 2 ** (i + 1)) ++z;
  }
  const factor = [2 ** level, 2 ** level, 2 ** z] as const;
  const voxelSize: Vec3 = [base[0] * factor[0], base[1] * factor[1], base[2] * factor[2]];
  const drawn = level < drawnScales;
  const depth = Math.floor(depthInNanometres / base[2]);
  const shape = [widthInVoxels, widthInVoxels, depth].map((n, a) => Math.max(1, Math.floor(n / factor[a])));
  const step = voxelSize[0] < 7 ? 4 : voxelSize[0] < 14 ? 2 : 1;
  const cells = level < 3 ? 4 : 2;
  const layout: BlockLayout = {
    voxel: voxelSize,
    cells,
    step,
    depth: sectioned ? 1 : cells * step,
    planes: sectioned ? 5 : 0,
    zFactor: factor[2],
  };
  const profiles = makeProfiles(style, voxelSize[0]);
  return {
    bounds: { lower: [0, 0, 0], upper: [shape[0], shape[1], shape[2]] },
    voxelSize,
    // Flat: a view needs one slice, a prediction eight. Cubes of 64 took the chunk worker ten times as long to fill a screen.
    chunkSize: sectioned ? [64, 64, 16] : [128, 128, 16],
    layout,
    drawn,
    passes: {
      base: new BasePass(tissue, layout, profiles),
      detail: level < detailedScales ? new DetailPass(tissue, layout, profiles) : undefined,
      finish: new FinishPass(tissue, layout, level, drawn),
    },
  };
}
