import { describe, expect, it } from "vitest";
import { formatMitoQuery, MitoUrlError, parseMitoQuery, splitInner } from "../../../layers/mito/url.js";

describe("splitInner", () => {
  it("takes the last ? as the start of our query", () => {
    expect(splitInner("precomputed://http://host/em?token=a?b?model=x")).toEqual({
      inner: "precomputed://http://host/em?token=a?b",
      query: "model=x",
    });
  });

  it.each(["precomputed://http://host/em", "?model=x", ""])("refuses %j", (url) => {
    expect(() => splitInner(url)).toThrow(MitoUrlError);
  });
});

describe("parseMitoQuery", () => {
  it("reads every parameter", () => {
    expect(parseMitoQuery("model=lucchi-1&window=-5.5,1e3&tta=d4&chunk=128,128,4&channel=2")).toEqual({
      model: "lucchi-1",
      window: [-5.5, 1000],
      tta: "d4",
      chunk: [128, 128, 4],
      channel: 2,
    });
  });

  it("leaves out what is not given", () => {
    expect(parseMitoQuery("model=a")).toEqual({ model: "a", tta: "none" });
  });

  it.each([
    ["", /no model given/],
    ["model=", /not a model id/],
    ["model=../secret", /not a model id/],
    ["model=a%2Fb", /not a model id/],
    ["model=a&model=b", /model is given twice/],
    ["model=a&threshold=0.5", /unknown parameter "threshold".*window/],
    ["model=a&tta=all", /tta="all" must be one of none, flip, d4/],
    ["model=a&window=5", /window="5"/],
    ["model=a&window=200,100", /lower < upper/],
    ["model=a&window=0,Infinity", /window=/],
    ["model=a&window=0,1,2", /window=/],
    ["model=a&chunk=256,256", /chunk=/],
    ["model=a&chunk=0,256,8", /chunk=/],
    ["model=a&chunk=2.5,2,2", /chunk=/],
    ["model=a&chunk=2048,2048,2", /65535 each and 2097152 voxels/],
    ["model=a&chunk=65536,1,1", /at most 65535 each/],
    ["model=a&channel=-1", /channel="-1"/],
    ["model=a&__proto__=1", /unknown parameter "__proto__"/],
  ])("refuses %j and says why", (query, message) => {
    expect(() => parseMitoQuery(query)).toThrow(message);
  });

  it("is undone by formatMitoQuery", () => {
    for (const query of [
      "model=a",
      "model=a&window=0,255",
      "model=a&window=1,2&tta=flip&chunk=64,64,8&channel=0",
    ])
      expect(formatMitoQuery(parseMitoQuery(query))).toBe(query);
  });
});
