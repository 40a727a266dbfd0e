import { parseDocument } from "yaml";
import { type FileFetcher, LIMITS } from "./limits.js";

/** The licence of a package, which one made from it keeps; undefined where it names none. */
export async function licenceOf(files: FileFetcher): Promise<string | undefined> {
  const bytes = await files("rdf.yaml", { maxBytes: LIMITS.rdfBytes });
  const document = parseDocument(new TextDecoder().decode(bytes), { schema: "core", logLevel: "silent" });
  const licence = document.get("license");
  return typeof licence === "string" && /^[A-Za-z0-9.+-]{1,64}$/.test(licence) ? licence : undefined;
}
