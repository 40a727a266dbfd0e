import * as v from "valibot";
import type { Volume } from "./catalogue.js";

const listSchema = v.object({
  volumes: v.array(
    v.object({
      name: v.pipe(v.string(), v.maxLength(500)),
      source: v.pipe(v.string(), v.maxLength(5000)),
      description: v.optional(v.pipe(v.string(), v.maxLength(500))),
    }),
  ),
});
const PATH = "api/volumes.json";

/**
 * The volumes that the server of this page offers (`npm start -- --data <folder>`); none when it offers no list.
 * @throws Error naming the address when there is a list that cannot be read.
 */
export async function localVolumes(): Promise<Volume[]> {
  const url = new URL(PATH, document.baseURI).href;
  const response = await fetch(url);
  // A plain web host has no such address.
  if (response.status === 404) return [];
  if (!response.ok)
    throw new Error(`The list of local volumes could not be read: ${url}: HTTP ${response.status}`);
  const result = v.safeParse(listSchema, await response.json());
  if (!result.success)
    throw new Error(
      `The list of local volumes is not what was expected: ${url}: ${result.issues[0].message}`,
    );
  return result.output.volumes.map(({ name, source, description }) => ({
    title: name,
    description: description ?? "",
    source: source.replace(/\{origin\}/g, location.origin),
    layer: name.split("/").at(-1)!,
  }));
}
