import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { gatherBox } from "../../src/inference/plan.js";
import { createPredictor } from "../../src/inference/predictor.js";
import type { InferenceGeometry, Predictor } from "../../src/inference/types.js";
import { selectBackend } from "../../src/kernels/backend_node.js";
import type { RunningServer } from "../../src/server/static_server.js";
import { boxVolume } from "../../src/volume/box.js";
import type { Box, Vec3 } from "../../src/volume/types.js";
import { blobs } from "../support/blobs.js";
import { launchBrowser, waitInPage } from "../support/browser.js";
import { makePrecomputed } from "../support/make_precomputed.js";
import { arrayVolume, makeZarr } from "../support/make_zarr.js";
import { startApp } from "../support/server.js";
import { writeTinyModel } from "../support/tiny_model.js";
import { allArrive, counters, exposeMito, openViewer, probabilityChunk, viewerUrl } from "./viewer_page.js";

const SIZE: Vec3 = [700, 600, 40];
const CHUNK: Vec3 = [128, 128, 8];
const QUERY = `model=tiny&chunk=${CHUNK.join()}`;
const BOUNDS: Box = { lower: [0, 0, 0], upper: SIZE };
const GEOMETRY: InferenceGeometry = {
  scale: 0,
  sliceAxis: 2,
  planeAxes: [0, 1],
  ratio: [1, 1],
  bounds: BOUNDS,
};

/** The chunk's voxels as the command line would compute them: the same inference code in Node. */
async function inNode(predictor: Predictor, volume: ReturnType<typeof arrayVolume>, core: Box) {
  const gather = gatherBox(GEOMETRY, predictor.field, core);
  const em = (await volume.read(0, gather)) as Uint8Array;
  const { probability } = await predictor.predict({
    em,
    gather,
    core,
    geometry: GEOMETRY,
    window: [0, 255],
    tta: "none",
  });
  return probability;
}

function chunkBox(grid: readonly number[]): Box {
  const lower = grid.map((g, i) => g * CHUNK[i]) as unknown as Vec3;
  return { lower, upper: lower.map((l, i) => Math.min(l + CHUNK[i], SIZE[i])) as unknown as Vec3 };
}

describe("mito data source in Chromium", () => {
  let folder: string;
  let app: RunningServer;
  let browser: Browser;
  let em: string;
  let predictor: Predictor;
  const volume = arrayVolume(blobs(SIZE), SIZE, [10, 10, 10]);
  const pages: Page[] = [];

  const open = async (search: string, state: Partial<Parameters<typeof viewerUrl>[2]> = {}) => {
    const url = search.startsWith("?") ? viewerUrl(app.url, search, { em, query: QUERY, ...state }) : search;
    const page = await openViewer(browser, url);
    pages.push(page);
    return page;
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "chondria-viewer-data-"));
    await makeZarr(join(folder, "data", "em.ome.zarr"), {
      data: blobs(SIZE),
      size: SIZE,
      voxelSize: [10, 10, 10],
      chunkSize: [64, 64, 16],
    });
    await selectBackend("wasm");
    const model = await writeTinyModel(join(folder, "models", "tiny"));
    predictor = await createPredictor(model, "wasm");
    app = await startApp({ data: join(folder, "data"), models: join(folder, "models") });
    em = `${app.url}data/em.ome.zarr/|zarr:`;
    browser = await launchBrowser();
  }, 300_000);

  afterEach(async () => {
    // Contexts, so that nothing stored on disk reaches the next test.
    for (const page of pages.splice(0)) await page.context().close();
  });

  afterAll(async () => {
    predictor?.dispose();
    await browser?.close();
    await app?.close();
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  it("predicts what is in view, and gives the bytes that Node gives", async () => {
    const page = await open("?backend=wasm&workers=2");
    const counts = await allArrive(page);
    expect(counts).toMatchObject({ failed: 0 });
    const { chunksComputed, forwardPasses } = await counters(page);
    expect(chunksComputed).toBe(counts.wanted);
    expect(forwardPasses).toBe(CHUNK[2] * counts.wanted);
    const reports = await page.evaluate(() => {
      const { mito, chondria } = globalThis as unknown as {
        mito: { results: { inView(): { summary: { objects: number }; backend: string }[] } };
        chondria: { status(): { backend: string; workers: number } };
      };
      return { inView: mito.results.inView(), status: chondria.status() };
    });
    expect(reports.status).toMatchObject({ state: "ready", backend: "wasm", workers: 2 });
    expect(reports.inView.length).toBe(counts.wanted);
    expect(reports.inView.every(({ backend }) => backend === "wasm")).toBe(true);
    expect(reports.inView.reduce((sum, { summary }) => sum + summary.objects, 0)).toBeGreaterThan(20);

    // Corners of the volume (reflection, clipped chunks), and some others, never in view of that page.
    const grids = [
      [0, 0, 0],
      [5, 4, 4],
      [5, 0, 1],
      [2, 3, 0],
      [3, 1, 3],
    ] as const;
    for (const grid of grids) {
      const box = chunkBox(grid);
      const got = await probabilityChunk(page, grid);
      const wanted = await inNode(predictor, volume, box);
      expect(got.length).toBe(boxVolume(box));
      expect(Buffer.compare(got, wanted)).toBe(0);
      expect(new Set(wanted).size).toBeGreaterThan(10);
    }
  }, 240_000);

  it("costs no forward pass to come back, nor after a reload", async () => {
    const page = await open("?backend=wasm", { position: [200, 200, 4] });
    await allArrive(page);
    const move = (x: number, y: number, z: number) =>
      page.evaluate(
        (position) => {
          const { viewer } = globalThis as unknown as {
            viewer: { position: { value: Float32Array } };
          };
          viewer.position.value = Float32Array.from(position);
        },
        [x, y, z],
      );
    const before = await counters(page);
    await move(200, 200, 30);
    await waitInPage(page, "the other slices are asked for", () => {
      const { mito } = globalThis as unknown as { mito: { results: { inView(): { key: string }[] } } };
      return mito.results.inView().some(({ key }) => key.endsWith(",3"));
    });
    await allArrive(page);
    const away = await counters(page);
    expect(away.chunksComputed).toBeGreaterThan(before.chunksComputed);
    await move(200, 200, 4);
    await page.waitForTimeout(1000);
    await allArrive(page);
    expect((await counters(page)).forwardPasses).toBe(away.forwardPasses);

    await page.waitForTimeout(1500);
    await page.reload();
    const counts = await allArrive(page);
    const after = await counters(page);
    expect(after.forwardPasses).toBe(0);
    expect(after.diskHits).toBe(counts.wanted);
  }, 240_000);

  it("relabels what is in view within 200 ms, without a forward pass, and never blanks it", async () => {
    // Chunks as large as they are by default.
    const page = await open("?backend=wasm", { query: "model=tiny" });
    const { wanted } = await allArrive(page);
    const before = await counters(page);
    const { times, missing } = await page.evaluate(async () => {
      const { mito } = globalThis as unknown as {
        mito: {
          settings: { value: object };
          sources: Set<{ chunks: Map<string, object> }>;
          results: { inView(): { key: string }[] };
        };
      };
      const [source] = mito.sources;
      const keys = mito.results.inView().map(({ key }) => key);
      const times: number[] = [];
      let missing = 0;
      for (const threshold of [0.3, 0.7, 0.4, 0.6, 0.35, 0.55, 0.45, 0.65, 0.32, 0.58]) {
        const old = keys.map((key) => source.chunks.get(key));
        const start = performance.now();
        mito.settings.value = { threshold, minimumVoxels: 50, connectivity: 26 };
        while (keys.some((key, i) => source.chunks.get(key) === old[i])) {
          missing += keys.filter((key) => !source.chunks.has(key)).length;
          if (performance.now() - start > 20_000) throw new Error("not relabelled after 20 s");
          await new Promise((resolve) => setTimeout(resolve, 2));
        }
        times.push(performance.now() - start);
        await new Promise((resolve) => setTimeout(resolve, 300));
      }
      return { times, missing };
    });
    const after = await counters(page);
    expect(after.forwardPasses).toBe(before.forwardPasses);
    expect(after.relabelled).toBeGreaterThanOrEqual(10 * wanted);
    expect(missing).toBe(0);
    // The best of ten: what other programs on this computer do is not what is measured.
    expect(Math.min(...times)).toBeLessThan(200);
  }, 240_000);

  it("computes nothing when zoomed out, and shows what was computed", async () => {
    const page = await open("?backend=wasm", { zoom: 4 });
    await exposeMito(page);
    await page.waitForTimeout(5000);
    expect((await counters(page)).chunksComputed).toBe(0);
    const zoom = (value: number) =>
      page.evaluate((scale) => {
        const { viewer } = globalThis as unknown as { viewer: { crossSectionScale: { value: number } } };
        viewer.crossSectionScale.value = scale;
      }, value);
    await zoom(1);
    await allArrive(page);
    const { chunksComputed } = await counters(page);
    await zoom(4);
    const shown = await waitInPage(page, "an overview shows segments", () => {
      const { viewer } = globalThis as unknown as {
        viewer: {
          chunkManager: {
            rpc: {
              objects: Map<
                number,
                { parameters?: { level?: number }; chunks?: Map<string, { data?: Uint32Array | null }> }
              >;
            };
          };
        };
      };
      let drawn = 0;
      for (const { parameters, chunks } of viewer.chunkManager.rpc.objects.values()) {
        if (parameters?.level === undefined) continue;
        for (const { data } of chunks?.values() ?? []) if (data) drawn++;
      }
      return drawn;
    });
    expect(shown).toBeGreaterThan(0);
    await page.waitForTimeout(2000);
    expect((await counters(page)).chunksComputed).toBe(chunksComputed);
  }, 240_000);

  it("goes on when an inference worker dies in the middle", async () => {
    const page = await open("?backend=wasm&workers=2&debug=1&silence=4000");
    await exposeMito(page);
    await waitInPage(page, "the first chunk is there", () => {
      const { mito } = globalThis as unknown as { mito: { results: { size: number } } };
      return mito.results.size > 0;
    });
    await page.evaluate(() => {
      const { chondria } = globalThis as unknown as {
        chondria: { workers(): number[]; killWorker(id: number): void };
      };
      for (const id of chondria.workers()) chondria.killWorker(id);
    });
    const counts = await allArrive(page);
    expect(counts.failed).toBe(0);
    const status = await page.evaluate(() =>
      (
        globalThis as unknown as { chondria: { status(): { restarts: number; workers: number } } }
      ).chondria.status(),
    );
    // Of the two, one at least must have been missed: the work could not have been done otherwise.
    expect(status.restarts).toBeGreaterThanOrEqual(1);
  }, 240_000);

  it("names an EM chunk that cannot be read, goes on with the rest, and tries it again", async () => {
    const page = await open("about:blank");
    let broken = true;
    await page
      .context()
      .route("**/em.ome.zarr/0/0/0/0", (route) =>
        broken ? route.fulfill({ status: 500, body: "disk on fire" }) : route.continue(),
      );
    await page.goto(viewerUrl(app.url, "?backend=wasm", { em, query: QUERY, position: [100, 100, 4] }));
    await exposeMito(page);
    const seen = await waitInPage(
      page,
      "the failure is reported and the rest is there",
      () => {
        const { mito } = globalThis as unknown as {
          mito: {
            results: {
              counts(): { wanted: number; finished: number; failed: number };
              inView(): { key: string; error?: string }[];
            };
          };
        };
        const { wanted, finished, failed } = mito.results.counts();
        if (failed === 0 || finished + failed < wanted) return undefined;
        return { finished, errors: mito.results.inView().filter(({ error }) => error !== undefined) };
      },
      120_000,
    );
    expect(seen.finished).toBeGreaterThan(0);
    // Only the chunk at the origin needs that corner.
    expect(seen.errors.map(({ key }) => key)).toEqual(["0,0,0"]);
    expect(seen.errors[0].error).toMatch(/em\.ome\.zarr.*EM chunk 0,0,0 cannot be read: .*500/);
    broken = false;
    const counts = await allArrive(page);
    expect(counts.failed).toBe(0);
  }, 240_000);

  it("reads one channel of a 16-bit precomputed volume that does not begin at 0", async () => {
    const size: Vec3 = [200, 150, 20];
    const deep = blobs(size, "uint16") as Uint16Array;
    await makePrecomputed(join(folder, "data", "two"), {
      size,
      voxelSize: [10, 10, 10],
      channels: 2,
      type: "uint16",
      offset: [1000, 2000, 300],
      value: (x, y, z, channel) => (channel === 1 ? deep[x + size[0] * (y + size[1] * z)] : 65535),
    });
    const page = await open("?backend=wasm", {
      em: `${app.url}data/two/|neuroglancer-precomputed:`,
      query: "model=tiny&chunk=128,128,8&channel=1&window=5000,45000",
    });
    const counts = await allArrive(page);
    expect(counts.failed).toBe(0);
    const box = await page.evaluate(() => {
      const { mito } = globalThis as unknown as {
        mito: { results: { get(key: string): object }; modelNames: string[] };
      };
      return { names: mito.modelNames, report: mito.results.get("0,0,1") };
    });
    expect(box).toMatchObject({
      names: ["x", "y", "z"],
      report: {
        box: { lower: [0, 0, 8], upper: [128, 128, 16] },
        modelLower: [1000, 2000, 308],
        modelUpper: [1128, 2128, 316],
      },
    });
    const core: Box = { lower: [128, 0, 8], upper: [200, 128, 16] };
    const geometry = { ...GEOMETRY, bounds: { lower: [0, 0, 0], upper: size } as Box };
    const gather = gatherBox(geometry, predictor.field, core);
    const source = arrayVolume(deep, size, [10, 10, 10]);
    const { probability } = await predictor.predict({
      em: (await source.read(0, gather)) as Uint16Array,
      gather,
      core,
      geometry,
      window: [5000, 45000],
      tta: "none",
    });
    expect(Buffer.compare(await probabilityChunk(page, [1, 0, 1]), probability)).toBe(0);
    expect(new Set(probability).size).toBeGreaterThan(10);
  }, 240_000);

  it("says what is wrong with a model or a parameter", async () => {
    await makePrecomputed(join(folder, "data", "float"), {
      size: [64, 64, 16],
      voxelSize: [10, 10, 10],
      type: "float32",
      value: () => 0.5,
    });
    const messageOf = async (query: string, source = em) => {
      const page = await open("?backend=wasm", { query, em: source });
      return waitInPage(page, "the layer has an error message", () => {
        const { viewer } = globalThis as unknown as {
          viewer?: {
            layerManager: {
              managedLayers: {
                layer: {
                  dataSources: { messages: Iterable<{ severity: number; message: string }> }[];
                } | null;
              }[];
            };
          };
        };
        const layer = viewer?.layerManager.managedLayers[0]?.layer;
        const messages = (layer?.dataSources ?? []).flatMap(({ messages }) => [...messages]);
        return messages.find(({ severity }) => severity === 2)?.message;
      });
    };
    expect(await messageOf("model=nowhere")).toMatch(/model nowhere: there is no model “nowhere” here/);
    const float = `${app.url}data/float/|neuroglancer-precomputed:`;
    expect(await messageOf("model=tiny", float)).toMatch(/data\/float.*float32 voxels.*uint8 or uint16/);
    expect(await messageOf("model=tiny&threshold=0.5")).toMatch(/unknown parameter "threshold"/);
  }, 120_000);
});
