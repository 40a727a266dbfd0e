import { urlSafeParse } from "neuroglancer/unstable/util/json.js";

/** Input of the "open anything" box that cannot be opened; the message names it and says what would work. */
export class OpenInputError extends Error {
  override name = "OpenInputError";
}

export type OpenInput =
  /** A state as it stands in a Neuroglancer address, from `#!` on: opened as it is. */
  | { readonly kind: "state"; readonly fragment: string }
  /** A data source: a new state is made for it. */
  | { readonly kind: "source"; readonly url: string };

/** Browsers hold addresses of 2 MB; nobody pastes more on purpose. */
const MAXIMUM_LENGTH = 2_000_000;
const WHAT_WORKS =
  "Paste a Neuroglancer link (…#!{…}), a state as JSON, or a data source such as precomputed://gs://bucket/volume.";
const SCHEME = /^([a-z][a-z0-9+.-]*):\/\//i;

/** What the text begins with, short enough for a message. */
function shown(text: string): string {
  return `"${text.length > 60 ? `${text.slice(0, 57)}…` : text}"`;
}

/**
 * Understands what a person pastes: a link to any Neuroglancer with its state after `#!` (JSON, the older URL-safe
 * form, or the address of a JSON file), the state's JSON alone, or a data source URL (`zarr://...`, or a pipeline
 * `https://...|zarr:`). A state is checked with Neuroglancer's own parser and kept letter by letter.
 *
 * @throws OpenInputError naming the input and what is wrong with it.
 */
export function parseOpenInput(input: string): OpenInput {
  const text = input.trim();
  if (text === "") throw new OpenInputError(`Nothing was entered. ${WHAT_WORKS}`);
  if (text.length > MAXIMUM_LENGTH)
    throw new OpenInputError(
      `The text is ${text.length} characters long; at most ${MAXIMUM_LENGTH} can be opened.`,
    );
  const hash = text.indexOf("#!");
  if (hash !== -1) return { kind: "state", fragment: checkedFragment(text, text.slice(hash)) };
  if (text.startsWith("{")) {
    checkState(text, text);
    return { kind: "state", fragment: `#!${encodeURIComponent(text)}` };
  }
  const scheme = SCHEME.exec(text)?.[1].toLowerCase();
  if (scheme === undefined) {
    if (/^(\/|~|\.{1,2}\/|[a-z]:\\)/i.test(text))
      throw new OpenInputError(
        `${shown(text)} is a path on this computer, which a page cannot read. Start with: npm start -- --data <folder>`,
      );
    throw new OpenInputError(
      `${shown(text)} is neither a link, nor a state, nor a data source. ${WHAT_WORKS}`,
    );
  }
  if (scheme === "file")
    throw new OpenInputError(
      `${shown(text)} is a file on this computer, which a page cannot read. Start with: npm start -- --data <folder>`,
    );
  if (/\s/.test(text)) throw new OpenInputError(`${shown(text)} has a space in it. ${WHAT_WORKS}`);
  // A state that lies somewhere as a file, as Neuroglancer's own links give it after "#!".
  if (/\.json$/i.test(text) && /^(https?|gs|s3)$/.test(scheme))
    return { kind: "state", fragment: `#!${text}` };
  return { kind: "source", url: text };
}

function checkedFragment(input: string, fragment: string): string {
  const body = fragment.slice(2);
  if (body === "")
    throw new OpenInputError(`${shown(input)} is a Neuroglancer address without a state after "#!".`);
  if (SCHEME.test(body)) return fragment;
  let decoded: string;
  try {
    decoded = decodeURIComponent(body.startsWith("+") ? body.slice(1) : body);
  } catch (cause) {
    throw new OpenInputError(
      `${shown(input)}: the part after "#!" has a broken %-escape; was the link cut off?`,
      {
        cause,
      },
    );
  }
  checkState(input, decoded);
  return fragment;
}

function checkState(input: string, json: string): void {
  let state: unknown;
  try {
    state = urlSafeParse(json);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new OpenInputError(
      `${shown(input)} does not hold a Neuroglancer state: it is not valid JSON (${why}).`,
      {
        cause,
      },
    );
  }
  if (typeof state !== "object" || state === null || Array.isArray(state))
    throw new OpenInputError(
      `${shown(input)} does not hold a Neuroglancer state: a JSON object was expected.`,
    );
}
