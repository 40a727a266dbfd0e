import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { AgreementReport } from "../../layers/mito/agreement_protocol.js";
import { DEFAULT_LABEL_SETTINGS } from "../../layers/mito/base.js";
import { type ChunkComparison, compareChunk } from "../../src/evaluation/compare_chunk.js";
import { chooseGeometry } from "../../src/inference/geometry.js";
import { predictedVolume } from "../../src/inference/predicted_volume.js";
import { createPredictor } from "../../src/inference/predictor.js";
import { selectBackend } from "../../src/kernels/backend_node.js";
import { readPackageFolder } from "../../src/model/read_node.js";
import type { RunningServer } from "../../src/server/static_server.js";
import { boxSize } from "../../src/volume/box.js";
import { openVolume } from "../../src/volume/open_node.js";
import type { Box, Vec3, VolumeSource } from "../../src/volume/types.js";
import { root } from "../../tools/build.mjs";
import { launchBrowser, openPage, type PageLog, waitInPage } from "../support/browser.js";
import { textContrasts } from "../support/contrast.js";
import { makeZarr } from "../support/make_zarr.js";
import { startApp } from "../support/server.js";
import { stateAddress, stateInAddress } from "../support/viewer_page.js";

/** Mitochondria in every model's eyes, and where they differ. At 10 nm. */
const PLACE: Vec3 = [20480, 10240, 1024];
const SIZE: Vec3 = [256, 200, 4];
const CHUNK: Vec3 = [128, 100, 4];
const MODELS = [
  "phantom-source-only",
  "phantom-to-phantom-shifted-self-training",
  "phantom-to-phantom-shifted-target-statistics-matched",
];
const LONG = 280_000;

let folder: string;
let app: RunningServer;
let browser: Browser;
let page: Page;
let log: PageLog;
let em: VolumeSource;
let truth: Uint8Array;
/** Address of each request for EM, from when the comparison is opened. */
const requests: string[] = [];

const metres = [1e-8, "m"];
const zarr = (name: string) => `${app.url}data/${name}.ome.zarr/|zarr2:`;
const query = `window=0,255&chunk=${CHUNK.join()}`;

/** A prediction of the first model; the EM itself is hidden, so that what is fetched of it is for the models. */
function startState() {
  return {
    dimensions: { x: metres, y: metres, z: metres },
    position: [SIZE[0] / 2, SIZE[1] / 2, 2.5],
    crossSectionScale: 1,
    // Chunks ahead of a movement would be computed too.
    prefetch: false,
    layers: [
      { type: "image", name: "em", source: zarr("em"), visible: false },
      { type: "segmentation", name: "truth", source: zarr("truth"), visible: false },
      { type: "mito", name: "mito", source: `${zarr("em")}|mito:?model=${MODELS[0]}&${query}` },
    ],
    layout: "xy",
  };
}

/** What the tests look at of an AgreementState. */
interface AgreementHandle {
  readonly wanted: number;
  all(): AgreementReport[];
}

/** Puts the comparison under `globalThis.agreement`; true when every chunk in view is compared. */
const compared = () => {
  const global = globalThis as unknown as {
    agreement?: AgreementHandle;
    viewer?: {
      layerManager: {
        managedLayers: { layer: { dataSources: { loadState?: { subsources?: Subsource[] } }[] } | null }[];
      };
    };
  };
  interface Subsource {
    subsourceEntry: { subsource: { volume?: { state?: AgreementHandle } } };
  }
  for (const { layer } of global.viewer?.layerManager.managedLayers ?? [])
    for (const { loadState } of layer?.dataSources ?? [])
      for (const { subsourceEntry } of loadState?.subsources ?? []) {
        const state = subsourceEntry.subsource.volume?.state;
        if (state?.all !== undefined) global.agreement = state;
      }
  const { agreement } = global;
  return agreement !== undefined && agreement.wanted > 0 && agreement.all().length === agreement.wanted;
};

/** What the panel says of which model looks right. */
const words = (of: Page) => of.locator(".comparison-words").textContent();

/** The counts of each chunk, typed arrays as lists. */
function reports(of = page): Promise<AgreementReport[]> {
  return of.evaluate(() => {
    const { agreement } = globalThis as unknown as { agreement: AgreementHandle };
    return JSON.parse(
      JSON.stringify(agreement.all(), (_, value) =>
        ArrayBuffer.isView(value) ? [...(value as Uint8Array)] : value,
      ),
    );
  });
}

/** The same from the volume in Node, on the engine that the page has. */
async function computedInNode(threshold: number, reference: boolean): Promise<Map<string, ChunkComparison>> {
  await selectBackend("wasm");
  const predictions: VolumeSource[] = [];
  for (const id of MODELS) {
    const model = await readPackageFolder(join(root, "models", id));
    const predictor = await createPredictor(model, "wasm");
    predictions.push(
      predictedVolume(em, {
        name: id,
        geometry: chooseGeometry(em.scales, model.config.voxelSize),
        field: model.config.field,
        window: [0, 255],
        tta: "none",
        predict: (request, options) => predictor.predict(request, options),
      }),
    );
  }
  const chunks = new Map<string, ChunkComparison>();
  for (let y = 0; y < 2; y++)
    for (let x = 0; x < 2; x++) {
      const lower: Vec3 = [x * CHUNK[0], y * CHUNK[1], 0];
      const box: Box = { lower, upper: [lower[0] + CHUNK[0], lower[1] + CHUNK[1], CHUNK[2]] };
      const probabilities: Uint8Array[] = [];
      for (const volume of predictions) probabilities.push((await volume.read(0, box)) as Uint8Array);
      chunks.set(
        `${x},${y},0`,
        compareChunk({
          size: boxSize(box),
          sliceAxis: 2,
          probabilities,
          settings: MODELS.map(() => ({ ...DEFAULT_LABEL_SETTINGS, threshold })),
          ...(reference && { reference: cutTruth(box) }),
        }),
      );
    }
  return chunks;
}

function cutTruth({ lower, upper }: Box): Uint8Array {
  const out: number[] = [];
  for (let z = lower[2]; z < upper[2]; z++)
    for (let y = lower[1]; y < upper[1]; y++)
      for (let x = lower[0]; x < upper[0]; x++) out.push(truth[x + SIZE[0] * (y + SIZE[1] * z)]);
  return Uint8Array.from(out);
}

async function expectAsInNode(threshold: number, reference: boolean): Promise<void> {
  const expected = await computedInNode(threshold, reference);
  const given = await reports();
  expect(given.map(({ key }) => key).sort()).toEqual([...expected.keys()].sort());
  for (const { key, comparison } of given) {
    const plain = JSON.parse(
      JSON.stringify(expected.get(key), (_, value) =>
        ArrayBuffer.isView(value) ? [...(value as Uint8Array)] : value,
      ),
    );
    expect(comparison, `chunk ${key}`).toEqual(plain);
  }
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "chondria-comparison-"));
  const phantom = await openVolume("phantom://shifted/2/em");
  const labels = await openVolume("phantom://shifted/2/labels");
  const box: Box = { lower: PLACE, upper: PLACE.map((l, i) => l + SIZE[i]) as unknown as Vec3 };
  const scale = phantom.scales.findIndex(({ voxelSize }) => voxelSize[0] === 10);
  const voxels = await phantom.read(scale, box);
  truth = Uint8Array.from((await labels.read(scale, box)) as Uint32Array, (label) => (label ? 1 : 0));
  const made = { size: SIZE, voxelSize: [10, 10, 10] as Vec3 };
  await makeZarr(join(folder, "data/em.ome.zarr"), { ...made, data: voxels });
  await makeZarr(join(folder, "data/truth.ome.zarr"), {
    ...made,
    data: BigUint64Array.from(truth, (label) => BigInt(label)),
    labels: true,
  });
  em = await openVolume(join(folder, "data/em.ome.zarr"));
  app = await startApp({ data: join(folder, "data") });
  browser = await launchBrowser();
  ({ page, log } = await openPage(browser));
  page.on("request", (request) => {
    if (/em\.ome\.zarr\/.*\d$/.test(request.url())) requests.push(request.url());
  });
  await page.goto(stateAddress(app.url, startState(), "?backend=wasm"));
  await waitInPage(page, "the prediction is open", () => {
    const { viewer } = globalThis as unknown as {
      viewer?: { layerManager: { managedLayers: { layer: { mito?: { value?: object } } | null }[] } };
    };
    return viewer?.layerManager.managedLayers.some(({ layer }) => layer?.mito?.value !== undefined);
  });
}, 300_000);

afterAll(async () => {
  await browser?.close();
  await app?.close();
  await rm(folder, { recursive: true, force: true });
});

describe("a comparison of models", () => {
  it("asks which, and shows three side by side with where they agree", async () => {
    await page.keyboard.press("c");
    const dialog = page.getByRole("dialog");
    await dialog.getByText("2 to 4 models").waitFor();
    expect(await dialog.getByRole("button", { name: "Compare" }).isDisabled()).toBe(true);
    for (const id of MODELS) await dialog.locator(`input[value="${id}"]`).check();
    await dialog.getByText("3 models side by side.").waitFor();
    await dialog.getByRole("button", { name: "Compare" }).click();
    await waitInPage(page, "all chunks are compared", compared, LONG);
    expect(await page.locator(".neuroglancer-layer-group-viewer").count()).toBe(4);
    const panel = page.locator(".comparison-panel");
    await panel.getByText("4 chunks compared").waitFor();
    // The panels fit into the window, however long the figures are.
    for (const group of await page.locator(".neuroglancer-layer-group-viewer").all()) {
      const box = (await group.boundingBox())!;
      expect(box.y + box.height).toBeLessThanOrEqual(720);
      expect(box.height).toBeGreaterThan(250);
    }
    await expect.poll(() => words(page)).toMatch(/real mitochondria here.* of 100 resamplings/);
  }, 300_000);

  it("counts what a computation in Node counts", async () => {
    await expectAsInNode(0.5, false);
  }, 300_000);

  it("fetches the EM of a chunk once for all models", async () => {
    expect(requests.length).toBeGreaterThan(0);
    expect(requests.length).toBe(new Set(requests).size);
    const passes = await page.evaluate(() =>
      (
        globalThis as unknown as { chondria: { counters(): Promise<{ chunksComputed: number }> } }
      ).chondria.counters(),
    );
    // Four chunks of each model: the agreement's own sources computed nothing again.
    expect(passes.chunksComputed).toBe(4 * MODELS.length);
  });

  it("keeps the panels linked in position and zoom", async () => {
    const places = () =>
      page.evaluate(() => {
        interface Group {
          position: { value: Float32Array };
          crossSectionScale?: { value: number };
          viewerNavigationState: {
            position: { value: { value: Float32Array } };
            crossSectionScale: { value: { value: number } };
          };
        }
        interface Component {
          layerGroupViewer?: never;
          viewerNavigationState?: Group["viewerNavigationState"];
          [Symbol.iterator]?(): Iterator<{ component: Component }>;
        }
        const { viewer } = globalThis as unknown as {
          viewer: { layout: { container: { component: Component } } };
        };
        const found: string[] = [];
        const visit = (component: Component) => {
          const state = component.viewerNavigationState;
          if (state !== undefined)
            found.push(
              JSON.stringify([[...state.position.value.value], state.crossSectionScale.value.value]),
            );
          else if (component[Symbol.iterator] !== undefined)
            for (const child of component as Iterable<{ component: Component }>) visit(child.component);
        };
        visit(viewer.layout.container.component);
        return found;
      });
    const before = await places();
    expect(before).toHaveLength(4);
    const second = page.locator(".neuroglancer-layer-group-viewer").nth(1);
    const box = (await second.locator(".neuroglancer-rendered-data-panel").first().boundingBox())!;
    await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width / 2 - 20, box.y + box.height / 2 - 10, { steps: 4 });
    await page.mouse.up();
    await page.keyboard.press("Control+Equal");
    await page.waitForTimeout(300);
    const after = await places();
    expect(new Set(after).size).toBe(1);
    expect(after[0]).not.toBe(before[0]);
  });

  it("takes another threshold for all at once, without a forward pass", async () => {
    const slider = page.locator("#comparison-threshold");
    await slider.fill("0.3");
    await waitInPage(page, "all layers have the threshold", () => {
      const { viewer } = globalThis as unknown as {
        viewer: {
          layerManager: {
            managedLayers: { layer: { type: string; state?: { threshold?: { value: number } } } | null }[];
          };
        };
      };
      const layers = viewer.layerManager.managedLayers.filter(({ layer }) => layer?.type === "mito");
      return layers.length === 3 && layers.every(({ layer }) => layer?.state?.threshold?.value === 0.3);
    });
    await page.waitForTimeout(2_000);
    await expectAsInNode(0.3, false);
  }, 300_000);

  it("scores against a reference layer, as Node does", async () => {
    await page.getByLabel("Reference").selectOption("truth");
    const table = page.getByRole("table", { name: "Against the reference" });
    await table.waitFor({ timeout: 30_000 });
    await page.waitForTimeout(1_500);
    await expectAsInNode(0.3, true);
    const cells = await table.locator("tbody td:nth-child(2)").allTextContents();
    expect(cells).toHaveLength(3);
    for (const cell of cells) expect(cell).toMatch(/^[01]\.\d{3}$/);
  }, 300_000);

  it("can be read: its text stands out from its ground", async () => {
    for (const { text, contrast } of await textContrasts(page, ".comparison-panel"))
      expect(contrast, text).toBeGreaterThanOrEqual(4.5);
  });

  it("comes back from its link as it was", async () => {
    await page.getByLabel("Which chunks").selectOption("all");
    await waitInPage(page, "the state is in the address", () =>
      decodeURIComponent(location.hash).includes('"scope":"all"'),
    );
    const before = await stateInAddress(page);
    const given = await reports();
    const { page: other } = await openPage(browser);
    try {
      await other.goto(page.url());
      await waitInPage(other, "all chunks are compared again", compared, LONG);
      await other.getByRole("table", { name: "Against the reference" }).waitFor({ timeout: 30_000 });
      await other.waitForTimeout(1_500);
      const sorted = (all: AgreementReport[]) => [...all].sort((a, b) => a.key.localeCompare(b.key));
      expect(sorted(await reports(other))).toEqual(sorted(given));
      const after = await stateInAddress(other);
      expect(after.layers).toEqual(before.layers);
      expect(after.layout).toEqual(before.layout);
      expect(after.comparisonPanel).toEqual(before.comparisonPanel);
      await expect.poll(() => words(other)).toBe(await words(page));
    } finally {
      await other.context().close();
    }
  }, 300_000);

  it("ends in one panel, and the browser's way back leads to it again", async () => {
    await page.getByRole("button", { name: "End" }).click();
    await waitInPage(
      page,
      "one panel is left",
      () => document.querySelectorAll(".neuroglancer-layer-group-viewer").length === 1,
    );
    await page.goBack();
    await waitInPage(
      page,
      "the comparison is back",
      () => document.querySelectorAll(".neuroglancer-layer-group-viewer").length === 4,
    );
    // Neuroglancer looks for optional metadata files of a Zarr volume.
    expect(log.errors.filter((line) => !/404 \(Not Found\).*\/\.(zattrs|zarray)/.test(line))).toEqual([]);
  }, 60_000);
});
