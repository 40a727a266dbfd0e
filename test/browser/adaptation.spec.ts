import { cp, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Locator, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readPackage } from "../../src/model/read.js";
import { writeIndex, writePackage } from "../../src/model/write_node.js";
import { writeZip, ZipArchive } from "../../src/model/zip.js";
import { zipFiles } from "../../src/model/zip_files.js";
import type { RunningServer } from "../../src/server/static_server.js";
import { openVolume } from "../../src/volume/open_node.js";
import type { Box } from "../../src/volume/types.js";
import { launchBrowser, openPage, type PageLog, waitInPage } from "../support/browser.js";
import { textContrasts } from "../support/contrast.js";
import { profileMainThread, scriptsWith } from "../support/main_thread.js";
import { collectMessages, occurrences } from "../support/messages.js";
import { startApp } from "../support/server.js";
import { tinyContents } from "../support/tiny_model.js";
import { discsState, makeDiscs, stateAddress, waitForPrediction } from "../support/viewer_page.js";
import { counters } from "./viewer_page.js";

/** WCAG 2.2, success criterion 1.4.3 (AA). */
const LEAST_CONTRAST = 4.5;
/** A longer task keeps the page from answering: the limit of the Long Tasks API. */
const LONG_TASK = 50;
/** One thread, so that a machine of two cores is not late for everything. */
const SEARCH = "?backend=wasm&workers=1";
const PATIENCE = 400_000;
const SOON = { timeout: 60_000 };

const EM = "phantom://shifted/1/em";
const MODEL = "phantom-source-only";
/** In the 5 nm voxels of the position bar: 96 x 96 pixels of the model in two of its sections. */
const REGION = "20000:20192, 20000:20192, 4000:4004";
// As small as ids of a volume of this size allow.
const CHUNK = [64, 64, 8];

let folder: string;
let app: RunningServer;
let browser: Browser;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "chondria-adapt-"));
  const models = join(folder, "models");
  const tiny = await tinyContents();
  const network = {
    filters: [4, 8],
    normalisation: "none",
    gate: "textbook",
    dropout: "none",
    dropoutRates: [0, 0],
    seed: 1,
  };
  await writePackage(join(models, "tiny"), {
    ...tiny,
    config: { ...tiny.config, training: { ...tiny.config.training, settings: { network } } },
  });
  await cp(join("models", MODEL), join(models, MODEL), { recursive: true });
  await writeIndex(models);
  await makeDiscs(join(folder, "data/discs.ome.zarr"));
  app = await startApp({ data: join(folder, "data"), models });
  browser = await launchBrowser();
}, 300_000);

afterAll(async () => {
  await browser?.close();
  await app?.close();
  if (folder) await rm(folder, { recursive: true, force: true });
});

/** The phantom with a prediction, zoomed out so far that nothing is predicted until it is asked for. */
function phantomUrl(model: string, scale: number): string {
  const nm = [5e-9, "m"];
  return stateAddress(
    app.url,
    {
      dimensions: { x: nm, y: nm, z: nm },
      position: [20096, 20096, 4002],
      crossSectionScale: scale,
      prefetch: false,
      layers: [
        {
          type: "mito",
          name: "mito",
          source: `mito://precomputed://${EM}?model=${model}&chunk=${CHUNK.join()}`,
        },
      ],
      selectedLayer: { visible: true, layer: "mito", size: 310 },
      layout: "xy",
    },
    SEARCH,
  );
}

const section = (page: Page): Locator => page.locator("details.mito-adapt").first();
const phase = (page: Page) => section(page).locator(".mito-adapt-phase");
const problem = (page: Page) => section(page).locator(":scope > .mito-problems");
const button = (page: Page, name: string) => section(page).getByRole("button", { name, exact: true });
const openSection = async (page: Page) => {
  await section(page).locator("summary").waitFor({ timeout: 120_000 });
  await section(page).locator("summary").click();
};
/** The models that the layer offers. */
const offered = (page: Page) =>
  page.locator(".mito-predict-tab").getByLabel("Model", { exact: true }).locator("option").allTextContents();
const done = (page: Page) =>
  expect
    .poll(() => phase(page).textContent(), { timeout: PATIENCE, interval: 500 })
    .toMatch(/^(Adapted|Stopped)/);

/** Nothing but what the page cannot know beforehand: files that a Zarr may have. */
const unexpected = (log: PageLog) =>
  log.errors.filter((error) => !error.startsWith("Failed to load resource"));

describe("adapting a model in the viewer", () => {
  let page: Page;
  let log: PageLog;
  let adapted: string;
  let zip: Uint8Array;

  it(
    "re-estimates statistics on the phantom in another style: no EM and no long task on the main thread",
    async () => {
      const volume = await openVolume(EM);
      const rows = await Promise.all(
        Array.from({ length: 24 }, async (_, i) => {
          // 32 voxels of 10 nm in a row; noise makes each one of its kind.
          const [x, y, z] = [10000 + ((i * 37) % 64), 10000 + ((i * 53) % 96), 2000 + (i % 2)];
          const box: Box = { lower: [x, y, z], upper: [x + 32, y + 1, z + 1] };
          return (await volume.read(1, box)) as Uint8Array;
        }),
      );
      ({ page, log } = await openPage(browser));
      await page.addInitScript(collectMessages);
      await page.goto(phantomUrl(MODEL, 400));
      await openSection(page);
      // The package says that it has normalisation layers, and carries no more than its prior.
      expect(
        await section(page)
          .getByRole("radio", { name: /^Target statistics Seconds/ })
          .isChecked(),
      ).toBe(true);
      await page.getByLabel("EM from").selectOption("box");
      await page.getByLabel("Box", { exact: true }).fill(REGION);
      expect(
        await section(page)
          .getByText(/96 × 96 pixels in 2 sections/)
          .count(),
      ).toBe(1);

      const ours = await scriptsWith(page, app.url, "toggle-morphology-panel");
      const seen = new Set<string>();
      const stretches = await profileMainThread(
        page,
        (script) => ours.has(script),
        async () => {
          await button(page, "Start").press("Enter");
          await expect
            .poll(
              async () => {
                const text = (await phase(page).textContent()) ?? "";
                seen.add(text.replace(/[\d.]+/g, "#").slice(0, 12));
                expect(await problem(page).textContent()).toBe("");
                return text;
              },
              { timeout: PATIENCE, interval: 100 },
            )
            .toMatch(/^Adapted in .*Solidity here .* before, 0\.\d{3} after; the source's is 0\.952/);
        },
      );
      expect([...seen]).toEqual(expect.arrayContaining(["Reading EM: ", "Looking at t", "Step # of #"]));
      expect(stretches[0].milliseconds, stretches[0].where).toBeLessThanOrEqual(LONG_TASK);
      expect(await occurrences(page, rows)).toBe(0);
      // Two pictures were drawn all the same, and they differ.
      const pictures = await section(page)
        .locator(".mito-previews canvas")
        .evaluateAll((canvases) =>
          (canvases as HTMLCanvasElement[]).map(({ width, height }) => [width, height]),
        );
      expect(pictures).toEqual([
        [96, 96],
        [96, 96],
      ]);
      const shots = await Promise.all(
        [0, 1].map((i) => section(page).locator(".mito-previews canvas").nth(i).screenshot()),
      );
      expect(shots[0].equals(shots[1])).toBe(false);
      expect(
        await section(page).locator(".mito-adapt-plot [role=img]").first().getAttribute("aria-label"),
      ).toMatch(/^Solidity 0\.\d{3} at step 0, 0\.\d{3} at step 20; the source's is 0\.952\.$/);
    },
    PATIENCE + 120_000,
  );

  it("has its result in the list of models, and as a file that is a package", async () => {
    expect(await offered(page)).toContainEqual(
      "Phantom source-only adapted to shifted/1/em (in this browser)",
    );
    const [download] = await Promise.all([page.waitForEvent("download"), button(page, "Download").click()]);
    expect(download.suggestedFilename()).toMatch(/^adapted-\d{8}-\d{6}-phantom-source-only\.zip$/);
    adapted = download.suggestedFilename().replace(/\.zip$/, "");
    zip = Uint8Array.from(await readFile(await download.path()));
    const model = await readPackage(adapted, zipFiles(new ZipArchive(zip)));
    expect(model.config).toMatchObject({
      strategy: "target-statistics",
      source: "phantom fib, seed 7",
      target: "shifted/1/em",
      scores: [],
      training: { settings: { adaptedFrom: { id: MODEL }, strategy: "target-statistics" } },
    });
  });

  it(
    "predicts with it, here and after a reload, from the address alone",
    async () => {
      await button(page, "Use this model").click();
      await waitInPage(page, "the adapted model is in the address", () =>
        decodeURIComponent(location.hash).includes("?model=adapted-"),
      );
      const open = async () => {
        await page.goto("about:blank");
        await page.goto(phantomUrl(adapted, 0.1));
        await waitForPrediction(page, PATIENCE);
        expect(await offered(page)).toContainEqual(
          "Phantom source-only adapted to shifted/1/em (in this browser)",
        );
        return counters(page);
      };
      const { chunksComputed, failures } = await open();
      expect(chunksComputed).toBeGreaterThan(0);
      expect(failures).toBe(0);
      // Reloaded, the model is still there.
      expect((await open()).failures).toBe(0);
      expect(unexpected(log)).toEqual([]);
    },
    2 * PATIENCE,
  );

  it("lists it with the models of this browser", async () => {
    await page.locator(".mito-predict-tab summary").last().click();
    const rows = page.locator(".mito-predict-tab .mito-saved li");
    expect(await rows.count()).toBe(1);
    expect(await rows.textContent()).toContain(adapted);
    const texts = await textContrasts(page, ".mito-predict-tab");
    expect(texts.filter(({ contrast }) => contrast < LEAST_CONTRAST)).toEqual([]);
    await page.context().close();
  });

  it("says which model is missing where another browser opens the address, and opens it from the file", async () => {
    ({ page, log } = await openPage(browser));
    await page.goto(phantomUrl(adapted, 400));
    const missing = page.getByText(`there is no model “${adapted}” here`).first();
    await missing.waitFor({ timeout: 60_000 });
    expect(await missing.textContent()).toMatch(/download it there and open the file here/);

    await page.goto(app.url);
    const saved = page.locator("#start-page .mito-saved-models");
    const file = saved.locator("input[type=file]");
    const give = (name: string, buffer: Uint8Array) =>
      file.setInputFiles({ name, mimeType: "application/zip", buffer: Buffer.from(buffer) });
    const error = saved.locator("[role=alert]");
    await give("notes.zip", new TextEncoder().encode("not an archive at all, but a text of some length"));
    await expect
      .poll(() => error.textContent(), SOON)
      .toMatch(/^notes\.zip is not a model package.*not a \.zip/);
    const damaged = zip.slice();
    damaged[damaged.length >> 1] ^= 1;
    await give("damaged.zip", damaged);
    await expect
      .poll(() => error.textContent(), SOON)
      .toMatch(/^damaged\.zip is not a model package.*damaged/);
    await give("empty.zip", writeZip(new Map([["readme.txt", new Uint8Array(3)]])));
    await expect
      .poll(() => error.textContent(), SOON)
      .toMatch(/^empty\.zip is not a model package.*rdf\.yaml/);
    expect(await saved.locator("li").count()).toBe(0);

    await give(`${adapted} (1).zip`, zip);
    await expect
      .poll(() => saved.locator("[role=status]").textContent(), SOON)
      .toMatch(/is in the list of models/);
    expect(await error.textContent()).toBe("");
    await expect
      .poll(() => page.locator("#start-model option").allTextContents(), SOON)
      .toContainEqual("Phantom source-only adapted to shifted/1/em (in this browser)");
    expect(await saved.locator("li small").textContent()).toContain(adapted);
    const texts = await textContrasts(page, "#start-page");
    expect(texts.filter(({ contrast }) => contrast < LEAST_CONTRAST)).toEqual([]);

    await saved.getByRole("button", { name: "Delete" }).click();
    await saved.getByRole("button", { name: "Really delete?" }).click();
    await expect.poll(() => saved.locator("li").count(), SOON).toBe(0);
    await page.context().close();
  }, 180_000);
});

describe("an adaptation that goes another way", () => {
  let page: Page;
  let log: PageLog;

  beforeAll(async () => {
    ({ page, log } = await openPage(browser));
    await page.goto(stateAddress(app.url, { ...discsState(app.url), crossSectionScale: 0.6 }, SEARCH));
    await openSection(page);
    await waitForPrediction(page);
  }, 180_000);

  it("says why a strategy cannot start from this model", async () => {
    const statistics = section(page).getByRole("radio", { name: /^Target statistics Needs/ });
    expect(await statistics.isDisabled()).toBe(true);
    expect(await section(page).getByText("Needs a network with normalisation layers").count()).toBe(2);
    expect(
      await section(page)
        .getByRole("radio", { name: /^Self-training/ })
        .isChecked(),
    ).toBe(true);
    const texts = await textContrasts(page, ".mito-predict-tab");
    expect(texts.filter(({ contrast }) => contrast < LEAST_CONTRAST)).toEqual([]);
  });

  it("refuses a box that is none before anything starts", async () => {
    await page.getByLabel("EM from").selectOption("box");
    const box = page.getByLabel("Box", { exact: true });
    // What is visible was filled in; a Zarr's coordinates are those of the voxels' middles.
    expect(await box.inputValue()).toMatch(/^-0\.5:\d+\.5, -0\.5:\d+\.5, 8\.5:16\.5$/);
    await box.fill("0:20, 0:20, 0:2");
    await button(page, "Start").click();
    expect(await problem(page).textContent()).toMatch(/2[01] x 2[01] pixels .* 64 x 64 at least/);
    await box.fill("nonsense");
    await button(page, "Start").click();
    expect(await problem(page).textContent()).toMatch(/“nonsense” must be 3 ranges, x from:to/);
    await page.getByLabel("EM from").selectOption("view");
  });

  it("leaves the layer working when it fails", async () => {
    const { status } = await page.evaluate(async () => {
      // The package changes on the server after the layer was opened.
      const { viewer } = globalThis as unknown as {
        viewer: { layerManager: { managedLayers: { layer: { mito?: { value: { reference: object } } } }[] } };
      };
      const mito = viewer.layerManager.managedLayers[1].layer.mito!.value;
      Object.defineProperty(mito, "reference", {
        value: { ...mito.reference, digest: "0".repeat(64) },
        configurable: true,
      });
      return { status: "changed" };
    });
    expect(status).toBe("changed");
    await button(page, "Start").click();
    await expect
      .poll(() => problem(page).textContent(), { timeout: 60_000 })
      .toMatch(/^The adaptation failed: model tiny: .*changed since the layer was opened/);
    await page.evaluate(() => {
      const { viewer } = globalThis as unknown as {
        viewer: {
          layerManager: { managedLayers: { layer: { mito?: { value: { reference?: object } } } }[] };
        };
      };
      delete viewer.layerManager.managedLayers[1].layer.mito!.value.reference;
    });
    await page.evaluate(() => {
      const { viewer } = globalThis as unknown as { viewer: { position: { value: Float32Array } } };
      viewer.position.value = Float32Array.of(420, 330, 12.5);
    });
    await waitForPrediction(page);
  }, 180_000);

  it(
    "trains, shows its loss, and keeps the best so far when it is stopped mid-way",
    async () => {
      await section(page).getByLabel("Sections").fill("2");
      await page.getByLabel("Steps").fill("5000");
      await button(page, "Start").click();
      await expect
        .poll(async () => Number((await phase(page).textContent())?.match(/^Step (\d+) of 5000/)?.[1] ?? 0), {
          timeout: PATIENCE,
          interval: 200,
        })
        .toBeGreaterThanOrEqual(3);
      await expect
        .poll(() => section(page).locator(".mito-adapt-plot [role=img]").nth(1).getAttribute("aria-label"), {
          timeout: 60_000,
        })
        .toMatch(/^Loss [\d.]+ at step 1, [\d.]+ at step \d+\.$/);
      const texts = await textContrasts(page, ".mito-predict-tab");
      expect(texts.filter(({ contrast }) => contrast < LEAST_CONTRAST)).toEqual([]);
      await button(page, "Stop").click();
      await done(page);
      expect(await phase(page).textContent()).toMatch(
        /^Stopped and kept what there was .* Kept: step \d+, because/,
      );
      expect(await offered(page)).toContainEqual(
        "Tiny test network adapted to data/discs.ome.zarr (in this browser)",
      );
      // The keyboard is where it was.
      expect(await page.evaluate(() => document.activeElement?.textContent)).toBe("Use this model");
    },
    PATIENCE + 120_000,
  );

  it("is added as a layer beside the old one to compare, and discarded", async () => {
    await button(page, "Compare").click();
    const layers = await page.evaluate(() => {
      const { viewer } = globalThis as unknown as {
        viewer: { state: { toJSON(): { layers: { name: string; type: string; source: unknown }[] } } };
      };
      return viewer.state.toJSON().layers;
    });
    expect(layers.map(({ type }) => type)).toEqual(["image", "mito", "mito"]);
    expect(JSON.stringify(layers[2].source)).toContain("model=adapted-");
    expect(JSON.stringify(layers[1].source)).toContain("model=tiny");
    await page.evaluate(() => {
      const { viewer } = globalThis as unknown as {
        viewer: { layerManager: { managedLayers: unknown[] }; selectedLayer: { layer: unknown } };
      };
      viewer.selectedLayer.layer = viewer.layerManager.managedLayers[1];
    });
    await button(page, "Adapt again").click();
    expect(await button(page, "Start").isVisible()).toBe(true);
    await button(page, "Start").click();
    await button(page, "Discard").click();
    expect(await button(page, "Start").isVisible()).toBe(true);
    expect(unexpected(log)).toEqual([]);
    await page.context().close();
  }, 120_000);
});
