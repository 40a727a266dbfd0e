import { describe, expect, it } from "vitest";
import { arrangeComparison, endComparison, type ViewerJson } from "../../../../layers/comparison/arrange.js";

const EM = "https://host/em.zarr/|zarr:";
const state: ViewerJson = {
  position: [1, 2, 3],
  layers: [
    { type: "image", name: "em", source: EM },
    { type: "segmentation", name: "truth", source: "https://host/truth.zarr/|zarr:", visible: false },
    {
      type: "mito",
      name: "mito",
      source: { url: `${EM}|mito:?model=a&window=0,200`, transform: { matrix: [[1, 0]] } },
      threshold: 0.4,
      segments: ["7"],
    },
    { type: "mito", name: "other", source: `${EM}|mito:?model=z&window=0,200` },
  ],
  layout: "4panel",
  selectedLayer: { visible: true, layer: "mito" },
  morphologyPanel: { visible: true, scope: "all" },
};
const two = {
  layer: "mito",
  models: [
    { id: "a", label: "a" },
    { id: "b", label: "b" },
  ],
};

describe("a comparison's arrangement", () => {
  const arranged = arrangeComparison(state, two);
  const layer = (name: string) => arranged.layers?.find((one) => one.name === name);

  it("uses the layers that are there and makes the others as copies, in the same place", () => {
    expect(arranged.layers?.map(({ name }) => name)).toEqual([
      "em",
      "truth",
      "mito",
      "other",
      "mitochondria (b)",
      "agreement",
    ]);
    expect(layer("mitochondria (b)")).toEqual({
      type: "mito",
      name: "mitochondria (b)",
      source: { url: `${EM}|mito:?model=b&window=0,200`, transform: { matrix: [[1, 0]] } },
      threshold: 0.4,
      visible: true,
    });
    expect(layer("other")?.visible).toBe(false);
    expect(layer("agreement")?.source).toEqual({
      url: `${EM}|mito-agreement:?models=a,b&window=0,200`,
      transform: { matrix: [[1, 0]] },
    });
  });

  it("gives each model a panel over the EM, and the agreement one; no layer is lost", () => {
    const panel = (...layers: string[]) => ({ type: "viewer", layers, layout: "xy" });
    expect(arranged.layout).toEqual({
      type: "column",
      children: [
        {
          type: "row",
          children: [panel("em", "truth", "other", "mito"), panel("em", "mitochondria (b)")],
        },
        panel("em", "agreement"),
      ],
    });
    expect(arranged.comparisonPanel).toEqual({ visible: true });
    expect(arranged.morphologyPanel).toEqual({ visible: false, scope: "all" });
    expect(arranged.selectedLayer).toEqual({ visible: false, layer: "mito" });
    expect(arranged.position).toEqual([1, 2, 3]);
  });

  it("takes the place of a comparison that is there, with the same cross-section", () => {
    const models = ["a", "b", "c", "z"].map((id) => ({ id, label: id }));
    const again = arrangeComparison(arranged, { layer: "mitochondria (b)", models });
    const names = again.layers?.map(({ name }) => name) ?? [];
    expect(names.filter((name) => name === "agreement")).toHaveLength(1);
    expect(names).toContain("mitochondria (c)");
    expect(JSON.stringify(again.layout).match(/"viewer"/g)).toHaveLength(5);
    const yz = arrangeComparison({ ...state, layout: { type: "yz", crossSections: {} } }, two);
    expect(JSON.stringify(yz.layout)).toContain('"layout":"yz"');
  });

  it("ends with one panel and the first model, the others hidden", () => {
    const ended = endComparison(arranged);
    expect(ended.layout).toBe("xy");
    expect(ended.comparisonPanel).toEqual({ visible: false });
    expect(ended.layers?.map(({ name, visible }) => [name, visible])).toEqual([
      ["em", undefined],
      ["truth", false],
      ["mito", true],
      ["other", false],
      ["mitochondria (b)", false],
    ]);
  });

  it("works on a source with a scheme, and refuses a layer that is none", () => {
    const phantom: ViewerJson = {
      layers: [
        { type: "image", name: "em", source: "precomputed://phantom://shifted/1/em" },
        { type: "mito", name: "p", source: "mito://precomputed://phantom://shifted/1/em?model=a" },
      ],
      layout: "xy",
    };
    const { layers } = arrangeComparison(phantom, { ...two, layer: "p" });
    expect(layers?.at(-1)?.source).toBe("mito-agreement://precomputed://phantom://shifted/1/em?models=a,b");
    expect(() => arrangeComparison(phantom, { ...two, layer: "em" })).toThrow("no prediction layer “em”");
  });
});
