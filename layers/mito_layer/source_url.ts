import type { MitoQuery } from "../mito/base.js";
import { formatMitoQuery, parseMitoQuery, splitInner } from "../mito/url.js";

const SCHEME = "mito://";
const STAGE = "|mito:";

/** The two ways in which a URL says what it wraps; see `isMitoUrl`. */
interface Parts {
  readonly head: string;
  readonly query: string;
}

function split(url: string): Parts | undefined {
  const stage = url.lastIndexOf(STAGE);
  if (stage !== -1) {
    const mark = url.indexOf("?", stage);
    return mark === -1 ? undefined : { head: url.slice(0, mark), query: url.slice(mark + 1) };
  }
  if (!url.startsWith(SCHEME)) return undefined;
  const { inner, query } = splitInner(url.slice(SCHEME.length));
  return { head: SCHEME + inner, query };
}

/** Whether a data source URL is a prediction: `mito://<source>?...` or `<pipeline>|mito:?...`. */
export function isMitoUrl(url: string): boolean {
  return url.startsWith(SCHEME) || url.includes(STAGE);
}

/**
 * Volume and query of a prediction's URL; the volume is in its own form, a scheme or a pipeline.
 * @throws Error when `url` is no prediction.
 */
export function splitPrediction(url: string): Parts {
  const parts = split(url);
  if (parts === undefined) throw new Error(`${url} is not the URL of a prediction`);
  const { head, query } = parts;
  // The stage's name went with the query, a scheme stands in front.
  return head.startsWith(SCHEME)
    ? { head: head.slice(SCHEME.length), query }
    : { head: head.slice(0, head.lastIndexOf(STAGE)), query };
}

/** URL of a prediction made from the volume at `source`, which stays in its own form: a scheme or a pipeline. */
export function wrapSource(source: string, query: MitoQuery): string {
  const text = formatMitoQuery(query);
  return source.includes("|") ? `${source}${STAGE}?${text}` : `${SCHEME}${source}?${text}`;
}

/**
 * The same prediction with some of its parameters changed; `undefined` removes one.
 * @throws MitoUrlError when `url` is not a prediction or its query cannot be read.
 */
export function editQuery(
  url: string,
  change: { readonly [Key in keyof MitoQuery]?: MitoQuery[Key] | undefined },
): string {
  const parts = split(url);
  if (parts === undefined) throw new Error(`${url} is not the URL of a prediction`);
  const query: MitoQuery = { ...parseMitoQuery(parts.query), ...change } as MitoQuery;
  return `${parts.head}?${formatMitoQuery(query)}`;
}
