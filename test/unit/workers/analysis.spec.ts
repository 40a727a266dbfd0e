import * as Comlink from "comlink";
import { afterEach, describe, expect, it } from "vitest";
import { measurePieces } from "../../../src/morphology/additive.js";
import { measureObject } from "../../../src/morphology/object_properties.js";
import { summarise } from "../../../src/morphology/summary.js";
import { labelMask } from "../../../src/segmentation/label.js";
import { paintRuns } from "../../../src/segmentation/label_runs.js";
import type { LabelRuns } from "../../../src/segmentation/types.js";
import type { Vec3 } from "../../../src/volume/types.js";
import {
  type AnalysisApi,
  type AnalysisRequest,
  type AnalysisResult,
  analyse,
  createAnalysis,
} from "../../../workers/analyse.js";
import { exposeApi } from "../../../workers/expose.js";

const SIZE: Vec3 = [32, 24, 4];
const settings = { threshold: 0.5, minimumVoxels: 0, connectivity: 26 } as const;

function request(threshold = 0.5): AnalysisRequest {
  const probability = Uint8Array.from({ length: 32 * 24 * 4 }, (_, i) => 127 + 100 * Math.sin(i / 5));
  return { probability, size: SIZE, sliceAxis: 2, settings: { ...settings, threshold } };
}

function painted(runs: LabelRuns): Uint32Array {
  const labels = new Uint32Array(runs.size[0] * runs.size[1] * runs.size[2]);
  paintRuns(runs, labels);
  return labels;
}

describe("analyse", () => {
  it("labels, measures and summarises a chunk", () => {
    const { probability } = request();
    const labelling = labelMask(
      probability.map((value) => (value >= 128 ? 1 : 0)),
      SIZE,
    );
    const em = probability.map((value) => value >> 1);
    const result = analyse({ ...request(), em });
    expect(painted(result.runs)).toEqual(labelling.labels);
    expect(result.runs.count).toBe(labelling.count);
    expect(result.measures).toEqual(measurePieces(result.runs, { data: em }));
    expect(analyse(request()).measures).toEqual(measurePieces(result.runs));
    expect(result.summary).toMatchObject(summarise(labelling, { sliceAxis: 2 }));
    expect(result.summary.regions).toBeGreaterThan(0);
    expect(result.milliseconds).toBeGreaterThan(0);
  });

  it("keeps pieces of any size, and counts the small ones only where a neighbour may add to them", () => {
    // Two voxels in the middle, two at the left face, twelve at the right one.
    const mask = new Uint8Array(8 * 4);
    for (const i of [3, 4, 16, 17, 14, 15, 22, 23, 30, 31]) mask[i] = 255;
    const small = { ...settings, connectivity: 6, minimumVoxels: 3 } as const;
    const chunk = { probability: mask, size: [8, 4, 1] as const, sliceAxis: 2, settings: small } as const;
    const { runs, summary } = analyse(chunk);
    expect(runs.count).toBe(3);
    expect(painted(runs)).toEqual(labelMask(mask, [8, 4, 1], 6).labels);
    expect(summary.objects).toBe(1);
    expect(summary.fraction).toBe(6 / 32);
    const open = [true, false, false, false, false, false] as const;
    expect(analyse({ ...chunk, open }).summary).toMatchObject({ objects: 2, fraction: 8 / 32 });
    expect(analyse({ ...chunk, open: [false, false, false, true, false, false] }).summary.objects).toBe(1);
  });

  it("rejects what does not fit together", () => {
    expect(() => analyse({ ...request(), size: [1, 2, 3] })).toThrow("do not make a box of 1 x 2 x 3");
    expect(() => analyse({ ...request(), sliceAxis: 3 as 2 })).toThrow("axis 0, 1 or 2");
    expect(() => analyse({ ...request(), probability: [] as unknown as Uint8Array })).toThrow(TypeError);
  });
});

describe("createAnalysis", () => {
  it("drops a call when a newer one with its id, or a cancel, has come", async () => {
    const delivered: number[] = [];
    const api = createAnalysis((result) => {
      delivered.push((result as AnalysisResult).runs.count);
      return result;
    });
    const older = api.label("a", request(0.2));
    const newer = api.label("a", request(0.8));
    const other = api.label("b", request(0.8));
    const cancelled = api.label("c", request(0.8));
    api.cancel("c");
    await expect(older).rejects.toMatchObject({ name: "AbortError" });
    await expect(cancelled).rejects.toMatchObject({ name: "AbortError" });
    const { count } = analyse(request(0.8)).runs;
    expect([(await newer).runs.count, (await other).runs.count]).toEqual([count, count]);
    expect(delivered).toEqual([count, count]);
  });

  it("measures and meshes an object, unless it was cancelled before", async () => {
    const api = createAnalysis((result) => result);
    const { runs } = analyse(request());
    const pieces = [{ lower: [10, 20, 30] as const, runs, labels: [1] }];
    const frame = { voxelSize: [8, 8, 30] as const, sliceAxis: 2 as const };
    const cancelled = api.measure("c", { pieces, frame });
    api.cancel("c");
    await expect(cancelled).rejects.toMatchObject({ name: "AbortError" });
    expect(await api.measure("a", { pieces, frame })).toEqual(measureObject(pieces, frame));
    const { positions, indices } = await api.mesh("b", { pieces, voxelSize: frame.voxelSize });
    expect(indices.length).toBeGreaterThan(0);
    expect(Math.min(...positions.filter((_, i) => i % 3 === 2))).toBeGreaterThan(29);
  });
});

describe("exposeApi", () => {
  const open: MessagePort[] = [];
  afterEach(() => {
    for (const port of open.splice(0)) port.close();
  });

  function connect(api: Parameters<typeof exposeApi>[0]): MessagePort {
    const { port1, port2 } = new MessageChannel();
    open.push(port1, port2);
    exposeApi(api, port1);
    return port2;
  }

  it("speaks Comlink: results, transfers, errors with their name", async () => {
    const results: Uint32Array[] = [];
    const served = createAnalysis((result, transfer) => {
      results.push((result as AnalysisResult).runs.labels);
      return Comlink.transfer(result, transfer as ArrayBuffer[]);
    });
    const api = Comlink.wrap<AnalysisApi>(connect({ ...served }));
    const older = api.label("a", request(0.2)).catch((error: Error) => error.name);
    const newer = await api.label("a", request(0.8));
    expect(await older).toBe("AbortError");
    expect(newer.runs).toEqual(analyse(request(0.8)).runs);
    expect(results.map(({ length }) => length)).toEqual([0]);
    await expect(api.label("b", { ...request(), size: [1, 1, 1] })).rejects.toThrow("box of 1 x 1 x 1");
    api[Comlink.releaseProxy]();
  });

  it.each([
    ["a path to Function", { type: "APPLY", path: ["hello", "constructor"], argumentList: [] }],
    ["the prototype", { type: "GET", path: ["__proto__"] }],
    ["the constructor", { type: "APPLY", path: ["constructor"], argumentList: [] }],
    ["an inherited name", { type: "APPLY", path: ["toString"], argumentList: [] }],
    ["reading a method", { type: "GET", path: ["hello"] }],
    ["setting", { type: "SET", path: ["hello"], value: { type: "RAW", value: 1 } }],
    ["constructing", { type: "CONSTRUCT", path: ["hello"], argumentList: [] }],
    ["a new endpoint", { type: "ENDPOINT" }],
    ["a path that is no list", { type: "APPLY", path: "hello", argumentList: [] }],
    ["arguments that are no list", { type: "APPLY", path: ["hello"], argumentList: 1 }],
    ["a type that is unknown", { type: "EVAL", path: ["hello"], argumentList: [] }],
  ])("refuses %s and stays alive", async (_what, message) => {
    const port = connect({ hello: () => "hello" });
    const ask = (data: object) =>
      new Promise<{ name?: string; type: string; value: { isError?: boolean; value?: { message: string } } }>(
        (resolve) => {
          port.onmessage = (event) => resolve(event.data);
          port.postMessage({ id: "1", ...data });
        },
      );
    const answer = await ask(message);
    expect(answer).toMatchObject({ name: "throw", value: { isError: true } });
    expect(answer.value.value!.message).toBe("the worker only answers calls of hello");
    port.postMessage(null);
    port.postMessage({ type: "APPLY", path: ["hello"], argumentList: [] });
    expect(await ask({ type: "APPLY", path: ["hello"], argumentList: [] })).toMatchObject({ value: "hello" });
  });
});
