import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createPredictor } from "../../src/inference/predictor.js";
import { selectBackend } from "../../src/kernels/backend_node.js";
import type { RunningServer } from "../../src/server/static_server.js";
import { openVolume } from "../../src/volume/open_node.js";
import type { Vec3 } from "../../src/volume/types.js";
import { launchBrowser } from "../support/browser.js";
import {
  differences,
  expectedIds,
  limitMemory,
  settled,
  shuffledPositions,
  volumeIds,
} from "../support/objects_page.js";
import { startApp } from "../support/server.js";
import { writeTinyModel } from "../support/tiny_model.js";
import { exposeMito, openViewer, viewerUrl } from "./viewer_page.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const em = join(root, "../shared/data/Lucchi++/Test_In");
const there = existsSync(em);
if (!there) console.log("skipped: the real EM data of ../shared/data are not on this machine");

const SIZE: Vec3 = [512, 512, 60];
const CHUNK: Vec3 = [256, 256, 8];
const run = promisify(execFile);

describe.skipIf(!there)("whole objects of Lucchi++ in Chromium", () => {
  let folder: string;
  let app: RunningServer;
  let browser: Browser;
  let probability: Uint8Array;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "chondria-real-objects-"));
    // Said to be of 10 nm, so that the test model takes the voxels as they are.
    await run(
      process.execPath,
      [
        join(root, "bin/chondria.mjs"),
        ...["import", em, join(folder, "data", "lucchi.ome.zarr")],
        ...["--voxel-size", "10,10,10nm", "--region", "256:768,128:640,0:60"],
      ],
      { cwd: root },
    );
    await selectBackend("wasm");
    const predictor = await createPredictor(await writeTinyModel(join(folder, "models", "tiny")), "wasm");
    const whole = { lower: [0, 0, 0] as const, upper: SIZE };
    const volume = await openVolume(join(folder, "data", "lucchi.ome.zarr"));
    const predicted = await predictor.predict({
      em: (await volume.read(0, whole)) as Uint8Array,
      gather: whole,
      core: whole,
      geometry: { scale: 0, sliceAxis: 2, planeAxes: [0, 1], ratio: [1, 1], bounds: whole },
      window: [0, 255],
      tta: "none",
    });
    probability = predicted.probability;
    predictor.dispose();
    app = await startApp({ data: join(folder, "data"), models: join(folder, "models") });
    browser = await launchBrowser();
  }, 900_000);

  afterAll(async () => {
    await browser?.close();
    await app?.close();
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  it("are those of one labelling of 512 x 512 x 60 voxels, also at another threshold and with room for few", async () => {
    const page = await openViewer(
      browser,
      viewerUrl(app.url, "?backend=wasm", {
        em: `${app.url}data/lucchi.ome.zarr/|zarr2:`,
        query: "model=tiny",
        position: [256, 256, 30],
        zoom: 0.2,
      }),
    );
    await exposeMito(page);
    // Room for a few chunks only: the others are dropped, and made again.
    await limitMemory(page, 30_000);
    const read = (seed: number) => volumeIds(page, SIZE, CHUNK, shuffledPositions(SIZE, CHUNK, seed));
    await read(1);
    const first = await settled(page, 240_000);
    expect(first.failures).toBe(0);
    for (const [seed, settings] of [
      [2, { threshold: 0.5, minimumVoxels: 100 }],
      [3, { threshold: 0.45, minimumVoxels: 400 }],
    ] as const) {
      await page.evaluate((value) => {
        const { mito } = globalThis as unknown as { mito: { settings: { value: object } } };
        mito.settings.value = { ...value, connectivity: 26 };
      }, settings);
      await page.waitForTimeout(3000);
      await settled(page, 240_000);
      const wanted = expectedIds(probability, SIZE, CHUNK, settings);
      expect(wanted.crossing).toBeGreaterThan(10);
      expect(differences(await read(seed), wanted.ids)).toEqual({ count: 0, first: [] });
      console.log(
        `Lucchi++ 512 x 512 x 60 at ${settings.threshold}: ${wanted.voxels.size} objects, ${wanted.crossing} over several chunks, equal`,
      );
    }
    const last = await settled(page, 240_000);
    expect(last.memoryHits).toBeGreaterThan(first.memoryHits);
    expect(last.forwardPasses).toBe(first.forwardPasses);
    await page.context().close();
  }, 900_000);
});
