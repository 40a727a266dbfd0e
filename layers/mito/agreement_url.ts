import type { MitoQuery } from "./base.js";
import { formatMitoQuery, MitoUrlError, parseMitoQuery } from "./url.js";

export const SCHEME = "mito-agreement";
const WRAP = `${SCHEME}://`;
const STAGE = `|${SCHEME}:`;
const FEWEST = 2;
/** Categories, colours and panels that a person can still tell apart. */
export const MOST_COMPARED = 4;

/** Which models are compared, and what they have in common: everything of a prediction but the model. */
export interface AgreementQuery {
  readonly models: readonly string[];
  readonly rest: Omit<MitoQuery, "model">;
}

/** Whether a data source URL is a comparison: `mito-agreement://<source>?...` or `<pipeline>|mito-agreement:?...`. */
export function isAgreementUrl(url: string): boolean {
  return url.startsWith(WRAP) || url.includes(STAGE);
}

/**
 * Parses our part of a URL, without the "?": as that of a prediction, with models=<id>,<id>[,<id>[,<id>]] for its model.
 * @throws MitoUrlError naming the parameter that cannot be used.
 */
export function parseAgreementQuery(text: string): AgreementQuery {
  const parameters = new URLSearchParams(text);
  const given = parameters.getAll("models");
  if (given.length !== 1) throw new MitoUrlError("give the models to compare, once, as models=<id>,<id>");
  const models = given[0].split(",");
  if (models.length < FEWEST || models.length > MOST_COMPARED || new Set(models).size !== models.length)
    throw new MitoUrlError(
      `models=${JSON.stringify(given[0].slice(0, 300))} must be ${FEWEST} to ${MOST_COMPARED} different model ids, separated by commas`,
    );
  parameters.delete("models");
  if (parameters.has("model")) throw new MitoUrlError("a comparison has models=, not model=");
  const queries = models.map((model) => {
    const one = new URLSearchParams(parameters);
    one.set("model", model);
    return parseMitoQuery(one.toString());
  });
  const { model: _model, ...rest } = queries[0];
  return { models, rest };
}

/** The query in one order, so that equal comparisons have equal URLs. */
export function formatAgreementQuery({ models, rest }: AgreementQuery): string {
  const [, ...others] = formatMitoQuery({ ...rest, model: "x" }).split("&");
  return [`models=${models.join(",")}`, ...others].join("&");
}

/** URL of a comparison on the volume at `source`, which stays in its own form: a scheme or a pipeline. */
export function agreementUrl(source: string, query: AgreementQuery): string {
  const text = formatAgreementQuery(query);
  return source.includes("|") ? `${source}${STAGE}?${text}` : `${WRAP}${source}?${text}`;
}
