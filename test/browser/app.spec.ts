import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RunningServer } from "../../src/server/static_server.js";
import { launchBrowser, openPage, waitInPage } from "../support/browser.js";
import { startApp } from "../support/server.js";
import { writeTinyModel } from "../support/tiny_model.js";
import {
  discsState,
  makeDiscs,
  stateAddress,
  stateInAddress,
  type TestViewer,
  waitForPrediction,
} from "../support/viewer_page.js";

let folder: string;
let app: RunningServer;
let browser: Browser;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "chondria-app-"));
  await writeTinyModel(join(folder, "models/tiny"));
  await makeDiscs(join(folder, "data/discs.ome.zarr"));
  app = await startApp({ data: join(folder, "data"), models: join(folder, "models") });
  browser = await launchBrowser();
}, 300_000);

afterAll(async () => {
  await browser?.close();
  await app?.close();
  await rm(folder, { recursive: true, force: true });
});

type Json = Record<string, unknown>;

/** Asserts that `actual` has everything that `expected` has; more keys are allowed, other values are not. */
function expectKept(actual: unknown, expected: unknown, path = "state"): void {
  if (typeof expected !== "object" || expected === null) {
    expect(actual, path).toEqual(expected);
    return;
  }
  for (const [key, value] of Object.entries(expected))
    expectKept((actual as Json | undefined)?.[key], value, `${path}.${key}`);
}

describe("a state link of stock Neuroglancer", () => {
  const stock = () => ({
    dimensions: { x: [1e-8, "m"], y: [1e-8, "m"], z: [1e-8, "m"] },
    position: [120.5, 200.5, 7.5],
    crossSectionScale: 0.7,
    projectionScale: 900,
    showAxisLines: false,
    layers: [
      {
        type: "image",
        source: `${app.url}data/discs.ome.zarr/|zarr2:`,
        tab: "rendering",
        opacity: 0.8,
        shader: "#uicontrol invlerp normalized\nvoid main() { emitGrayscale(normalized()); }\n",
        shaderControls: { normalized: { range: [40, 210] } },
        name: "em",
      },
      {
        type: "annotation",
        source: {
          url: "local://annotations",
          transform: { outputDimensions: { x: [1e-8, "m"], y: [1e-8, "m"], z: [1e-8, "m"] } },
        },
        tab: "annotations",
        annotations: [],
        name: "notes",
      },
    ],
    selectedLayer: { visible: true, layer: "em" },
    layout: {
      type: "row",
      children: [
        { type: "viewer", layers: ["em", "notes"], layout: "xy" },
        { type: "viewer", layers: ["em"], layout: "3d" },
      ],
    },
  });

  it("opens unchanged: every key that it has comes back with its value, and no layer is added", async () => {
    const { page, log } = await openPage(browser);
    const state = stock();
    await page.goto(stateAddress(app.url, state));
    const read = await waitInPage(page, "the volume is loaded", () => {
      const { viewer } = globalThis as unknown as { viewer?: TestViewer };
      if (viewer === undefined || !viewer.isReady()) return undefined;
      return JSON.parse(JSON.stringify(viewer.state.toJSON()));
    });
    expectKept(read, state);
    expect(read.layers).toHaveLength(2);
    expect(read.morphologyPanel).toBeUndefined();
    await page.waitForTimeout(600);
    expectKept(await stateInAddress(page), state);
    expect(log.errors.filter((line) => !/404/.test(line))).toEqual([]);
    await page.context().close();
  });

  it("takes a prediction from the dialog, by the keyboard, on its image layer", async () => {
    const { page } = await openPage(browser);
    await page.goto(stateAddress(app.url, stock()));
    await page.getByRole("button", { name: "Predict…" }).waitFor();
    await page.locator(".neuroglancer-viewer").focus();
    await page.keyboard.press("u");
    await page.getByRole("dialog").getByLabel("With the model").waitFor();
    expect(await page.locator("#add-prediction-layer option").allTextContents()).toEqual(["em"]);
    await expect.poll(() => page.evaluate(() => document.activeElement?.id)).toBe("add-prediction-layer");
    // The model, Cancel, then the button that adds.
    for (let i = 0; i < 3; i++) await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    const layers = await waitInPage(page, "the layer is in the address", () => {
      const { layers } = JSON.parse(decodeURIComponent(location.hash.slice(2))) as { layers: Json[] };
      return layers.length === 3 ? layers : undefined;
    });
    // In each view that shows the EM.
    const { layout } = await stateInAddress(page);
    expect((layout as { children: Json[] }).children.map(({ layers }) => layers)).toEqual([
      ["em", "notes", "mitochondria (tiny)"],
      ["em", "mitochondria (tiny)"],
    ]);
    expect(layers[2]).toMatchObject({
      type: "mito",
      name: "mitochondria (tiny)",
      source: `${app.url}data/discs.ome.zarr/|zarr2:|mito:?model=tiny`,
    });
    await page.context().close();
  });
});

describe("the prediction layer's controls", () => {
  it("reach the address and come back after a reload", async () => {
    const { page } = await openPage(browser);
    await page.goto(stateAddress(app.url, discsState(app.url)));
    await page.getByLabel("Threshold").waitFor();
    await page.getByLabel("Threshold").fill("0.7");
    await page.getByLabel("Smallest object").fill("250");
    await page.getByLabel("Smallest object").press("Enter");
    await page.getByLabel("Opacity").fill("0.35");
    await page.getByLabel("Probability").check();
    await page.getByLabel("Averaging").selectOption("flip");
    await waitInPage(
      page,
      "the address has the averaging",
      () => location.hash.includes("tta%3Dflip") || location.hash.includes("tta=flip"),
    );
    await page.waitForTimeout(600);
    const [, layer] = (await stateInAddress(page)).layers as Json[];
    const source = `${app.url}data/discs.ome.zarr/|zarr2:|mito:?model=tiny&tta=flip`;
    expect(layer).toMatchObject({
      source,
      threshold: 0.7,
      minimumVoxels: 250,
      selectedAlpha: 0.35,
      showProbability: true,
    });
    await page.reload();
    await waitInPage(page, "the source is loaded", () => {
      const { viewer } = globalThis as unknown as { viewer?: TestViewer };
      return viewer?.layerManager.managedLayers[1]?.layer?.mito?.value !== undefined;
    });
    expect(await page.getByLabel("Threshold").inputValue()).toBe("0.7");
    expect(await page.getByLabel("Smallest object").inputValue()).toBe("250");
    expect(await page.getByLabel("Opacity").inputValue()).toBe("0.35");
    expect(await page.getByLabel("Probability").isChecked()).toBe(true);
    expect(await page.getByLabel("Averaging").inputValue()).toBe("flip");
    const settings = await page.evaluate(() => {
      const { viewer } = globalThis as unknown as { viewer: TestViewer };
      return viewer.layerManager.managedLayers[1].layer?.mito?.value?.settings.value;
    });
    expect(settings).toMatchObject({ threshold: 0.7, minimumVoxels: 250 });
    await page.context().close();
  });

  it("put the intensity window into the source's URL, and refuse one that is upside down", async () => {
    const { page } = await openPage(browser);
    await page.goto(stateAddress(app.url, discsState(app.url)));
    const upper = page.getByLabel("Intensity that becomes 1");
    await waitInPage(page, "the window is known", () => {
      const inputs = [...document.querySelectorAll<HTMLInputElement>(".mito-window input")];
      return inputs.length === 2 && inputs[1].value === "255";
    });
    await upper.fill("-3");
    await upper.press("Enter");
    expect(await upper.evaluate((input: HTMLInputElement) => input.validationMessage)).toMatch(/larger/);
    expect(await page.evaluate(() => location.hash)).not.toContain("window");
    await upper.fill("200");
    await upper.press("Enter");
    await waitInPage(page, "the window is in the address", () =>
      decodeURIComponent(location.hash).includes("window=0,200"),
    );
    await page.getByRole("button", { name: "Model's" }).click();
    await waitInPage(
      page,
      "the window is gone",
      () => !decodeURIComponent(location.hash).includes("window="),
    );
    await page.context().close();
  });

  it("answer to their keys, which the help panel lists", async () => {
    const { page } = await openPage(browser);
    await page.goto(stateAddress(app.url, discsState(app.url)));
    await page.getByLabel("Threshold").waitFor();
    await page.locator(".neuroglancer-viewer").focus();
    await page.keyboard.press("p");
    await page.keyboard.press("=");
    await page.keyboard.press("m");
    await waitInPage(page, "the keys are in the address", () => {
      const text = decodeURIComponent(location.hash);
      return (
        /"threshold":0\.55/.test(text) &&
        /"showProbability":true/.test(text) &&
        !/"morphologyPanel":\{[^}]*"visible":true/.test(text)
      );
    });
    await page.keyboard.press("h");
    const help = page.locator(".neuroglancer-help-body");
    await help.waitFor();
    const text = (await help.textContent()) ?? "";
    for (const action of [
      "toggle-morphology-panel",
      "toggle-probability-heat-map",
      "raise-threshold",
      "lower-threshold",
      "add-prediction-layer",
      "open-start-page",
    ])
      expect(text).toContain(action);
    await page.context().close();
  });

  it("say which value of a link could not be used, and use the rest of it", async () => {
    const { page } = await openPage(browser);
    await page.goto(stateAddress(app.url, discsState(app.url, { threshold: 7, minimumVoxels: 33 })));
    await page.getByText(/“mito”: threshold: .*0 to 1.*7.*default/).waitFor();
    expect(await page.getByLabel("Threshold").inputValue()).toBe("0.5");
    expect(await page.getByLabel("Smallest object").inputValue()).toBe("33");
    await page.context().close();
  });
});

describe("what cannot be loaded", () => {
  it.each([
    ["a missing volume", "data/nothing.ome.zarr/|zarr2:", /nothing\.ome\.zarr/],
    ["a missing model", "data/discs.ome.zarr/|zarr2:|mito:?model=absent", /absent/],
    ["a wrong parameter", "data/discs.ome.zarr/|zarr2:|mito:?model=tiny&window=9,3", /window/],
  ])("is named, with a way to put the message away: %s", async (_what, source, message) => {
    const { page } = await openPage(browser);
    const state = {
      layers: [{ type: source.includes("mito") ? "mito" : "image", name: "bad", source: app.url + source }],
    };
    await page.goto(stateAddress(app.url, state));
    const alert = page.locator("#neuroglancer-status-container [role=alert]");
    await alert.waitFor();
    expect(await alert.textContent()).toMatch(/^Layer “bad”: /);
    expect(await alert.textContent()).toMatch(message);
    await alert.getByRole("button", { name: "Dismiss" }).click();
    await page.waitForTimeout(300);
    expect(await alert.count()).toBe(0);
    await page.context().close();
  });

  it("is said of a state that is no JSON, and the start page is one key away", async () => {
    const { page } = await openPage(browser);
    await page.goto(`${app.url}#!{broken`);
    await page.getByText(/The state in the address is not one that Neuroglancer reads: .+/).waitFor();
    await page.getByRole("button", { name: "Chondria" }).click();
    await page.locator("#start-page").waitFor({ state: "visible" });
    await page.context().close();
  });
});

describe("the heat map", () => {
  it("draws over the objects without another forward pass", async () => {
    const { page, log } = await openPage(browser);
    await page.goto(stateAddress(app.url, discsState(app.url)));
    await waitForPrediction(page);
    const passes = () =>
      page.evaluate(() =>
        (globalThis as unknown as { chondria: { counters(): Promise<{ forwardPasses: number }> } }).chondria
          .counters()
          .then(({ forwardPasses }) => forwardPasses),
      );
    const before = await passes();
    const view = page.locator(".neuroglancer-rendered-data-panel").first();
    const plain = await view.screenshot();
    await page.getByLabel("Probability").check();
    await page.waitForTimeout(1500);
    const shown = await view.screenshot();
    expect(shown.equals(plain)).toBe(false);
    expect(await passes()).toBe(before);
    await page.getByLabel("Probability").uncheck();
    await page.waitForTimeout(1000);
    expect((await view.screenshot()).equals(plain)).toBe(true);
    expect(log.errors.filter((line) => !/404/.test(line))).toEqual([]);
    await page.context().close();
  });
});
