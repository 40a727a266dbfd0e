import { describe, expect, it } from "vitest";
import {
  type AdaptationCheckpoint,
  decodeAdaptation,
  encodeAdaptation,
} from "../../../src/adaptation/checkpoint.js";
import { sourceOnly } from "../../../src/adaptation/source_only.js";
import { Random } from "../../../src/network/random.js";
import { decodeCheckpoint } from "../../../src/training/checkpoint.js";
import { tinyInput } from "../../support/adaptation.js";

const checkpoint: AdaptationCheckpoint = {
  settings: tinyInput(sourceOnly).settings,
  progress: {
    stage: "train",
    step: 3,
    totalSteps: 7,
    random: new Random(4).state,
    plateau: { best: Number.POSITIVE_INFINITY, waited: 0, scale: 1 },
    best: { loss: 0.25, step: 2 },
    waited: 1,
    scored: 0,
  },
  weights: { segmenter: [Float32Array.of(1, -2.5), Float32Array.of()], teacher: [Float32Array.of(7)] },
  bestWeights: {},
  slots: { net: [Float32Array.of(0.5, 0.25, 0)], discriminator: [] },
};

/** The same file with its header changed. */
function withHeader(change: (header: Record<string, never>) => unknown): Uint8Array {
  const bytes = encodeAdaptation(checkpoint);
  const start = "CHONDRIA-ADAPTATION-1\n".length;
  const view = new DataView(bytes.buffer);
  const length = view.getUint32(start, true);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(start + 4, start + 4 + length)));
  const json = new TextEncoder().encode(JSON.stringify(change(header)));
  const floats = bytes.subarray(Math.ceil((start + 4 + length) / 4) * 4);
  const dataStart = Math.ceil((start + 4 + json.length) / 4) * 4;
  const out = new Uint8Array(dataStart + floats.length);
  out.set(bytes.subarray(0, start));
  new DataView(out.buffer).setUint32(start, json.length, true);
  out.set(json, start + 4);
  out.set(floats, dataStart);
  return out;
}

describe("the checkpoint of an adaptation", () => {
  it("comes back as it was, also from the middle of a larger buffer", () => {
    const bytes = encodeAdaptation(checkpoint);
    expect(decodeAdaptation(bytes, "x")).toEqual(checkpoint);
    const larger = new Uint8Array(bytes.length + 9);
    larger.set(bytes, 3);
    expect(decodeAdaptation(larger.subarray(3, 3 + bytes.length), "x")).toEqual(checkpoint);
    expect(decodeAdaptation(Buffer.from(bytes), "x")).toEqual(checkpoint);
  });

  it("is refused when any of it is missing", () => {
    const bytes = encodeAdaptation(checkpoint);
    for (let length = 0; length < bytes.length; length += 7)
      expect(() => decodeAdaptation(bytes.subarray(0, length), "run/checkpoint.bin")).toThrow(
        /^run\/checkpoint.bin: .*; delete it to start the adaptation anew$/,
      );
    expect(() => decodeAdaptation(new Uint8Array([...bytes, 0, 0, 0, 0]), "x")).toThrow(/announces/);
    expect(() => decodeCheckpoint(bytes, "x")).toThrow(/is not a training checkpoint/);
  });

  it.each([
    ["an array", () => []],
    ["nothing", () => null],
    ["no lengths", (h: object) => ({ ...h, lengths: undefined })],
    ["negative lengths", (h: object) => ({ ...h, lengths: [[-1], [9]] })],
    ["huge lengths", (h: object) => ({ ...h, lengths: [[2 ** 52]] })],
    ["lengths that are text", (h: object) => ({ ...h, lengths: [["1"]] })],
    ["no names", (h: object) => ({ ...h, names: [] })],
    [
      "foreign names",
      (h: { names: unknown[] }) => ({ ...h, names: h.names.map(() => ["constructor", "x"]) }),
    ],
    ["no settings", (h: object) => ({ ...h, settings: 3 })],
    [
      "an unknown strategy",
      (h: { settings: object }) => ({ ...h, settings: { ...h.settings, strategy: "x" } }),
    ],
    ["no progress", (h: object) => ({ ...h, progress: null })],
    [
      "a step before the first",
      (h: { progress: object }) => ({ ...h, progress: { ...h.progress, step: -1 } }),
    ],
    [
      "half a random state",
      (h: { progress: object }) => ({ ...h, progress: { ...h.progress, random: [1, 2] } }),
    ],
    ["no plateau", (h: { progress: object }) => ({ ...h, progress: { ...h.progress, plateau: 1 } })],
    ["a best that is none", (h: { progress: object }) => ({ ...h, progress: { ...h.progress, best: {} } })],
  ])("is refused with %s in its header", (_, change) => {
    const bytes = withHeader(change as (header: Record<string, never>) => unknown);
    expect(() => decodeAdaptation(bytes, "x")).toThrow(/^x: .*delete it/);
  });
});
