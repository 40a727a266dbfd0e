import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RunningServer } from "../../src/server/static_server.js";
import { launchBrowser, openPage, type PageLog, waitInPage } from "../support/browser.js";
import { fillVoxels, makeZarr } from "../support/make_zarr.js";
import { startApp } from "../support/server.js";
import { writeTinyModel } from "../support/tiny_model.js";

let folder: string;
let app: RunningServer;
let browser: Browser;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "chondria-start-"));
  await writeTinyModel(join(folder, "models/tiny"));
  const size = [96, 80, 16] as const;
  const em = fillVoxels("uint8", size, (x, y, z) => (x + 2 * y + 3 * z) % 256);
  const labels = fillVoxels("uint64", size, (x) => (x < 40 ? 1 : 0));
  await makeZarr(join(folder, "data/em.ome.zarr"), { data: em, size, voxelSize: [10, 10, 20] });
  await makeZarr(join(folder, "data/labels.ome.zarr"), {
    data: labels,
    size,
    voxelSize: [10, 10, 20],
    labels: true,
  });
  await mkdir(join(folder, "data/broken.ome.zarr"));
  await writeFile(
    join(folder, "data/broken.ome.zarr/.zattrs"),
    '{"multiscales": [{"version": "0.4", "axes": 3}]}',
  );
  app = await startApp({ data: join(folder, "data"), models: join(folder, "models") });
  browser = await launchBrowser();
}, 300_000);

afterAll(async () => {
  await browser?.close();
  await app?.close();
  await rm(folder, { recursive: true, force: true });
});

/** The start page, with what the content security policy refused in `violations`. */
async function open(path = ""): Promise<{ page: Page; log: PageLog; violations: () => Promise<string[]> }> {
  const { page, log } = await openPage(browser);
  await page.addInitScript(() => {
    const list: string[] = [];
    Object.assign(globalThis, { violations: list });
    document.addEventListener("securitypolicyviolation", (event) =>
      list.push(`${event.effectiveDirective}: ${event.blockedURI}`),
    );
  });
  await page.goto(app.url + path);
  const violations = () =>
    page.evaluate(() => (globalThis as unknown as { violations: string[] }).violations);
  return { page, log, violations };
}

/** What stands in the console as an error, apart from Neuroglancer's looking for optional metadata files. */
const unexpected = (log: PageLog) =>
  log.errors.filter((line) => !/404 .*\/data\/.*\.z(array|attrs|group)/.test(line));

describe("the start page", () => {
  it("shows everything that can be opened, the phantom focused, without an error", async () => {
    const { page, log, violations } = await open();
    await page.getByText("labels.ome.zarr", { exact: true }).waitFor();
    expect(await page.evaluate(() => document.activeElement?.textContent)).toMatch(/^Phantom/);
    expect(await page.locator(".start-card strong").allTextContents()).toEqual([
      "Phantom EM volume",
      "em.ome.zarr",
      "labels.ome.zarr",
      "Hemibrain",
      "Kasthuri 2011",
      "HeLa cell (jrc_hela-2)",
    ]);
    expect(await page.locator("#start-local .start-error").textContent()).toMatch(/^broken\.ome\.zarr: .+/);
    expect(await page.locator("#start-model option").allTextContents()).toContain("Tiny test network");
    expect(await page.locator("footer").textContent()).toMatch(/WebGPU|WebAssembly/);
    expect(unexpected(log)).toEqual([]);
    expect(await violations()).toEqual([]);
    await page.context().close();
  });

  it("can be used by the keyboard alone: every control is reached by Tab and has a name", async () => {
    const { page } = await open();
    await page.getByText("labels.ome.zarr", { exact: true }).waitFor();
    const wanted = await page.locator("button, select, textarea").count();
    const seen = new Set<string>();
    for (let i = 0; i < 2 * wanted; i++) {
      await page.keyboard.press("Tab");
      seen.add(
        await page.evaluate(() => {
          const now = document.activeElement;
          if (now === null || now === document.body) return "";
          const label = (now as HTMLInputElement).labels?.[0]?.textContent;
          return label ?? now.textContent ?? "";
        }),
      );
    }
    seen.delete("");
    expect(seen.size).toBe(wanted);
    await page.context().close();
  });

  it.each([
    ["garbage", /"garbage" is neither/],
    ['https://example.org/#!{"layers": [', /not valid JSON/],
    ["/home/someone/volume", /"\/home\/someone\/volume" is a path on this computer/],
  ])("says what is wrong with %j and stays", async (text, message) => {
    const { page } = await open();
    await page.locator("#start-input").fill(text);
    await page.keyboard.press("Enter");
    expect(await page.locator("#start-error").textContent()).toMatch(message);
    expect(await page.evaluate(() => location.hash)).toBe("");
    expect(await page.locator("#start-page").isVisible()).toBe(true);
    await page.context().close();
  });

  it("opens a local volume by the keyboard: its x, y slices, with a prediction", async () => {
    const { page, log, violations } = await open();
    const card = page.getByRole("button", { name: /^em\.ome\.zarr/ });
    await card.focus();
    await page.keyboard.press("Enter");
    const layers = await waitInPage(page, "the prediction is loaded", () => {
      const { viewer } = globalThis as unknown as { viewer?: TestViewer };
      const layers = viewer?.layerManager.managedLayers ?? [];
      return (
        layers.some(({ layer }) => layer?.mito?.value !== undefined) && layers.map(({ layer }) => layer?.type)
      );
    });
    expect(layers).toEqual(["image", "mito"]);
    const shown = await page.evaluate(() => {
      const { viewer } = globalThis as unknown as { viewer: TestViewer };
      const { value } = viewer.displayDimensions;
      const indices = [...value.displayDimensionIndices];
      return indices.map((index) => viewer.coordinateSpace.value.names[index]);
    });
    expect(shown).toEqual(["x", "y", "z"]);
    expect(unexpected(log)).toEqual([]);
    expect(await violations()).toEqual([]);
    await page.context().close();
  });

  it("shows the x, y slices of a volume that was opened by its address", async () => {
    const { page } = await open();
    await page.locator("#start-input").fill(`${app.url}data/em.ome.zarr/|zarr2:`);
    await page.keyboard.press("Enter");
    const shown = await waitInPage(page, "the volume is loaded", () => {
      const { viewer } = globalThis as unknown as { viewer?: TestViewer };
      if (viewer === undefined || viewer.coordinateSpace.value.names.length < 3) return undefined;
      if (viewer.displayDimensions.default) return undefined;
      return [...viewer.displayDimensions.value.displayDimensionIndices].map(
        (index) => viewer.coordinateSpace.value.names[index],
      );
    });
    expect(shown).toEqual(["x", "y", "z"]);
    await page.context().close();
  });

  it("opens labels as labels, without a prediction", async () => {
    const { page } = await open();
    await page.getByRole("button", { name: /^labels\.ome\.zarr/ }).click();
    const layers = await waitInPage(page, "the layer is there", () => {
      const { viewer } = globalThis as unknown as { viewer?: TestViewer };
      const layers = viewer?.layerManager.managedLayers.map(({ layer }) => layer?.type) ?? [];
      return layers.length > 0 && layers;
    });
    expect(layers).toEqual(["segmentation"]);
    await page.context().close();
  });

  it("is where the back button and the key i lead", async () => {
    const { page } = await open();
    await page.getByRole("button", { name: /^labels\.ome\.zarr/ }).click();
    await page.getByRole("button", { name: "Chondria" }).waitFor();
    await page.goBack();
    await page.locator("#start-page").waitFor({ state: "visible" });
    await page.goForward();
    await page.getByRole("button", { name: "Chondria" }).waitFor();
    await page.locator("#neuroglancer-container").click({ position: { x: 400, y: 300 } });
    await page.keyboard.press("i");
    await page.locator("#start-page").waitFor({ state: "visible" });
    // Nothing of the volume comes back by itself.
    await page.waitForTimeout(700);
    expect(await page.locator("#start-page").isVisible()).toBe(true);
    await page.reload();
    await page.locator("#start-page").waitFor({ state: "visible" });
    await page.context().close();
  });
});

/** What of Neuroglancer's viewer these tests look at. */
interface TestViewer {
  layerManager: { managedLayers: { layer: { type: string; mito?: { value: unknown } } | null }[] };
  coordinateSpace: { value: { names: string[] } };
  displayDimensions: { default: boolean; value: { displayDimensionIndices: Int32Array } };
}
