import * as v from "valibot";
import type { Volume } from "./catalogue.js";

const positive = v.pipe(v.number(), v.finite(), v.gtValue(0));
const vec3 = v.tuple([positive, positive, positive]);
const listSchema = v.object({
  volumes: v.array(
    v.object({
      name: v.pipe(v.string(), v.maxLength(500)),
      source: v.pipe(v.string(), v.maxLength(5000)),
      description: v.pipe(v.string(), v.maxLength(500)),
      kind: v.picklist(["image", "labels"]),
      lower: v.tuple([v.number(), v.number(), v.number()]),
      size: vec3,
      voxelSize: vec3,
    }),
  ),
  problems: v.array(v.object({ name: v.string(), error: v.string() })),
});
const PATH = "api/volumes.json";

export interface LocalVolumes {
  readonly volumes: readonly Volume[];
  /** One line for each folder that looks like a volume and cannot be opened. */
  readonly problems: readonly string[];
}

/** nm of a screen pixel at first: about what the models work at. */
const MODEL_PIXEL = 10;

/**
 * The volumes that the server of this page offers (`npm start -- --data <folder>`); none when it offers no list.
 * @throws Error naming the address when there is a list that cannot be read.
 */
export async function localVolumes(): Promise<LocalVolumes> {
  const url = new URL(PATH, document.baseURI).href;
  const response = await fetch(url);
  // A plain web host has no such address.
  if (response.status === 404) return { volumes: [], problems: [] };
  if (!response.ok)
    throw new Error(`The list of local volumes could not be read: ${url}: HTTP ${response.status}`);
  const result = v.safeParse(listSchema, await response.json());
  if (!result.success)
    throw new Error(
      `The list of local volumes is not what was expected: ${url}: ${result.issues[0].message}`,
    );
  const { volumes, problems } = result.output;
  return {
    volumes: volumes.map(({ name, source, description, kind, lower, size, voxelSize }) => ({
      title: name,
      description,
      source: source.replaceAll("{origin}", location.origin),
      layer: name.split("/").at(-1)!,
      labels: kind === "labels",
      voxelSize,
      position: [lower[0] + size[0] / 2, lower[1] + size[1] / 2, lower[2] + Math.floor(size[2] / 2)],
      scale: Math.max(1, MODEL_PIXEL / voxelSize[0]),
    })),
    problems: problems.map(({ name, error }) => `${name}: ${error}`),
  };
}
