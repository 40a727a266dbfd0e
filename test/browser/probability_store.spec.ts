import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { build } from "esbuild";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { AnalysisRequest, AnalysisResult } from "../../workers/analyse.js";
import { launchBrowser } from "../support/browser.js";
import type { Loaded } from "./store_entry.js";

declare const loaded: Loaded;

const HTML = `<!doctype html><title>store</title><script type="module" src="store.js"></script>`;
let server: Server;
let browser: Browser;
let context: BrowserContext;
let origin: string;

beforeAll(async () => {
  const bundled = await build({
    entryPoints: { store: "test/browser/store_entry.ts", analysis: "workers/analysis.ts" },
    bundle: true,
    format: "esm",
    write: false,
    outdir: "/",
  });
  const scripts = new Map(bundled.outputFiles.map(({ path, text }) => [path, text]));
  server = createServer((request, response) => {
    const script = scripts.get(request.url ?? "");
    response.setHeader("Content-Type", script === undefined ? "text/html" : "text/javascript");
    response.end(script ?? HTML);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  browser = await launchBrowser();
}, 120_000);

afterAll(async () => {
  await browser?.close();
  server?.close();
});

/** Each test has storage of its own; its pages are tabs that share it. */
beforeEach(async () => {
  context = await browser.newContext();
  return () => context.close();
});

async function tab(): Promise<Page> {
  const page = await context.newPage();
  await page.goto(origin);
  await page.waitForFunction(() => "loaded" in globalThis);
  return page;
}

describe("the probability store in Chromium", () => {
  it("keeps chunks in the origin-private file system over a reload", async () => {
    const page = await tab();
    const first = await page.evaluate(async () => {
      const store = new loaded.ProbabilityStore({ patience: 20_000 });
      const { origin } = await store.getOrCompute("a", 1000, async () => new Uint8Array(1000).fill(5));
      await store.flush();
      return { origin, disk: store.stats().disk };
    });
    expect(first).toMatchObject({ origin: "computed", disk: { state: "opfs", written: 1, failures: 0 } });
    await page.reload();
    await page.waitForFunction(() => "loaded" in globalThis);
    const second = await page.evaluate(async () => {
      const store = new loaded.ProbabilityStore({ patience: 20_000 });
      const never = () => Promise.reject(new Error("must not be computed"));
      const { origin, probability } = await store.getOrCompute("a", 1000, never);
      return { origin, sum: probability.reduce((a, b) => a + b, 0), has: await store.has("b") };
    });
    expect(second).toEqual({ origin: "disk", sum: 5000, has: false });
  });

  it("is shared between a page and a worker", async () => {
    const page = await tab();
    const answer = await page.evaluate(async () => {
      const store = new loaded.ProbabilityStore({ patience: 20_000, memoryBytes: 0 });
      store.put("page", new Uint8Array(1000).fill(4));
      await store.flush();
      const worker = new Worker("store.js", { type: "module" });
      // A module worker gets messages that were sent before it ran.
      const answered = new Promise((resolve) => {
        worker.onmessage = ({ data }) => resolve(data);
      });
      worker.postMessage({ find: "page", keep: "worker" });
      const fromWorker = await answered;
      return { fromWorker, found: (await store.get("worker", 1000))?.probability[0] };
    });
    expect(answer).toEqual({ fromWorker: { found: 4, disk: "opfs" }, found: 9 });
  });

  it("survives damaged files, and removes them", async () => {
    const page = await tab();
    const result = await page.evaluate(async () => {
      const store = new loaded.ProbabilityStore({ patience: 20_000, memoryBytes: 0 });
      for (const key of ["torn", "junk", "whole"]) store.put(key, new Uint8Array(1000).fill(7));
      await store.flush();
      const root = await navigator.storage.getDirectory();
      const directory = await root.getDirectoryHandle("chondria-probability-1");
      for (const [key, size] of [
        ["torn", 30],
        ["junk", 0],
      ] as const) {
        const writable = await (await directory.getFileHandle(key)).createWritable({
          keepExistingData: true,
        });
        await writable.truncate(size);
        if (key === "junk") await writable.write(crypto.getRandomValues(new Uint8Array(500)));
        await writable.close();
      }
      const found = [];
      for (const key of ["torn", "junk", "whole"]) found.push((await store.get(key, 1000))?.probability[999]);
      const left: string[] = [];
      for await (const name of directory.keys()) left.push(name);
      return { found, left, damaged: store.stats().disk.damaged };
    });
    expect(result).toEqual({ found: [undefined, undefined, 7], left: ["whole"], damaged: 2 });
  });

  it("is shared by two tabs that write, read and evict at once", async () => {
    const tabs = [await tab(), await tab()];
    const run = (page: Page) =>
      page.evaluate(async () => {
        const store = new loaded.ProbabilityStore({ patience: 20_000, memoryBytes: 0, diskBytes: 200_000 });
        let wrong = 0;
        for (let i = 0; i < 120; ++i) {
          // Noise does not compress: 120 chunks of 4 kB are more than twice what may be kept.
          const key = `k${(i * 7) % 60}`;
          const make = () => {
            let state = (i * 7) % 60;
            return Uint8Array.from({ length: 4000 }, () => {
              state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
              return state >>> 24;
            });
          };
          const { probability } = await store.getOrCompute(key, 4000, async () => make());
          const expected = make();
          if (probability.some((value, at) => value !== expected[at])) ++wrong;
        }
        await store.flush();
        const { disk } = store.stats();
        return { wrong, failures: disk.failures, damaged: disk.damaged, state: disk.state };
      });
    const results = await Promise.all(tabs.map(run));
    const fine = { wrong: 0, failures: 0, damaged: 0, state: "opfs" };
    expect(results).toEqual([fine, fine]);
    const used = await tabs[0].evaluate(async () => {
      const files = await (await loaded.openOpfs("chondria-probability-1")).list();
      return files.reduce((sum, { bytes }) => sum + bytes, 0);
    });
    expect(used).toBeGreaterThan(50_000);
    expect(used).toBeLessThan(400_000);
  });

  it.each(["openOpfs", "openIndexedDb"] as const)("%s replaces, lists and removes", async (open) => {
    const page = await tab();
    const result = await page.evaluate(async (name) => {
      const started = Date.now();
      const backing = await loaded[name]("trial");
      await backing.write("a", Uint8Array.of(1, 2, 3));
      await backing.write("a", Uint8Array.of(4));
      await backing.write("b", new Uint8Array(10));
      await Promise.all([backing.write("c", Uint8Array.of(1)), backing.write("c", Uint8Array.of(1))]);
      const again = await loaded[name]("trial");
      const a = await again.read("a");
      const listed = (await again.list()).map((file) => [file.name, file.bytes]).sort();
      const times = (await again.list()).every(
        ({ time }) => time >= started - 1000 && time <= Date.now() + 1000,
      );
      await Promise.all(["a", "none"].map((file) => backing.remove(file)));
      // In use: whether it is removed is open, but it is no error.
      await Promise.all([backing.write("c", Uint8Array.of(2)), backing.remove("c"), again.remove("c")]);
      const has = await Promise.all(["a", "b", "none"].map((file) => again.has(file)));
      return { a: [...a!.bytes], listed, times, has, gone: await again.read("a") };
    }, open);
    const listed = [
      ["a", 1],
      ["b", 10],
      ["c", 1],
    ];
    expect(result).toEqual({ a: [4], listed, times: true, has: [false, true, false], gone: undefined });
  });

  it("takes IndexedDB where the file system is denied, and memory where that is missing too", async () => {
    const page = await tab();
    const states = await page.evaluate(async () => {
      const seen: unknown[] = [];
      const onState = (state: unknown) => seen.push(state);
      navigator.storage.getDirectory = () => Promise.reject(new DOMException("denied", "SecurityError"));
      const first = new loaded.ProbabilityStore({ patience: 20_000, memoryBytes: 0, onState });
      first.put("a", new Uint8Array(10));
      await first.flush();
      const origin = (await first.get("a", 10))?.origin;
      indexedDB.open = () => {
        throw new DOMException("also denied", "SecurityError");
      };
      const second = new loaded.ProbabilityStore({ onState });
      second.put("a", new Uint8Array(10));
      await second.flush();
      return [origin, ...seen, (await second.get("a", 10))?.origin];
    });
    const reason = "results are not kept on disk: denied; also denied";
    expect(states).toEqual(["disk", { state: "indexeddb" }, { state: "off", reason }, "memory"]);
  });
});

describe("the analysis worker in Chromium", () => {
  it("answers a port with transferred labels, and nothing but its methods", async () => {
    const page = await tab();
    const result = await page.evaluate(async () => {
      const worker = new Worker("analysis.js", { type: "module" });
      const { port1, port2 } = new MessageChannel();
      const ask = (target: Worker | MessagePort, message: object, transfer: Transferable[] = []) =>
        new Promise<Record<string, never>>((resolve) => {
          const id = crypto.randomUUID();
          target.addEventListener("message", (event) => {
            const { data } = event as MessageEvent;
            if (data.id === id) resolve(data);
          });
          target.postMessage({ id, ...message }, transfer);
        });
      await ask(worker, { type: "APPLY", path: ["addPort"], argumentList: [{ type: "RAW", value: port2 }] }, [
        port2,
      ]);
      port1.start();
      const request: AnalysisRequest = {
        probability: new Uint8Array(64 * 64 * 2).fill(200, 0, 64 * 64),
        size: [64, 64, 2],
        sliceAxis: 2,
        settings: { threshold: 0.5, minimumVoxels: 0, connectivity: 26 },
      };
      const values = ["chunk", request].map((value) => ({ type: "RAW", value }));
      const labelled = await ask(port1, { type: "APPLY", path: ["label"], argumentList: values });
      const { runs, measures, summary } = labelled.value as AnalysisResult;
      const path = ["label", "constructor"];
      const hostile = await ask(port1, { type: "APPLY", path, argumentList: [] });
      worker.terminate();
      return {
        runs: [runs.starts.length, runs.labels[0], runs.rows[64], runs.count],
        voxels: measures.values[0],
        summary,
        hostile: hostile.name,
      };
    });
    expect(result).toMatchObject({
      runs: [64, 1, 64, 1],
      voxels: 4096,
      summary: { objects: 1, regions: 1, fraction: 0.5, solidity: 1, area: 4096 },
      hostile: "throw",
    });
  });
});
