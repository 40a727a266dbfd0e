import { type Vec3, VolumeError } from "./types.js";

/** Nanometres in one of each unit; short names as people type them, long names as OME-Zarr and UDUNITS-2 spell them. */
const nanometresPer: ReadonlyMap<string, number> = new Map([
  ["pm", 1e-3],
  ["picometer", 1e-3],
  ["å", 0.1],
  ["angstrom", 0.1],
  ["nm", 1],
  ["nanometer", 1],
  ["nanometre", 1],
  ["um", 1e3],
  ["µm", 1e3], // micro sign
  ["μm", 1e3], // Greek mu: the two look the same on screen
  ["micron", 1e3],
  ["micrometer", 1e3],
  ["micrometre", 1e3],
  ["mm", 1e6],
  ["millimeter", 1e6],
  ["millimetre", 1e6],
  ["cm", 1e7],
  ["centimeter", 1e7],
  ["m", 1e9],
  ["meter", 1e9],
  ["metre", 1e9],
]);

/** Nanometres in one `unit` ("nm", "micrometer", "angstrom", ...); undefined for a unit that is not a known length. */
export function lengthUnit(unit: string): number | undefined {
  return nanometresPer.get(unit.toLowerCase());
}

/** Removes the noise of unit conversion (0.0046 um * 1000 = 4.6000000000000005 nm) that would show up in URLs and titles. */
export function cleanLength(nanometres: number): number {
  return Number(nanometres.toPrecision(12));
}

/**
 * Reads a voxel size as typed: three edge lengths in the order x, y, z, or one for all, separated by commas or "x",
 * each with a unit or one unit at the end for all: "5,5,5nm", "4.6,4.6,50nm", "0.005um,0.005um,0.05um", "8nm", "4x4x40nm".
 * Without any unit the numbers are nanometres.
 * @returns edge lengths in nm.
 * @throws VolumeError naming the text when it is anything else, or a length is not between 0.001 nm and 1 mm.
 */
export function parseVoxelSize(text: string): Vec3 {
  const wrong = (why: string) =>
    new VolumeError(
      JSON.stringify(text.slice(0, 80)),
      `${why}. Write a voxel size like 5,5,5nm or 0.005um,0.005um,0.05um`,
    );
  const parts = text.trim().split(/\s*[,x×]\s*/);
  if (parts.length !== 1 && parts.length !== 3) throw wrong("a voxel size has one or three numbers");
  const read = parts.map((part) => /^(\d+\.?\d*(?:e-?\d+)?|\.\d+)\s*(\p{L}*)$/iu.exec(part));
  const lastUnit = read.at(-1)?.[2] ?? "";
  const lengths = read.map((match, i) => {
    if (!match) throw wrong(`"${parts[i].slice(0, 20)}" is not a length`);
    const unit = match[2] || lastUnit || "nm";
    const factor = lengthUnit(unit);
    if (factor === undefined)
      throw wrong(`"${unit}" is not a unit of length that is known (nm, um, mm, angstrom)`);
    const length = cleanLength(Number(match[1]) * factor);
    if (!(length >= 1e-3 && length <= 1e6)) throw wrong(`${length} nm is no voxel size`);
    return length;
  });
  return lengths.length === 1
    ? [lengths[0], lengths[0], lengths[0]]
    : (lengths as unknown as [number, number, number]);
}

/** The shortest text that `parseVoxelSize` reads back: "8nm", "4.6,4.6,50nm". */
export function formatVoxelSize([x, y, z]: Vec3): string {
  return x === y && y === z ? `${x}nm` : `${x},${y},${z}nm`;
}
