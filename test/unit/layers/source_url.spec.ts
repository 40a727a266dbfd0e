import { describe, expect, it } from "vitest";
import { editQuery, isMitoUrl, wrapSource } from "../../../layers/mito_layer/source_url.js";

describe("URLs of predictions", () => {
  it("wrap a source in its own form", () => {
    expect(wrapSource("precomputed://gs://b/em", { model: "m", tta: "none" })).toBe(
      "mito://precomputed://gs://b/em?model=m",
    );
    expect(wrapSource("https://b/em/|zarr3:", { model: "m", tta: "d4" })).toBe(
      "https://b/em/|zarr3:|mito:?model=m&tta=d4",
    );
  });

  it("are told from others", () => {
    expect(isMitoUrl("mito://zarr://https://b?model=m")).toBe(true);
    expect(isMitoUrl("https://b/|zarr:|mito:?model=m")).toBe(true);
    expect(isMitoUrl("precomputed://https://b/mito")).toBe(false);
  });

  it.each(["mito://precomputed://https://b/em?key=a?b&model=m", "https://b/em/|zarr3:|mito:?model=m"])(
    "keep the wrapped source when the query changes: %s",
    (url) => {
      const head = url.slice(0, url.lastIndexOf("?"));
      if (url.startsWith("mito://")) {
        // The last "?" starts our part, so this one's query is "b&model=m": not ours.
        expect(() => editQuery(url, { model: "n" })).toThrow(/"b"/);
        return;
      }
      const edited = editQuery(url, { model: "n", window: [0, 200] });
      expect(edited).toBe(`${head}?model=n&window=0,200`);
      expect(editQuery(edited, { window: undefined })).toBe(`${head}?model=n`);
    },
  );

  it("refuse to edit what is not a prediction", () => {
    expect(() => editQuery("zarr://https://b", { model: "m" })).toThrow(
      "zarr://https://b is not the URL of a prediction",
    );
  });
});
