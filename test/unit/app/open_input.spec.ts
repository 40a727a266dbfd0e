import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { OpenInputError, parseOpenInput } from "../../../src/app/open_input.js";

const state = {
  layers: [{ type: "image", name: "em", source: "precomputed://gs://bucket/em" }],
  layout: "xy",
};
const encoded = encodeURIComponent(JSON.stringify(state));

describe("parseOpenInput", () => {
  it("keeps the fragment of a link of any Neuroglancer letter by letter", () => {
    const fragment = `#!${encoded}`;
    expect(parseOpenInput(`  https://neuroglancer-demo.appspot.com/${fragment}\n`)).toEqual({
      kind: "state",
      fragment,
    });
  });

  it("reads the older URL-safe form, with single quotes and underscores for commas", () => {
    const fragment =
      "#!{'layers':{'em':{'type':'image'_'source':'precomputed://gs://bucket/em'}}_'layout':'xy'}";
    expect(parseOpenInput(`https://example.org/${fragment}`)).toEqual({ kind: "state", fragment });
  });

  it("reads links to a state that is stored elsewhere", () => {
    expect(parseOpenInput("https://example.org/#!gs://bucket/state.json")).toEqual({
      kind: "state",
      fragment: "#!gs://bucket/state.json",
    });
    expect(parseOpenInput("https://example.org/state.json")).toEqual({
      kind: "state",
      fragment: "#!https://example.org/state.json",
    });
  });

  it("makes a fragment of bare JSON that decodes to the same text", () => {
    const parsed = parseOpenInput(JSON.stringify(state));
    expect(parsed.kind).toBe("state");
    if (parsed.kind === "state")
      expect(JSON.parse(decodeURIComponent(parsed.fragment.slice(2)))).toEqual(state);
  });

  it("takes data sources, pipelines too, as they are", () => {
    for (const url of [
      "precomputed://gs://bucket/em",
      "zarr://s3://bucket/em.zarr/0",
      "https://example.org/em.zarr/|zarr3:",
      "phantom://default",
    ])
      expect(parseOpenInput(url)).toEqual({ kind: "source", url });
  });

  it.each([
    ["", /Nothing was entered/],
    ["hello", /"hello" is neither/],
    ["/home/me/volume.zarr", /path on this computer.*--data/],
    ["C:\\data\\em", /path on this computer/],
    ["file:///home/me/em", /file on this computer/],
    ["https://example.org/#!", /without a state/],
    ["https://example.org/#!%7B%22layers", /not valid JSON/],
    ["https://example.org/#!{%E0%A4%A", /%-escape/],
    ["{broken", /not valid JSON/],
    ["#![1,2]", /JSON object was expected/],
    ["precomputed://gs://bucket/with space", /space/],
  ])("names what is wrong with %j", (input, message) => {
    expect(() => parseOpenInput(input)).toThrow(OpenInputError);
    expect(() => parseOpenInput(input)).toThrow(message);
  });

  it("answers any text with a result or an OpenInputError", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          parseOpenInput(text);
        } catch (error) {
          expect(error).toBeInstanceOf(OpenInputError);
        }
      }),
    );
  });
});
