import { contains, intersect, isEmpty } from "./box.js";
import { type Box, type Vec3, VolumeError, type VolumeScale, type VolumeSource } from "./types.js";

/**
 * Reads a region as typed: "x0:x1,y0:y1,z0:z1" in voxels of the finest scale, half open; an end left out is the
 * volume's own, so ":,:,0:60" is the first sixty slices.
 * @param bounds of the volume's finest scale.
 * @throws VolumeError naming the text when it is anything else, is empty, or leaves the bounds.
 */
export function parseRegion(text: string, bounds: Box): Box {
  const wrong = (why: string) =>
    new VolumeError(`region ${JSON.stringify(text.slice(0, 80))}`, `${why}. Write it as x0:x1,y0:y1,z0:z1`);
  const parts = text.trim().split(/\s*,\s*/);
  if (parts.length !== 3) throw wrong("it needs three ranges");
  const ends = parts.map((part, axis) => {
    const match = /^(-?\d{0,15})\s*:\s*(-?\d{0,15})$/.exec(part);
    if (!match || match[1] === "-" || match[2] === "-") throw wrong(`"${part.slice(0, 20)}" is not a range`);
    return [
      match[1] === "" ? bounds.lower[axis] : Number(match[1]),
      match[2] === "" ? bounds.upper[axis] : Number(match[2]),
    ];
  });
  const box: Box = {
    lower: [ends[0][0], ends[1][0], ends[2][0]],
    upper: [ends[0][1], ends[1][1], ends[2][1]],
  };
  if (isEmpty(box)) throw wrong("it is empty");
  if (!contains(bounds, box)) {
    throw wrong(`it leaves the volume, which is ${formatRegion(bounds)}`);
  }
  return box;
}

/** "x0:x1,y0:y1,z0:z1" */
export function formatRegion({ lower, upper }: Box): string {
  return [0, 1, 2].map((i) => `${lower[i]}:${upper[i]}`).join(",");
}

/**
 * A box of a volume as a volume of its own: nothing outside can be read, so what is computed at its border (reflection,
 * for one) sees the border and not the neighbourhood. Coordinates stay those of the whole volume: the bounds of the
 * finest scale become `box`, those of a coarser scale the voxels that lie wholly inside it. Scales with none are left out.
 * @param box in voxels of `source.scales[0]`.
 * @throws VolumeError when the box is empty, is not whole voxels or leaves the volume.
 */
export function cutRegion(source: VolumeSource, box: Box): VolumeSource {
  const [finest] = source.scales;
  if (
    ![...box.lower, ...box.upper].every(Number.isSafeInteger) ||
    isEmpty(box) ||
    !contains(finest.bounds, box)
  ) {
    throw new VolumeError(
      source.name,
      `cannot cut ${formatRegion(box)} out of ${formatRegion(finest.bounds)}: give a box inside`,
    );
  }
  const kept: { scale: VolumeScale; index: number }[] = [];
  source.scales.forEach((scale, index) => {
    const bounds =
      index === 0 ? box : intersect(scale.bounds, scaleBox(box, finest.voxelSize, scale.voxelSize));
    if (!isEmpty(bounds)) kept.push({ scale: { ...scale, bounds }, index });
  });
  return {
    name: `${source.name} [${formatRegion(box)}]`,
    dataType: source.dataType,
    scales: kept.map(({ scale }) => scale),
    async read(scale, wanted, options) {
      const entry = kept[scale];
      if (!entry || !contains(entry.scale.bounds, wanted)) {
        throw new VolumeError(this.name, `${formatRegion(wanted)} of scale ${scale} is outside the region`);
      }
      return source.read(entry.index, wanted, options);
    },
    close: async () => source.close?.(),
  };
}

/** Voxels of size `to` that lie wholly inside `box` of voxels of size `from` (both grids share the corner 0,0,0). */
function scaleBox(box: Box, from: Vec3, to: Vec3): Box {
  // A hair of tolerance, so that 2 * 4.6 / 9.2 does not lose a voxel to rounding.
  const lower = (i: number) => Math.ceil((box.lower[i] * from[i]) / to[i] - 1e-6);
  const upper = (i: number) => Math.floor((box.upper[i] * from[i]) / to[i] + 1e-6);
  return { lower: [lower(0), lower(1), lower(2)], upper: [upper(0), upper(1), upper(2)] };
}
