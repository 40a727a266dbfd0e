import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RunningServer } from "../../src/server/static_server.js";
import { openVolume } from "../../src/volume/open_node.js";
import type { Box, Vec3, VolumeSource } from "../../src/volume/types.js";
import { launchBrowser, openPage, waitInPage } from "../support/browser.js";
import { profileMainThread, scriptsWith } from "../support/main_thread.js";
import { collectMessages, occurrences } from "../support/messages.js";
import { startApp } from "../support/server.js";
import { allArrive, counters, probabilityChunk, viewerUrl } from "./viewer_page.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const data = join(root, "../shared/data");
const there = existsSync(join(data, "Lucchi++")) && existsSync(join(data, "VNC"));
if (!there) console.log("skipped: the real EM data of ../shared/data are not on this machine");

/** Small, so that forty of them cost seconds: the chunk's shape does not change a voxel. */
const CHUNK: Vec3 = [64, 64, 2];
/** A longer task keeps the page from answering: the limit of the Long Tasks API. */
const LONG_TASK = 50;

const VOLUMES = [
  {
    name: "lucchi",
    em: "Lucchi++/Test_In",
    voxelSize: "5,5,5nm",
    region: ":,:,0:8",
    model: "lucchi-source-only",
  },
  {
    name: "vnc",
    em: "VNC/stack1/raw",
    voxelSize: "4.6,4.6,50nm",
    region: "0:1024,0:768,0:4",
    model: "vnc-source-only",
  },
] as const;

const run = promisify(execFile);
const chondria = (...args: string[]) =>
  run(process.execPath, [join(root, "bin/chondria.mjs"), ...args], { cwd: root, maxBuffer: 2 ** 26 });

/** Numbers of their own, so that a failure can be repeated. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

describe.skipIf(!there)("real EM in Chromium", () => {
  let folder: string;
  let app: RunningServer;
  let browser: Browser;
  const address = (name: string) => `${app.url}data/${name}.ome.zarr/|zarr2:`;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "chondria-real-"));
    app = await startApp({ data: folder });
    browser = await launchBrowser();
    for (const { name, em, voxelSize, region } of VOLUMES)
      await chondria(
        "import",
        join(data, em),
        join(folder, `${name}.ome.zarr`),
        ...["--voxel-size", voxelSize, "--region", region],
      );
  }, 300_000);

  afterAll(async () => {
    await browser?.close();
    await app?.close();
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  it.each(VOLUMES)(
    "$name: 20 random chunks have the voxels that chondria predict writes",
    async ({ name, model }) => {
      const output = join(folder, `${name}-predicted.ome.zarr`);
      await chondria("predict", model, join(folder, `${name}.ome.zarr`), output, "--backend", "wasm");
      const predicted: VolumeSource = await openVolume(output);
      const size = predicted.scales[0].bounds.upper;
      const { page, log } = await openPage(browser, { viewport: { width: 300, height: 300 } });
      await page.goto(
        viewerUrl(app.url, "?backend=wasm", {
          em: address(name),
          query: `model=${model}&chunk=${CHUNK.join()}`,
          zoom: 0.3,
        }),
      );
      const counts = await allArrive(page, 240_000);
      expect(counts).toMatchObject({ failed: 0 });

      const next = numbers(2022);
      let foreground = 0;
      for (let i = 0; i < 20; i++) {
        const grid = size.map((s, axis) => next(Math.ceil(s / CHUNK[axis]))) as unknown as Vec3;
        const lower = grid.map((g, axis) => g * CHUNK[axis]) as unknown as Vec3;
        const upper = lower.map((l, axis) => Math.min(l + CHUNK[axis], size[axis])) as unknown as Vec3;
        const wanted = (await predicted.read(0, { lower, upper } satisfies Box)) as Uint8Array;
        const got = await probabilityChunk(page, grid as [number, number, number]);
        expect(Buffer.compare(got, wanted), `chunk ${grid}`).toBe(0);
        foreground += wanted.filter((p) => p >= 128).length;
      }
      // Not twenty times nothing.
      expect(foreground).toBeGreaterThan(1000);
      // Neuroglancer asks for Zarr metadata that need not be there.
      expect(log.errors.filter((error) => !error.startsWith("Failed to load resource"))).toEqual([]);
      await page.context().close();
    },
    600_000,
  );

  it("lucchi: EM never reaches the main thread, no task of ours exceeds 50 ms, 200 moves leave memory flat", async () => {
    const [{ name, model }] = VOLUMES;
    const em = await openVolume(join(folder, `${name}.ome.zarr`));
    // 32 voxels in a row, at places all over the part that is shown: noise makes each one of its kind.
    const next = numbers(7);
    const rows = await Promise.all(
      Array.from({ length: 40 }, async () => {
        const [x, y, z] = [next(480), next(384), next(4)];
        const box: Box = { lower: [x, y, z], upper: [x + 32, y + 1, z + 1] };
        return (await em.read(1, box)) as Uint8Array;
      }),
    );
    const { page } = await openPage(browser, { viewport: { width: 520, height: 400 } });
    await page.addInitScript(collectMessages);
    const url = (layers: object[]) =>
      viewerUrl(app.url, "?backend=wasm", {
        em: address(name),
        query: `model=${model}&chunk=${CHUNK.join()}`,
        zoom: 0.5,
        position: [256, 192, 2],
      }).replace(/#!(.*)$/, (_, state) => {
        const parsed = JSON.parse(decodeURIComponent(state)) as { layers: object[] };
        parsed.layers.push(...layers);
        return `#!${encodeURIComponent(JSON.stringify(parsed))}`;
      });
    await page.goto(url([]));
    await waitInPage(page, "the page is up", () => "viewer" in globalThis);
    const ours = await scriptsWith(page, app.url, "toggle-morphology-panel");
    expect(ours.size).toBeGreaterThan(0);
    const stretches = await profileMainThread(
      page,
      (script) => ours.has(script),
      async () => {
        await allArrive(page, 240_000);
      },
    );
    expect(stretches[0].milliseconds, stretches[0].where).toBeLessThanOrEqual(LONG_TASK);
    expect((await counters(page)).chunksComputed).toBeGreaterThan(4);
    expect(await occurrences(page, rows)).toBe(0);

    const session = await page.context().newCDPSession(page);
    const heap = async () => {
      await page.evaluate(() => {
        (globalThis as unknown as { received: unknown[] }).received.length = 0;
      });
      await session.send("HeapProfiler.collectGarbage");
      return (await session.send("Runtime.getHeapUsage")).usedSize;
    };
    const roam = async (moves: number) => {
      const places = Array.from({ length: moves }, () => [next(512), next(384), next(4)]);
      await page.evaluate(async (positions) => {
        const { viewer } = globalThis as unknown as { viewer: { position: { value: Float32Array } } };
        for (const position of positions) {
          viewer.position.value = Float32Array.from(position);
          await new Promise((resolve) => setTimeout(resolve, 100));
        }
      }, places);
      await allArrive(page, 240_000);
    };
    await roam(100);
    const before = await heap();
    await roam(100);
    expect((await heap()) - before).toBeLessThan(16 * 2 ** 20);
    const after = await counters(page);
    expect(after.failures).toBe(0);
    // At most the whole volume at 10 nm, 512 x 384 x 4, and as much EM with the chunks at its edge.
    expect(after.probabilityBytes).toBeLessThanOrEqual(512 * 384 * 4);
    expect(after.emBytes).toBeLessThanOrEqual(4 * 512 * 384 * 4);

    // The search finds EM where EM is: an image layer brings it to the main thread, as Neuroglancer does.
    await page.goto("about:blank");
    await page.goto(url([{ type: "image", name: "em", source: address(name) }]));
    await allArrive(page, 240_000);
    await page.waitForTimeout(1000);
    expect(await occurrences(page, rows)).toBeGreaterThan(4);
  }, 900_000);
});
