import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RunningServer } from "../../src/server/static_server.js";
import { launchBrowser, openPage, waitInPage } from "../support/browser.js";
import { textContrasts } from "../support/contrast.js";
import { profileMainThread, scriptsWith } from "../support/main_thread.js";
import { startApp } from "../support/server.js";
import { writeSourceModel } from "../support/source_model.js";
import {
  discsState,
  makeDiscs,
  stateAddress,
  type TestViewer,
  waitForPrediction,
} from "../support/viewer_page.js";

/** WCAG 2.2, success criterion 1.4.3 (AA). */
const LEAST_CONTRAST = 4.5;
/** A longer task keeps the page from answering: the limit of the Long Tasks API. */
const LONG_TASK = 50;

let folder: string;
let app: RunningServer;
let browser: Browser;
let page: Page;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "chondria-panel-"));
  await writeSourceModel(join(folder, "models/tiny"));
  await makeDiscs(join(folder, "data/discs.ome.zarr"));
  app = await startApp({ data: join(folder, "data"), models: join(folder, "models") });
  browser = await launchBrowser();
  ({ page } = await openPage(browser));
  await page.goto(stateAddress(app.url, discsState(app.url)));
  await waitForPrediction(page);
  // The panel follows at most 0.4 s later.
  await page.waitForTimeout(800);
}, 300_000);

afterAll(async () => {
  await browser?.close();
  await app?.close();
  await rm(folder, { recursive: true, force: true });
});

const column = (index: number) =>
  page.locator(`.mito-chunks tbody tr:visible td:nth-child(${index})`).allTextContents();
const position = () =>
  page.evaluate(() => {
    const { viewer } = globalThis as unknown as { viewer: TestViewer };
    const { names } = viewer.coordinateSpace.value;
    return ["x", "y", "z"].map((name) => viewer.position.value[names.indexOf(name)]);
  });

describe("the morphology panel", () => {
  it("shows each chunk in view with its numbers, and their sum against the model's prior", async () => {
    const places = await column(1);
    expect(places.length).toBeGreaterThan(2);
    expect(new Set(places).size).toBe(places.length);
    const objects = (await column(2)).map(Number);
    expect(objects.every((count) => count > 0)).toBe(true);
    const solidities = (await column(4)).map(Number);
    expect(solidities.every((value) => value > 0.5 && value <= 1)).toBe(true);
    const numbers = await page.locator(".mito-numbers dd").allTextContents();
    const alone = await page
      .locator(".mito-numbers dd")
      .evaluateAll((entries) => entries.map((entry) => entry.firstChild?.textContent));
    expect(alone[0]).toBe(String(places.length));
    expect(alone[1]).toBe(String(objects.reduce((a, b) => a + b, 0)));
    expect(numbers[3]).toMatch(/^0\.\d{3}prior 0\.948 \([+−]0\.\d{3}\)$/);
    expect(numbers[4]).toMatch(/^\d+\.\d\dmost by /);
    expect(numbers[5]).toMatch(/^0\.\d+ µm²prior 0\.\d+ µm²$/);
    expect(numbers[6]).toMatch(/ m?swasm$/);
  });

  it("draws how the regions are distributed over the source's, and says in words what it draws", async () => {
    const pictures = page.locator(".mito-region-plots [role=img]");
    const words = await pictures.evaluateAll((all) => all.map((one) => one.getAttribute("aria-label")));
    expect(words).toHaveLength(4);
    expect(words[0]).toMatch(
      /^Solidity of [\d,]+ regions: median 0\.\d\d; the source's median is 0\.\d\d\.$/,
    );
    expect(words[2]).toMatch(
      /^Area of [\d,]+ regions: median [\d.]+ µm²; the source's median is [\d.]+ µm²\.$/,
    );
    expect(words[3]).toMatch(/^Density of \d+ chunks: median [\d.]+ \/100 µm²; /);
    // Bars and outline are on the canvas: pixels of both colours.
    const colours = await pictures
      .first()
      .locator("canvas")
      .evaluate((canvas) => {
        const { width, height } = canvas as HTMLCanvasElement;
        const { data } = (canvas as HTMLCanvasElement).getContext("2d")!.getImageData(0, 0, width, height);
        let bars = 0;
        let outline = 0;
        for (let i = 0; i < data.length; i += 4) {
          if (data[i + 3] < 100) continue;
          if (data[i + 2] > 200 && data[i] < 130) bars++;
          if (data[i] > 240 && data[i + 2] < 120) outline++;
        }
        return { bars, outline };
      });
    expect(colours.bars).toBeGreaterThan(50);
    expect(colours.outline).toBeGreaterThan(50);
  });

  it("tells the numbers of the chunk in the middle of the view alone", async () => {
    await page.getByLabel("Which chunks").selectOption("chunk");
    await page.waitForTimeout(700);
    expect(await column(1)).toHaveLength(1);
    expect(await page.locator(".mito-numbers dd").first().textContent()).toMatch(/^1/);
    await page.getByLabel("Which chunks").selectOption("view");
    await page.waitForTimeout(700);
  });

  it("sorts by a column at a click or a key, keeps the order in the address, and says it", async () => {
    const header = page.locator(".mito-chunks th").nth(1);
    await header.getByRole("button").focus();
    await page.keyboard.press("Enter");
    expect(await header.getAttribute("aria-sort")).toBe("descending");
    await page.waitForTimeout(700);
    const down = (await column(2)).map(Number);
    expect(down).toEqual([...down].sort((a, b) => b - a));
    await header.getByRole("button").click();
    expect(await header.getAttribute("aria-sort")).toBe("ascending");
    await page.waitForTimeout(700);
    const up = (await column(2)).map(Number);
    expect(up).toEqual([...up].sort((a, b) => a - b));
    await waitInPage(page, "the order is in the address", () =>
      decodeURIComponent(location.hash).includes('"order":"objects"'),
    );
  });

  it.each(["click", "Enter"])("goes to a chunk at a %s", async (how) => {
    const buttons = page.locator(".mito-chunks tbody tr:visible td:first-child button");
    const button = how === "click" ? buttons.first() : buttons.last();
    const corner = ((await button.textContent()) ?? "").split(", ").map(Number);
    if (how === "click") await button.click();
    else await button.press("Enter");
    const now = await position();
    // The middle of a chunk of 256 x 256 x 8 voxels, or of what the volume's end leaves of it.
    for (const [axis, size] of [256, 256, 8].entries()) {
      expect(now[axis]).toBeGreaterThan(corner[axis]);
      expect(now[axis]).toBeLessThanOrEqual(corner[axis] + size / 2);
    }
  });

  it("keeps the keyboard's focus on its chunk when the rows move", async () => {
    await page.getByLabel("Which chunks").selectOption("all");
    await page.waitForTimeout(700);
    const buttons = page.locator(".mito-chunks tbody tr:visible td:first-child button");
    await buttons.last().focus();
    const chunk = await buttons.last().textContent();
    await page.evaluate(() => {
      // The order as another control would change it.
      const [, heading] = document.querySelectorAll<HTMLButtonElement>(".mito-chunks th button");
      heading.click();
    });
    await page.waitForTimeout(700);
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe(chunk);
    await page.getByLabel("Which chunks").selectOption("view");
  });

  it("relabels at a new threshold without a forward pass", async () => {
    const passes = () =>
      page.evaluate(() =>
        (globalThis as unknown as { chondria: { counters(): Promise<{ forwardPasses: number }> } }).chondria
          .counters()
          .then(({ forwardPasses }) => forwardPasses),
      );
    await waitForPrediction(page);
    // Neuroglancer fetches ahead along the last movement; that costs passes too, until it is done.
    let before = -1;
    for (let now = await passes(); now !== before; now = await passes()) {
      before = now;
      await page.waitForTimeout(3000);
    }
    const fraction = page.locator(".mito-numbers dd").nth(2);
    const text = await fraction.textContent();
    await page.getByLabel("Threshold").fill("0.95");
    await expect.poll(() => fraction.textContent(), { timeout: 15_000 }).not.toBe(text);
    expect(await passes()).toBe(before);
    await page.getByLabel("Threshold").fill("0.5");
    await expect.poll(() => fraction.textContent(), { timeout: 15_000 }).toBe(text);
  });
});

describe("with thousands of chunks", () => {
  it("keeps the document small and no task of ours exceeds 50 ms", async () => {
    const scripts = await scriptsWith(page, app.url, "toggle-morphology-panel");
    expect(scripts.size).toBeGreaterThan(0);
    await page.getByLabel("Which chunks").selectOption("all");
    await page.evaluate(() => {
      const { viewer } = globalThis as unknown as { viewer: TestViewer };
      const results = viewer.layerManager.managedLayers[1].layer?.mito?.value?.results as unknown as {
        all(): { key: string; box: { lower: number[]; upper: number[] } }[];
        changed: { dispatch(): void };
      };
      const kept = results.all();
      // As many reports as a long session leaves, made from the real ones.
      const many = Array.from({ length: 4096 }, (_, index) => {
        const report = kept[index % kept.length];
        const lower = [256 * (index % 64), 256 * Math.floor(index / 64), 8 * (index % 7)];
        return {
          ...report,
          key: lower.join(),
          box: { lower, upper: lower.map((v, a) => v + [256, 256, 8][a]) },
        };
      });
      results.all = () => many;
    });
    const stretches = await profileMainThread(
      page,
      (url) => scripts.has(url),
      async () => {
        for (let i = 0; i < 8; i++) {
          await page
            .locator(".mito-chunks th button")
            .nth(i % 6)
            .click();
          await page.evaluate(() => {
            const { viewer } = globalThis as unknown as { viewer: TestViewer };
            const results = viewer.layerManager.managedLayers[1].layer?.mito?.value?.results as unknown as {
              changed: { dispatch(): void };
            };
            results.changed.dispatch();
          });
          await page.waitForTimeout(500);
        }
      },
    );
    expect(await page.locator(".mito-chunks tbody tr").count()).toBe(100);
    expect(await page.getByText(/^3,996 more chunks/).count()).toBe(1);
    expect(stretches.length).toBeGreaterThan(0);
    console.log(
      `longest main-thread work of ours: ${stretches
        .slice(0, 3)
        .map(({ milliseconds, where }) => `${milliseconds} ms in ${where}`)
        .join(", ")}`,
    );
    expect(stretches[0].milliseconds).toBeLessThanOrEqual(LONG_TASK);
  });
});

describe("the dark theme", () => {
  it("has a contrast of at least 4.5 in both panels and the toolbar", async () => {
    const texts = await textContrasts(page, ".mito-panel, .mito-predict-tab, .chondria-toolbar");
    expect(texts.length).toBeGreaterThan(30);
    expect(texts.filter(({ contrast }) => contrast < LEAST_CONTRAST)).toEqual([]);
  });

  it("has it on the start page too", async () => {
    const { page: start } = await openPage(browser);
    await start.goto(app.url);
    await start.locator("#start-input").fill("garbage");
    await start.keyboard.press("Enter");
    const texts = await textContrasts(start, "#start-page");
    expect(texts.length).toBeGreaterThan(20);
    expect(texts.filter(({ contrast }) => contrast < LEAST_CONTRAST)).toEqual([]);
    await start.context().close();
  });

  it("leaves more than half of a 1280 pixel page to the EM with both panels open", async () => {
    const box = await page.locator(".neuroglancer-rendered-data-panel").first().boundingBox();
    expect(box?.width).toBeGreaterThan(540);
    const overflow = await page
      .locator(".mito-panel, .mito-predict-tab")
      .evaluateAll((panels) => panels.map((panel) => panel.scrollWidth - panel.clientWidth));
    expect(overflow).toEqual([0, 0]);
  });
});
