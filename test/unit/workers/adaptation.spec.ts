import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import type { Stack } from "../../../src/adaptation/target_patches.js";
import type { Strategy, StrategyInput } from "../../../src/adaptation/types.js";
import { chooseGeometry } from "../../../src/inference/geometry.js";
import { selectBackend } from "../../../src/kernels/backend_node.js";
import { tf } from "../../../src/kernels/tf.js";
import { encodePackage } from "../../../src/model/encode.js";
import { licenceOf } from "../../../src/model/licence.js";
import { readPackage } from "../../../src/model/read.js";
import type { ModelPackage } from "../../../src/model/types.js";
import { ZipArchive } from "../../../src/model/zip.js";
import { buildAttentionUNet } from "../../../src/network/attention_unet.js";
import { Random } from "../../../src/network/random.js";
import { boxSize } from "../../../src/volume/box.js";
import type { Box } from "../../../src/volume/types.js";
import type { AdaptationRequest, AdaptationUpdate } from "../../../workers/adaptation_api.js";
import { adaptedId, packageAdapted } from "../../../workers/adaptation_package.js";
import { AdaptationProgress } from "../../../workers/adaptation_progress.js";
import type { Preview } from "../../../workers/adaptation_scorer.js";
import { type AdaptationHost, adapt } from "../../../workers/adaptation_session.js";
import { tinyContents } from "../../support/tiny_model.js";

const NETWORK = {
  filters: [4, 8],
  normalisation: "none",
  gate: "textbook",
  dropout: "none",
  dropoutRates: [0, 0],
  seed: 1,
} as const;
const BOUNDS: Box = { lower: [0, 0, 0], upper: [128, 96, 4] };
const geometry = chooseGeometry([{ bounds: BOUNDS, voxelSize: [10, 10, 10] }], [10, 10, 10]);
const STACK: Stack = { columns: [0, 128], rows: [0, 96], slices: [0, 4] };

/** Dark discs on a light ground: what the tiny network marks. */
function em({ lower, upper }: Box): Uint8Array {
  const [sx, sy, sz] = boxSize({ lower, upper });
  return Uint8Array.from({ length: sx * sy * sz }, (_, i) => {
    const x = lower[0] + (i % sx);
    const y = lower[1] + (Math.floor(i / sx) % sy);
    return Math.hypot((x % 32) - 16, (y % 32) - 16) < 10 ? 60 : 190;
  });
}

/** The last bias after so many steps: below about -5, nothing is foreground any more. */
const BIASES = [9, 5, 1, -20];

/** Moves the last bias, nothing else: fast, and with an effect that is known. */
function fakeStrategy(extra: Partial<Strategy> = {}): Strategy {
  return {
    id: "self-training",
    title: "Fake training",
    summary: "Moves one bias.",
    needs: ["source-model", "target-images"],
    stages: ["train"],
    defaults: () => ({
      strategy: "self-training",
      seed: 1,
      network: NETWORK,
      patch: 256,
      batch: 1,
      accumulate: 1,
      stages: {
        train: {
          steps: 4,
          learningRate: 1,
          schedule: "constant",
          optimiser: { name: "adam", momentum: 0.9, weightDecay: 0 },
          validateEvery: 0,
          patience: 0,
          scoreEvery: 1,
        },
      },
      options: {},
    }),
    async start(input: StrategyInput) {
      const { model } = buildAttentionUNet(NETWORK);
      model.weights.forEach((weight, i) => {
        const tensor = tf.tensor(input.model!.weights[i], weight.shape as number[]);
        weight.write(tensor);
        tensor.dispose();
      });
      return {
        networks: { segmenter: model },
        random: new Random(1),
        validation: null,
        begin: async () => ({
          optimisers: {},
          async step(step: number) {
            const bias = tf.tensor1d([BIASES[step]]);
            model.weights.find(({ originalName }) => originalName === "logits/bias")!.write(bias);
            bias.dispose();
            return { loss: 1 / (step + 1) };
          },
          dispose() {},
        }),
        async snapshot() {
          const copy = buildAttentionUNet(NETWORK).model;
          copy.setWeights(model.getWeights());
          return copy;
        },
        dispose: () => model.dispose(),
      };
    },
    ...extra,
  };
}

let model: ModelPackage;
let files: ReadonlyMap<string, Uint8Array>;
const request: AdaptationRequest = {
  model: { id: "tiny", url: "", digest: "" },
  strategy: "self-training",
  geometry,
  window: [0, 255],
  eightBit: true,
  stacks: [STACK],
  target: "discs",
  seed: 3,
};

function makeHost(changes: Partial<AdaptationHost> = {}) {
  const updates: AdaptationUpdate[] = [];
  const previews: [string, Preview][] = [];
  const read: Box[] = [];
  const controllers = { stop: new AbortController(), cancel: new AbortController() };
  const host: AdaptationHost = {
    backend: "wasm",
    progress: new AdaptationProgress((update) => updates.push(update)),
    strategy: async () => fakeStrategy(),
    async gather(box) {
      read.push(box);
      return em(box);
    },
    onPreview: (kind, preview) => previews.push([kind, preview]),
    stop: controllers.stop.signal,
    cancel: controllers.cancel.signal,
    ...changes,
  };
  return { host, updates, previews, read, ...controllers };
}

beforeAll(async () => {
  await selectBackend("wasm");
  const contents = await tinyContents();
  const prior = { ...contents.config.prior!, solidity: 0.97 };
  files = await encodePackage("tiny", {
    ...contents,
    license: "MIT",
    config: {
      ...contents.config,
      prior,
      training: { ...contents.config.training, settings: { network: NETWORK } },
    },
  });
  model = await readPackage("tiny", async (file) => files.get(file)!);
});

describe("an adaptation", () => {
  it("keeps the snapshot nearest to the source's prior, tells what it does, and leaves no tensor behind", async () => {
    const before = tf.memory().numTensors;
    const { host, updates, previews, read } = makeHost();
    const adapted = await adapt(model, request, host);
    expect(tf.memory().numTensors).toBe(before);
    expect(read).toEqual([BOUNDS]);
    expect(adapted).toMatchObject({ stopped: "finished", criterion: "solidity", prior: 0.97 });
    expect(adapted.settings).toMatchObject({ seed: 3, patch: 96 });

    const scores = updates.flatMap((update) => update.scores);
    expect(scores.map(({ step }) => step)).toEqual([0, 1, 2, 3, 4]);
    expect(scores[0]).toEqual(adapted.before);
    // The last bias leaves nothing, and a prediction without a region has solidity 0: far from the prior.
    expect(scores[4]).toMatchObject({ regions: 0, solidity: 0, fraction: 0 });
    const nearest = [...scores.slice(1)].sort(
      (a, b) => Math.abs(a.solidity - 0.97) - Math.abs(b.solidity - 0.97),
    )[0];
    expect(adapted.kept).toEqual(nearest);
    expect(adapted.kept.step).toBeLessThan(4);
    expect(adapted.kept.regions).toBeGreaterThan(0);

    expect(updates.flatMap(({ losses }) => losses).map(({ step }) => step)).toEqual([1, 2, 3, 4]);
    expect([...new Set(updates.map(({ phase }) => phase))]).toEqual([
      "starting",
      "reading",
      "scoring",
      "adapting",
    ]);
    expect(updates.at(-1)).toMatchObject({ step: 4, steps: 4, best: adapted.kept.step, remaining: 0 });
    expect(previews.map(([kind]) => kind)).toEqual(["before", "now", "now", "now", "now", "now"]);
    const [, first] = previews[0];
    expect([first.width, first.height]).toEqual([128, 96]);
    expect(first.em).toEqual(em({ lower: [0, 0, 2], upper: [128, 96, 3] }));
    expect(first.probability[16 * 128 + 16]).toBeGreaterThan(128);
  });

  it("becomes a package that reads back, with its past and its source's licence in it", async () => {
    const { host } = makeHost();
    const adapted = await adapt(model, request, host);
    const licence = await licenceOf(async (file) => files.get(file)!);
    const when = new Date("2026-03-04T05:06:07Z");
    const id = adaptedId("adapted-20250101-000000-my.model", when);
    expect(id).toBe("adapted-20260304-050607-my-model");
    const zip = new ZipArchive(await packageAdapted(id, { model, licence, when }, adapted, request));
    const text = new TextDecoder().decode(await zip.read("rdf.yaml"));
    expect(text).toMatch(/^license: MIT$/m);
    const read = await readPackage(id, (file) => zip.read(file));
    expect(read.name).toBe("Tiny test network adapted to discs");
    expect(read.config).toMatchObject({
      strategy: "self-training",
      source: "none",
      target: "discs",
      prior: { solidity: 0.97 },
      selection: { criterion: "solidity", step: adapted.kept.step },
      training: { settings: { adaptedFrom: { id: "tiny", digest: model.digest }, network: NETWORK } },
      scores: [],
    });
    expect(read.description).toMatch(/solidity there 0\.\d{3} before, 0\.\d{3} after/);
    expect(read.topology).toEqual(adapted.snapshot.topology);
  });

  it("stopped mid-way keeps the best so far", async () => {
    const { host, stop, updates } = makeHost({
      strategy: async () =>
        fakeStrategy({
          defaults: (...args) => {
            const settings = fakeStrategy().defaults(...args);
            return { ...settings, stages: { train: { ...settings.stages.train, scoreEvery: 0 } } };
          },
        }),
    });
    host.progress.stepped = (step) => {
      if (step === 2) stop.abort(new DOMException("stopped", "AbortError"));
    };
    const adapted = await adapt(model, request, host);
    expect(adapted.stopped).toBe("interrupted");
    expect(adapted.kept.step).toBe(2);
    expect(updates.flatMap(({ scores }) => scores).map(({ step }) => step)).toEqual([0, 2]);
  });

  it("cancelled gives nothing back, at any time", async () => {
    const before = tf.memory().numTensors;
    const { host, cancel } = makeHost();
    host.progress.stepped = () => cancel.abort(new DOMException("cancelled", "AbortError"));
    await expect(adapt(model, request, host)).rejects.toThrow("cancelled");
    const reading = makeHost({
      async gather(box) {
        reading.cancel.abort(new DOMException("cancelled", "AbortError"));
        return em(box);
      },
    });
    await expect(adapt(model, request, reading.host)).rejects.toThrow("cancelled");
    expect(tf.memory().numTensors).toBe(before);
  });

  it("runs as many steps as asked for, and scores a few times only", async () => {
    const { host, updates } = makeHost({
      strategy: async () =>
        fakeStrategy({
          defaults: (...args) => {
            const settings = fakeStrategy().defaults(...args);
            return { ...settings, stages: { train: { ...settings.stages.train, steps: 1000 } } };
          },
        }),
    });
    BIASES.push(...new Array<number>(22).fill(1));
    await adapt(model, { ...request, steps: 26 }, host);
    BIASES.length = 4;
    expect(updates.at(-1)).toMatchObject({ step: 26, steps: 26 });
    expect(updates.flatMap(({ scores }) => scores)).toHaveLength(1 + 6);
  });

  it.each([
    ["labelled images", { needs: ["source-images"] }, /labelled images of the source.*chondria experiment/],
    ["grey values", { needs: ["source-histogram"] }, /grey values of the source/],
    [
      "what only it knows",
      {
        start: async () => {
          throw new Error("the target is too bright");
        },
      },
      /too bright/,
    ],
  ] as [string, Partial<Strategy>, RegExp][])(
    "fails in words where a strategy misses %s",
    async (_, extra, message) => {
      const { host } = makeHost({ strategy: async () => fakeStrategy(extra) });
      await expect(adapt(model, request, host)).rejects.toThrow(message);
    },
  );

  it("fails on EM of one grey value, and on an error of the GPU", async () => {
    const flat = makeHost({ gather: async (box) => em(box).fill(7) });
    await expect(adapt(model, request, flat.host)).rejects.toThrow(/one grey value/);
    const gpu = makeHost({ failure: () => "validation error" });
    await expect(adapt(model, request, gpu.host)).rejects.toThrow(/step 1: GPU: validation error/);
  });
});

describe("the progress of an adaptation", () => {
  it("is told at most every 200 ms, nothing left out, with the time that remains", () => {
    const updates: AdaptationUpdate[] = [];
    let now = 0;
    const progress = new AdaptationProgress(
      (update) => updates.push(update),
      () => now,
    );
    progress.planned(100, 2);
    progress.enter("adapting");
    for (let step = 1; step <= 50; step++) {
      now += 100;
      progress.stepped(step, { loss: step }, 0.1);
    }
    expect(updates.length).toBeLessThanOrEqual(26);
    expect(updates.at(-1)?.remaining).toBeUndefined();
    progress.enter("scoring");
    now += 3000;
    const point = { step: 50, solidity: 0.9, ara: 0.01, distribution: null, regions: 5, fraction: 0.1 };
    progress.scored(point, 50);
    expect(updates.flatMap(({ losses }) => losses).map(({ step }) => step)).toEqual(
      Array.from({ length: 50 }, (_, i) => i + 1),
    );
    // 50 steps of 0.1 s and one more score of 3 s.
    expect(updates.at(-1)?.remaining).toBeCloseTo(8);
    expect(updates.at(-1)).toMatchObject({ scores: [point], best: 50 });
  });
});

/** The files that a module loads, itself included, following relative imports. */
function reachable(entry: URL, found = new Map<string, string>()): Map<string, string> {
  if (found.has(entry.href)) return found;
  const source = readFileSync(entry, "utf8");
  found.set(entry.href, source);
  for (const [, specifier] of source.matchAll(/(?:from|import)\s*\(?\s*"(\.[^"]+)"/g))
    reachable(new URL(specifier.replace(/\.js$/, ".ts"), entry), found);
  return found;
}

describe("the adaptation worker", () => {
  it("reaches every strategy and no Node module", () => {
    const sources = reachable(new URL("../../../workers/adaptation.ts", import.meta.url));
    expect([...sources.keys()].some((file) => file.endsWith("src/adaptation/engine.ts"))).toBe(true);
    expect([...sources.keys()].some((file) => file.endsWith("src/adaptation/source_only.ts"))).toBe(true);
    for (const [file, source] of sources) {
      expect(file).not.toMatch(/_node\.ts$/);
      expect(source, file).not.toMatch(/from "(node:|fs|path|os|child_process|webgpu)/);
    }
  });
});
