import type { Vec3 } from "../volume/types.js";
import { VolumeError } from "../volume/types.js";

/**
 * How a phantom looks, and the few things of its anatomy that differ between data sets. Grey levels are 0..255,
 * lengths in nm, factors relative to 1. Any field can be overridden (`phantomStyle`, or in a URL).
 */
export interface PhantomStyle {
  /** Voxel size of the finest scale. The slice thickness is z; above 2 x in plane a slice is a projected section. */
  readonly voxelX: number;
  readonly voxelY: number;
  readonly voxelZ: number;
  /** Added to every grey level. */
  readonly brightness: number;
  /** Spread of the grey levels about the cytoplasm. */
  readonly contrast: number;
  readonly gamma: number;
  /** Standard deviation of the shot noise at mid grey; it grows with the square root of the signal. */
  readonly noise: number;
  /** Standard deviation of the point spread function in nm. */
  readonly blur: number;
  /** Mean grey of the cytoplasm and its standard deviation between cells. */
  readonly cytoplasm: number;
  readonly cytoplasmSpread: number;
  /** Granular texture of the cytoplasm: amplitude in grey levels and grain in nm. */
  readonly grain: number;
  readonly grainSize: number;
  /** Darkness 0 (invisible) .. 1 (black) of the cell membranes, and their width in nm (both leaves and the cleft). */
  readonly membraneDarkness: number;
  readonly membraneWidth: number;
  /** Darkness of the mitochondrial matrix, of its envelope, and visibility of the cristae, 0..1. */
  readonly matrixDarkness: number;
  readonly envelopeDarkness: number;
  readonly cristae: number;
  /** Lateral displacement of the slices (nm) and their brightness variation (grey levels). */
  readonly drift: number;
  readonly flicker: number;
  /** Factors on thickness of the mitochondria, on their number, on the calibre of the neurites, on vesicles. */
  readonly mitoSize: number;
  readonly mitoDensity: number;
  readonly calibre: number;
  readonly vesicles: number;
}

export type PhantomPreset = "fib" | "sstem" | "shifted";

const fib: PhantomStyle = {
  voxelX: 5,
  voxelY: 5,
  voxelZ: 5,
  brightness: 0,
  contrast: 1,
  gamma: 1,
  noise: 10,
  blur: 6,
  cytoplasm: 161,
  cytoplasmSpread: 8,
  grain: 16,
  grainSize: 26,
  membraneDarkness: 0.55,
  membraneWidth: 20,
  matrixDarkness: 0.33,
  envelopeDarkness: 0.5,
  cristae: 0.7,
  drift: 2,
  flicker: 1.5,
  mitoSize: 1,
  mitoDensity: 1,
  calibre: 0.95,
  vesicles: 1,
};

export const phantomPresets: Readonly<Record<PhantomPreset, PhantomStyle>> = {
  /** FIB-SEM of mammalian neuropil: isotropic, clean, soft (Lucchi++ was looked at). */
  fib,
  /** Serial-section TEM of an insect nerve cord: 45 nm sections, sharp, dark membranes, noisy, drifting (VNC). */
  sstem: {
    ...fib,
    voxelX: 4.6,
    voxelY: 4.6,
    voxelZ: 45,
    contrast: 1.25,
    noise: 17,
    blur: 2.2,
    cytoplasm: 170,
    cytoplasmSpread: 16,
    grain: 38,
    grainSize: 20,
    membraneDarkness: 0.9,
    membraneWidth: 13,
    matrixDarkness: 0.55,
    envelopeDarkness: 0.85,
    cristae: 0.8,
    drift: 14,
    flicker: 5,
    mitoSize: 0.85,
    calibre: 0.85,
  },
  /** The tissue of `fib` under another microscope: darker, flatter, softer, noisier, other staining. */
  shifted: {
    ...fib,
    brightness: -34,
    contrast: 0.72,
    gamma: 1.25,
    noise: 14,
    blur: 9,
    grain: 18,
    grainSize: 38,
    membraneDarkness: 0.36,
    membraneWidth: 22,
    matrixDarkness: 0.22,
    envelopeDarkness: 0.34,
    cristae: 0.12,
    drift: 5,
    flicker: 4,
    mitoSize: 0.85,
  },
};

/** Allowed range of every field: a URL is hostile input. */
const ranges: Readonly<Record<keyof PhantomStyle, readonly [number, number]>> = {
  voxelX: [2, 20],
  voxelY: [2, 20],
  voxelZ: [2, 100],
  brightness: [-128, 128],
  contrast: [0.05, 4],
  gamma: [0.2, 5],
  noise: [0, 80],
  blur: [0, 30],
  cytoplasm: [40, 240],
  cytoplasmSpread: [0, 50],
  grain: [0, 80],
  grainSize: [8, 200],
  membraneDarkness: [0, 1],
  membraneWidth: [4, 40],
  matrixDarkness: [0, 1],
  envelopeDarkness: [0, 1],
  cristae: [0, 1],
  drift: [0, 60],
  flicker: [0, 40],
  mitoSize: [0.4, 1.6],
  mitoDensity: [0, 3],
  calibre: [0.6, 1.3],
  vesicles: [0, 3],
};

export function phantomStyle(
  preset: PhantomPreset,
  overrides: Partial<PhantomStyle> = {},
  input: string = preset,
): PhantomStyle {
  const style = { ...phantomPresets[preset], ...overrides };
  for (const [field, [low, high]] of Object.entries(ranges)) {
    const value = style[field as keyof PhantomStyle];
    if (!(value >= low && value <= high)) {
      throw new VolumeError(input, `style field "${field}" is ${value}, it must lie in ${low} .. ${high}`);
    }
  }
  return style;
}

/**
 * Style from the first part of a phantom URL: a preset, then overrides: "fib", "fib,noise=12,blur=6".
 * @throws VolumeError naming the unknown preset, the unknown field or the value out of range.
 */
export function parsePhantomStyle(text: string, input: string = text): PhantomStyle {
  const [preset, ...parts] = text.split(",");
  if (!Object.hasOwn(phantomPresets, preset)) {
    throw new VolumeError(
      input,
      `unknown phantom style "${preset}", use one of ${Object.keys(phantomPresets).join(", ")}`,
    );
  }
  const overrides: Partial<Record<keyof PhantomStyle, number>> = {};
  for (const part of parts) {
    const [field, value, ...rest] = part.split("=");
    if (!Object.hasOwn(ranges, field)) {
      throw new VolumeError(
        input,
        `unknown style field "${field}", use one of ${Object.keys(ranges).join(", ")}`,
      );
    }
    if (rest.length > 0 || value === undefined || !/^-?\d+(\.\d+)?$/.test(value)) {
      throw new VolumeError(input, `style field "${field}" needs a number, as in "${field}=1.5"`);
    }
    overrides[field as keyof PhantomStyle] = Number(value);
  }
  return phantomStyle(preset as PhantomPreset, overrides, input);
}

/** Voxel size of the finest scale in nm. */
export function baseVoxelSize(style: PhantomStyle): Vec3 {
  return [style.voxelX, style.voxelY, style.voxelZ];
}

/** Slices much thicker than the pixels are cut sections seen in projection; else the volume is isotropic. */
export function isSectioned(style: PhantomStyle): boolean {
  return style.voxelZ > 2 * Math.max(style.voxelX, style.voxelY);
}
