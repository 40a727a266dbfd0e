// Makes docs/images from the built page: the phantom with the model that suits it, in a headless Chromium.
//   node tools/screenshots.mjs [model]
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { register } from "tsx/esm/api";
import { ensureBuilt, root } from "./build.mjs";
import { chromiumSwitches, ensureChromium } from "./chromium.mjs";

const FOLDER = join(root, "docs/images");
const PATIENCE = 900_000;

/** In the page: whether everything that the views ask the prediction for is there. */
function inView() {
  const layers = globalThis.viewer?.layerManager.managedLayers ?? [];
  const counts = layers.find(({ layer }) => layer?.type === "mito")?.layer.mito.value?.results.counts();
  return (
    counts !== undefined &&
    counts.wanted > 0 &&
    counts.finished === counts.wanted &&
    globalThis.viewer.isReady()
  );
}

register();
const { startServer } = await import("../src/server/static_server.ts");
const { PHANTOM } = await import("../src/app/catalogue.ts");
const { stateFragment, volumeState } = await import("../src/app/viewer_state.ts");
const { chooseModel } = await import("../src/app/choose_model.ts");

const { dist } = await ensureBuilt();
const server = await startServer({ dist, models: join(root, "models"), port: 0 });
const browser = await chromium.launch({ executablePath: ensureChromium(), args: chromiumSwitches() });
try {
  const { models } = await (await fetch(`${server.url}models/index.json`)).json();
  const model = process.argv[2] ?? chooseModel(models, "", PHANTOM);
  if (model === undefined) throw new Error("models/ holds no model: train one, or name one that is there.");
  mkdirSync(FOLDER, { recursive: true });
  const page = await browser.newPage({ viewport: { width: 1280, height: 720 } });
  const save = (name, target = page) => target.screenshot({ path: join(FOLDER, name) });

  await page.goto(server.url);
  await page.getByText("Suggested for each volume").waitFor({ state: "attached" });
  await page.getByText(/Models run on|models run on/).waitFor();
  await save("start.png");

  await page.goto(server.url + stateFragment(volumeState(PHANTOM, model)));
  await page.waitForFunction(inView, undefined, { timeout: PATIENCE, polling: 1000 });
  // The panel follows half a second later.
  await page.waitForTimeout(1500);
  await save("viewer.png");
  await save("morphology.png", page.locator(".mito-panel"));
  await page.getByLabel("Probability").check();
  await page.waitForTimeout(3000);
  await save("heat_map.png", page.locator(".neuroglancer-rendered-data-panel").first());

  // The same model on tissue in another style, adapted there.
  const shifted = {
    ...PHANTOM,
    source: "precomputed://phantom://shifted/1/em",
    truth: undefined,
    layer: "em",
  };
  await page.goto("about:blank");
  await page.goto(server.url + stateFragment(volumeState(shifted, model)));
  const section = page.locator("details.mito-adapt").first();
  await section.locator("summary").click();
  await section.getByLabel("Sections").fill("4");
  await section.getByRole("button", { name: "Start" }).click();
  await section.getByText(/^Adapted in/).waitFor({ timeout: PATIENCE });
  await section.locator("summary").evaluate((summary) => summary.scrollIntoView());
  await page.waitForTimeout(500);
  await save("adapt.png", page.locator(".mito-predict-tab"));
  console.log(`start, viewer, morphology, heat_map and adapt are in ${FOLDER} (model ${model})`);
} finally {
  await browser.close();
  await server.close();
}
