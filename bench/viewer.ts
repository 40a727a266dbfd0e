/**
 * The viewer in Chromium on the phantom: time from opening the address to the first predicted chunk, cold and again from
 * the cache of the browser (the rival is the viewer itself without its cache), and the latency of chunks at random places.
 * WebGPU where Chromium has an adapter, else WASM; the line says which. Gathering includes making the phantom EM. Then what joining
 * chunks to whole objects cost: how long the screen showed ids of before, and how often chunks were written anew.
 */
import type { Page } from "playwright-core";
import type { ChunkReport } from "../layers/mito/base.js";
import { allArrive, counters, exposeMito } from "../test/browser/viewer_page.js";
import { launchBrowser, openPage, waitInPage } from "../test/support/browser.js";
import { settled } from "../test/support/objects_page.js";
import { startApp } from "../test/support/server.js";

const MODEL = process.env.CHONDRIA_BENCH_MODEL ?? "phantom-source-only";
/** Chunks that the latencies are taken over; each costs 8 forward passes of 480 x 480. */
const CHUNKS = 24;

const state = {
  dimensions: { x: [5e-9, "m"], y: [5e-9, "m"], z: [5e-9, "m"] },
  position: [20256, 20256, 4008],
  crossSectionScale: 1,
  layers: [
    {
      type: "mito",
      name: "mito",
      source: `phantom://fib/1/em|neuroglancer-precomputed:|mito:?model=${MODEL}`,
    },
  ],
  layout: "xy",
};

interface Handle {
  mito: { results: { all(): ChunkReport[] } };
  viewer: { position: { value: Float32Array } };
}

const finished = (page: Page): Promise<ChunkReport[]> =>
  page.evaluate(() =>
    (globalThis as unknown as Handle).mito.results.all().filter(({ error }) => error === undefined),
  );

async function firstChunk(page: Page): Promise<number> {
  await exposeMito(page);
  await waitInPage(
    page,
    "the first chunk is predicted",
    () => (globalThis as unknown as Handle).mito.results.all().some(({ error }) => error === undefined),
    300_000,
  );
  return page.evaluate(() => performance.now());
}

function percentile(values: number[], p: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil((p / 100) * sorted.length) - 1)];
}

const seconds = (ms: number) => (ms < 1000 ? `${ms.toFixed(0)} ms` : `${(ms / 1000).toFixed(2)} s`);
const app = await startApp();
const browser = await launchBrowser();
try {
  const { page } = await openPage(browser, { viewport: { width: 1280, height: 720 } });
  await page.goto(`${app.url}#!${encodeURIComponent(JSON.stringify(state))}`);
  const cold = await firstChunk(page);
  await allArrive(page, 600_000);
  const status = await page.evaluate(() =>
    (
      globalThis as unknown as { chondria: { status(): { backend: string; workers: number } } }
    ).chondria.status(),
  );
  await page.waitForTimeout(3000); // the store writes to disk in the background
  await page.reload();
  const cached = await firstChunk(page);
  const { forwardPasses, diskHits } = await counters(page);
  console.log(`first predicted chunk (${status.backend}, ${status.workers} workers, 256 x 256 x 8 voxels)`);
  console.log(`  cold                  ${seconds(cold).padStart(9)}`);
  console.log(
    `  from the disk cache   ${seconds(cached).padStart(9)}   cold / cached = ${(cold / cached).toFixed(1)}   (${forwardPasses} forward passes, ${diskHits} chunks read)`,
  );

  let random = 12345;
  const next = (n: number) => {
    random = (Math.imul(random, 1664525) + 1013904223) >>> 0;
    return random % n;
  };
  const reports: ChunkReport[] = [];
  while (reports.length < CHUNKS) {
    const place = [30000 + next(40000), 30000 + next(40000), 6000 + next(4000)];
    const seen = new Set((await finished(page)).map(({ key }) => key));
    await page.evaluate((position) => {
      (globalThis as unknown as Handle).viewer.position.value = Float32Array.from(position);
    }, place);
    await page.waitForTimeout(300);
    await allArrive(page, 600_000);
    reports.push(...(await finished(page)).filter((r) => !seen.has(r.key) && r.origin === "computed"));
  }
  const total = reports.map(({ ms }) => ms.gather + ms.forward + ms.label);
  const { objects, objectBytes, rewritten } = await settled(page, 600_000);
  const known = (await finished(page)).length;
  console.log(
    `whole objects: ${objects} in ${known} chunks, ${(objectBytes / known / 1024).toFixed(0)} kB a chunk; ${rewritten} chunks written anew`,
  );
  console.log(`chunk latency without queueing, ${reports.length} chunks at random places`);
  for (const p of [50, 95, 99]) console.log(`  p${p} ${seconds(percentile(total, p)).padStart(9)}`);
  for (const stage of ["gather", "queue", "forward", "label"] as const)
    console.log(
      `  ${stage.padEnd(8)} median ${seconds(
        percentile(
          reports.map(({ ms }) => ms[stage]),
          50,
        ),
      ).padStart(9)}`,
    );
} finally {
  await browser.close();
  await app.close();
}
process.exit(0);
