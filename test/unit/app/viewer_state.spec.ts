import { describe, expect, it } from "vitest";
import { PHANTOM, PUBLIC_VOLUMES } from "../../../src/app/catalogue.js";
import { chooseModel } from "../../../src/app/choose_model.js";
import { hasContent, stateFragment, volumeState } from "../../../src/app/viewer_state.js";

describe("volumeState", () => {
  it("puts a prediction over the volume and opens both panels", () => {
    const state = volumeState(PHANTOM, "tiny");
    expect(state.layers.map(({ type }) => type)).toContain("mito");
    expect(state.layers.find(({ type }) => type === "mito")?.source).toBe(
      `mito://${PHANTOM.source}?model=tiny`,
    );
    expect(state).toMatchObject({ selectedLayer: { visible: true }, morphologyPanel: { visible: true } });
  });

  it("opens only the volume without a model, and a prediction as what it is", () => {
    expect(volumeState(PUBLIC_VOLUMES[0], undefined).layers).toHaveLength(1);
    const source = "mito://zarr://https://b?model=m";
    expect(volumeState({ title: "", description: "", layer: "em", source }, "other").layers).toEqual([
      { type: "mito", name: "em", source },
    ]);
  });
});

describe("hasContent", () => {
  it("is true for states with layers, for addresses of states, and for what must be reported", () => {
    expect(hasContent(stateFragment(volumeState(PHANTOM, "m")))).toBe(true);
    expect(hasContent("#!gs://bucket/state.json")).toBe(true);
    expect(hasContent("#!{broken")).toBe(true);
    expect(hasContent("#!{'layers':{'a':{'source':'x'}}}")).toBe(true);
  });
  it("is false for an empty address and a state without layers", () => {
    for (const fragment of ["", "#", "#!", "#!{}", stateFragment({ layout: "xy", layers: [] })])
      expect(hasContent(fragment)).toBe(false);
  });
});

describe("chooseModel", () => {
  const models = [
    { id: "lucchi", source: "Lucchi++ train" },
    { id: "vnc", source: "VNC left half" },
  ];
  it("takes the model asked for, else the one for the tissue, else the first", () => {
    expect(chooseModel(models, "vnc", { suits: ["lucchi"] })).toBe("vnc");
    expect(chooseModel(models, "", { suits: ["vnc"] })).toBe("vnc");
    expect(chooseModel(models, "", { suits: ["phantom"] })).toBe("lucchi");
    expect(chooseModel([], "", { suits: ["phantom"] })).toBeUndefined();
  });
});
