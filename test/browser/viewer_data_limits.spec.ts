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
import type { Box, Vec3 } from "../../src/volume/types.js";
import { blobs } from "../support/blobs.js";
import { launchBrowser, waitInPage } from "../support/browser.js";
import { arrayVolume, makeZarr } from "../support/make_zarr.js";
import { startApp } from "../support/server.js";
import { writeTinyModel } from "../support/tiny_model.js";
import { allArrive, counters, exposeMito, openViewer, probabilityChunk, viewerUrl } from "./viewer_page.js";

const SIZE: Vec3 = [500, 400, 24];
const GEOMETRY: InferenceGeometry = {
  scale: 0,
  sliceAxis: 2,
  planeAxes: [0, 1],
  ratio: [1, 1],
  bounds: { lower: [0, 0, 0], upper: SIZE },
};

describe("mito data source on a software GPU, and over many moves", () => {
  let folder: string;
  let app: RunningServer;
  let browser: Browser;
  let em: string;
  let predictor: Predictor;
  const volume = arrayVolume(blobs(SIZE), SIZE, [10, 10, 10]);
  const pages: Page[] = [];

  const open = async (search: string, state: Omit<Parameters<typeof viewerUrl>[2], "em">) => {
    const page = await openViewer(browser, viewerUrl(app.url, search, { em, ...state }));
    pages.push(page);
    return page;
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "chondria-viewer-limits-"));
    await makeZarr(join(folder, "data", "em.ome.zarr"), {
      data: blobs(SIZE),
      size: SIZE,
      voxelSize: [10, 10, 10],
      chunkSize: [64, 64, 8],
    });
    await selectBackend("wasm");
    predictor = await createPredictor(await writeTinyModel(join(folder, "models", "tiny")), "wasm");
    app = await startApp({ data: join(folder, "data"), models: join(folder, "models") });
    em = `${app.url}data/em.ome.zarr/|zarr:`;
    browser = await launchBrowser({ webgpu: true });
  }, 300_000);

  afterEach(async () => {
    for (const page of pages.splice(0)) await page.context().close();
  });

  afterAll(async () => {
    predictor?.dispose();
    await browser?.close();
    await app?.close();
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  // Small windows: a forward pass takes a second or so on a software GPU.
  const small = { query: "model=tiny&chunk=64,64,2", zoom: 0.15, position: [160, 130, 5] as const };

  it("gives on WebGPU what it gives on WASM, to a grey level", async () => {
    const page = await open("?backend=webgpu", small);
    await allArrive(page, 200_000);
    const status = await page.evaluate(() =>
      (globalThis as unknown as { chondria: { status(): object } }).chondria.status(),
    );
    expect(status).toMatchObject({ state: "ready", backend: "webgpu", workers: 1, restarts: 0 });
    const grid = [2, 2, 2] as const;
    const lower = [128, 128, 4] as const;
    const core: Box = { lower, upper: [192, 192, 6] };
    const gather = gatherBox(GEOMETRY, predictor.field, core);
    const { probability } = await predictor.predict({
      em: (await volume.read(0, gather)) as Uint8Array,
      gather,
      core,
      geometry: GEOMETRY,
      window: [0, 255],
      tta: "none",
    });
    const got = await probabilityChunk(page, grid);
    expect(got.length).toBe(probability.length);
    const largest = got.reduce((most, value, i) => Math.max(most, Math.abs(value - probability[i])), 0);
    // Probabilities within 1e-3 round to values one apart at most.
    expect(largest).toBeLessThanOrEqual(1);
    // And a difference of d moves about 255 d of all voxels over a rounding edge: a quarter of them at 1e-3.
    const differing = got.filter((value, i) => value !== probability[i]).length;
    expect(differing / got.length).toBeLessThan(0.1);
    expect(new Set(probability).size).toBeGreaterThan(10);
  }, 300_000);

  it("computes on when the GPU device is destroyed", async () => {
    const page = await open("?backend=webgpu&debug=1", small);
    await exposeMito(page);
    await waitInPage(
      page,
      "the first chunk is there",
      () => (globalThis as unknown as { mito: { results: { size: number } } }).mito.results.size > 0,
      150_000,
    );
    await page.evaluate(async () => {
      const { chondria } = globalThis as unknown as {
        chondria: { workers(): number[]; destroyDevice(id: number): Promise<void> };
      };
      await Promise.all(chondria.workers().map((id) => chondria.destroyDevice(id)));
    });
    const counts = await allArrive(page, 200_000);
    expect(counts.failed).toBe(0);
    const status = await page.evaluate(() =>
      (globalThis as unknown as { chondria: { status(): { restarts: number } } }).chondria.status(),
    );
    expect(status.restarts).toBeGreaterThanOrEqual(1);
  }, 400_000);

  it("says that the browser grants no room for results, and predicts on", async () => {
    const page = await open("?backend=wasm", { query: "model=tiny&chunk=64,64,4", zoom: 0.3 });
    const session = await page.context().newCDPSession(page);
    await session.send("Storage.overrideQuotaForOrigin", { origin: new URL(app.url).origin, quotaSize: 1 });
    await page.getByText(/Predictions: .*kept on disk/).waitFor({ timeout: 60_000 });
    expect((await allArrive(page)).failed).toBe(0);
  }, 200_000);

  it("keeps its memory over 200 random moves, and drops what leaves the view before it costs a forward pass", async () => {
    const page = await open("?backend=wasm", { query: "model=tiny&chunk=64,64,4", zoom: 0.4 });
    await allArrive(page);
    const session = await page.context().newCDPSession(page);
    const heap = async () => {
      await session.send("HeapProfiler.collectGarbage");
      return (await session.send("Runtime.getHeapUsage")).usedSize;
    };
    // A sequence of its own, so that a failure can be repeated.
    let seed = 1;
    const random = () => {
      seed = (seed * 1664525 + 1013904223) >>> 0;
      return seed / 2 ** 32;
    };
    const roam = async (moves: number) => {
      const places = Array.from({ length: moves }, () => SIZE.map((size) => Math.floor(random() * size)));
      await page.evaluate(async (positions) => {
        const { viewer } = globalThis as unknown as { viewer: { position: { value: Float32Array } } };
        for (const position of positions) {
          viewer.position.value = Float32Array.from(position);
          await new Promise((resolve) => setTimeout(resolve, 60));
        }
      }, places);
      await page.waitForTimeout(500);
      await allArrive(page);
    };
    await roam(100);
    const [before, heapBefore] = [await counters(page), await heap()];
    await roam(100);
    const [after, heapAfter] = [await counters(page), await heap()];
    expect(after.dropped).toBeGreaterThan(0);
    expect(after.failures).toBe(0);
    expect(after.waiting).toBe(0);
    expect(heapAfter - heapBefore).toBeLessThan(16 * 2 ** 20);
    // All of the volume: 4.8 MB of probabilities, as much EM, thumbnails of a few per cent.
    const voxels = SIZE.reduce((a, b) => a * b, 1);
    for (const { probabilityBytes, emBytes, thumbnailBytes } of [before, after]) {
      expect(probabilityBytes).toBeLessThanOrEqual(voxels);
      expect(emBytes).toBeLessThanOrEqual(1.3 * voxels);
      expect(thumbnailBytes).toBeLessThanOrEqual(0.5 * voxels);
    }
    // No chunk more than once.
    const chunks = SIZE.reduce((product, size, i) => product * Math.ceil(size / [64, 64, 4][i]), 1);
    expect(after.chunksComputed).toBeLessThanOrEqual(chunks);
  }, 300_000);
});
