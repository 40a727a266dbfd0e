import * as v from "valibot";
import { type Vec3, VolumeError } from "./types.js";
import { cleanLength, lengthUnit } from "./voxel_size.js";

/** What a reader needs of OME-Zarr metadata. */
export interface Multiscale {
  /** Index of x, y and z in an array's shape; -1 for a z that a 2-D image lacks. */
  readonly axes: Vec3;
  /** Channel, time and other axes that are no space, with their index in the shape. */
  readonly others: readonly { readonly name: string; readonly index: number }[];
  readonly datasets: readonly { readonly path: string; readonly voxelSize: Vec3 | undefined }[];
}

const transforms = v.optional(
  v.array(
    v.looseObject({
      type: v.string(),
      scale: v.optional(v.array(v.pipe(v.number(), v.finite()))),
    }),
  ),
);
const multiscaleSchema = v.looseObject({
  axes: v.optional(
    v.array(
      v.union([
        v.string(),
        v.looseObject({
          name: v.string(),
          type: v.optional(v.nullable(v.string())),
          unit: v.optional(v.nullable(v.string())),
        }),
      ]),
    ),
  ),
  datasets: v.pipe(
    v.array(v.looseObject({ path: v.string(), coordinateTransformations: transforms })),
    v.minLength(1),
    v.maxLength(64),
  ),
  coordinateTransformations: transforms,
});

/**
 * The first multiscale image of the attributes of a group, as OME-NGFF 0.1 to 0.5 write it (https://ngff.openmicroscopy.org);
 * undefined when the attributes hold none. Sizes are in nm; an axis without a unit is taken to be in nm, as EM volumes
 * that leave it out mean it. Translations are not used: voxel 0 is the lower bound of each scale.
 * @throws VolumeError when the metadata is there but cannot be used.
 */
export function parseMultiscale(name: string, attributes: Record<string, unknown>): Multiscale | undefined {
  const ome = attributes.ome;
  const list =
    (typeof ome === "object" && ome !== null ? (ome as Record<string, unknown>).multiscales : undefined) ??
    attributes.multiscales;
  if (list === undefined) return undefined;
  const parsed = v.safeParse(v.pipe(v.array(multiscaleSchema), v.minLength(1)), list);
  if (!parsed.success) {
    const [issue] = parsed.issues;
    throw new VolumeError(
      name,
      `its OME metadata is wrong at ${v.getDotPath(issue) ?? "multiscales"}: ${issue.message}`,
    );
  }
  const [image] = parsed.output;
  // Version 0.1 and 0.2 always have these five.
  const axes = (image.axes ?? ["t", "c", "z", "y", "x"]).map((axis) =>
    typeof axis === "string" ? { name: axis, type: undefined, unit: undefined } : axis,
  );
  const { space, others } = sortAxes(
    name,
    axes.map((axis) => axis.name),
  );
  const unit = (index: number): number => {
    const text = axes[index]?.unit;
    if (!text) return 1;
    const factor = lengthUnit(text);
    if (factor === undefined)
      throw new VolumeError(name, `axis "${axes[index].name}" has the unit "${text}", which is no length`);
    return factor;
  };
  const common = scaleOf(name, axes.length, image.coordinateTransformations) ?? axes.map(() => 1);
  const datasets = image.datasets.map(({ path, coordinateTransformations }) => {
    const scale = scaleOf(name, axes.length, coordinateTransformations);
    const edge = (i: number) => cleanLength(scale![space[i]] * common[space[i]] * unit(space[i]));
    let voxelSize: Vec3 | undefined;
    if (scale) {
      // The single slice of a 2-D image has no thickness of its own: a cube then.
      voxelSize = [edge(0), edge(1), space[2] < 0 ? edge(0) : edge(2)];
      if (!voxelSize.every((length) => length > 0 && Number.isFinite(length))) {
        throw new VolumeError(name, `scale "${path}" has the voxel size ${voxelSize.join()} nm`);
      }
    }
    return { path, voxelSize };
  });
  return { axes: space, others, datasets };
}

/** Finds x, y, z by name. @throws VolumeError when x or y is missing, or a name comes twice. */
export function sortAxes(
  name: string,
  axisNames: readonly string[],
): { space: Vec3; others: Multiscale["others"] } {
  const names = axisNames.map((axis) => axis.toLowerCase());
  const find = (axis: string) => names.indexOf(axis);
  const space: Vec3 = [find("x"), find("y"), find("z")];
  if (space[0] < 0 || space[1] < 0 || new Set(names).size !== names.length) {
    throw new VolumeError(
      name,
      `its axes are ${JSON.stringify(axisNames)}: x, y and z are needed, each once`,
    );
  }
  const others = axisNames
    .map((axis, index) => ({ name: axis, index }))
    .filter(({ index }) => !space.includes(index));
  return { space, others };
}

function scaleOf(name: string, rank: number, list: v.InferOutput<typeof transforms>): number[] | undefined {
  const scales = (list ?? []).filter((transform) => transform.type === "scale");
  if (scales.length === 0) return undefined;
  const product = new Array<number>(rank).fill(1);
  for (const { scale } of scales) {
    if (scale?.length !== rank)
      throw new VolumeError(name, `a scale has ${scale?.length ?? "no"} numbers for ${rank} axes`);
    scale.forEach((factor, i) => {
      product[i] *= factor;
    });
  }
  return product;
}
