import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { basename, dirname, join } from "node:path";
import type * as Comlink from "comlink";
import { build } from "esbuild";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { selectBackend } from "../../src/kernels/backend_node.js";
import { NORMALISED_NETWORK } from "../../src/network/attention_unet.js";
import { type TrainingJob, TrainingSession } from "../../src/training/session.js";
import { PRESETS } from "../../src/training/settings.js";
import type { TrainingApi } from "../../workers/training.js";
import { launchBrowser, openPage } from "../support/browser.js";

/** What the page under test offers; see ENTRY. */
declare const training: { api: Comlink.Remote<TrainingApi> };
const ENTRY = `
  import * as Comlink from "comlink";
  globalThis.training = { api: Comlink.wrap(new Worker("training.js", { type: "module" })) };
`;
const HTML = '<!doctype html><title>training</title><script type="module" src="page.js"></script>';
const wasm = dirname(createRequire(import.meta.url).resolve("@tensorflow/tfjs-backend-wasm"));
let server: Server;
let browser: Browser;

beforeAll(async () => {
  const common = { bundle: true, format: "esm", write: false } as const;
  const [worker, page] = await Promise.all([
    build({
      ...common,
      entryPoints: ["workers/training.ts"],
      conditions: ["module"],
      mainFields: ["module", "main"],
    }),
    build({ ...common, stdin: { contents: ENTRY, resolveDir: process.cwd() } }),
  ]);
  const scripts = new Map([
    ["/training.js", worker.outputFiles[0].text],
    ["/page.js", page.outputFiles[0].text],
  ]);
  server = createServer(async (request, response) => {
    const url = request.url ?? "/";
    if (url.endsWith(".wasm")) {
      response.setHeader("Content-Type", "application/wasm");
      response.end(await readFile(join(wasm, basename(url))));
      return;
    }
    const script = scripts.get(url);
    response.setHeader("Content-Type", script === undefined ? "text/html" : "text/javascript");
    response.end(script ?? HTML);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  browser = await launchBrowser();
}, 120_000);

afterAll(async () => {
  await browser?.close();
  server?.close();
});

const image = (at: (x: number, y: number) => number) =>
  Uint8Array.from({ length: 1024 }, (_, i) => at(i % 32, Math.floor(i / 32)));
const slices = {
  width: 32,
  height: 32,
  em: [image((x, y) => (Math.hypot(x - 16, y - 12) < 8 ? 70 : 190) + ((x * 7 + y * 13) % 17))],
  labels: [image((x, y) => (Math.hypot(x - 16, y - 12) < 8 ? 255 : 0))],
};
const job: TrainingJob = {
  train: slices,
  validation: slices,
  settings: {
    ...PRESETS.small,
    network: { ...NORMALISED_NETWORK, filters: [4, 8], dropoutRates: [0, 0.2] },
    steps: 10,
    validateEvery: 5,
    batch: 2,
    patch: 16,
    warmup: 0,
    learningRate: 1e-2,
  },
};

it("a browser worker trains as Node does, and stops when told", { timeout: 120_000 }, async () => {
  const { page, log } = await openPage(browser);
  await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  await page.waitForFunction(() => "training" in globalThis);
  const result = await page.evaluate(
    async (serialised) => {
      const parsed = JSON.parse(serialised);
      const bytes = ({ em, labels, ...rest }: { em: number[][]; labels: number[][] }) => ({
        ...rest,
        em: em.map((values) => Uint8Array.from(values)),
        labels: labels.map((values) => Uint8Array.from(values)),
      });
      const received = { ...parsed, train: bytes(parsed.train), validation: bytes(parsed.validation) };
      const options = { preference: "wasm", wasmPath: new URL("wasm/", location.href).href } as const;
      const outcome = await training.api.start(received, options);
      const status = await training.api.status();
      const endless = training.api.start(
        { ...received, settings: { ...received.settings, steps: 100_000 } },
        options,
      );
      while (((await training.api.status()).step?.step ?? 0) < 2 || !(await training.api.status()).running);
      await training.api.stop();
      return {
        engine: outcome.engine,
        best: outcome.progress.best,
        weights: outcome.weights.map((array) => [...array]),
        loss: status.step?.loss,
        stopped: (await endless).stopped,
      };
    },
    JSON.stringify(job, (_, value) => (value instanceof Uint8Array ? [...value] : value)),
  );
  expect(log.errors).toEqual([]);
  expect(result.engine).toMatch(/WebAssembly/);
  expect(result.stopped).toBe("interrupted");

  await selectBackend("wasm");
  const session = new TrainingSession();
  const expected = await session.start(job);
  expect(result.loss).toBeCloseTo(session.status().step!.loss, 5);
  expect(result.best!.step).toBe(expected.progress.best!.step);
  // One instruction set, one order of sums: the weights agree but for the last bits of exp and log in JavaScript engines.
  expected.weights.forEach((array, i) => {
    array.forEach((value, k) => {
      expect(Math.abs(value - result.weights[i][k])).toBeLessThan(1e-4);
    });
  });
});
