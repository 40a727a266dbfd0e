import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { unzipSync } from "fflate";
import { parquetReadObjects } from "hyparquet";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import * as zarr from "zarrita";
import { createPredictor } from "../../src/inference/predictor.js";
import { selectBackend } from "../../src/kernels/backend_node.js";
import type { RunningServer } from "../../src/server/static_server.js";
import { boxSize, boxVolume } from "../../src/volume/box.js";
import { copyBox } from "../../src/volume/copy_box.js";
import type { Box, Vec3, VoxelArray } from "../../src/volume/types.js";
import { blobs } from "../support/blobs.js";
import { launchBrowser, openPage, type PageLog, waitInPage } from "../support/browser.js";
import { textContrasts } from "../support/contrast.js";
import {
  chooseOwnFolder,
  closeExport,
  exportButton,
  exportProblem,
  type Files,
  filesIn,
  openExport,
  runExport,
  tick,
} from "../support/export_page.js";
import { makeZarr } from "../support/make_zarr.js";
import { expectedIds } from "../support/objects_page.js";
import { startApp } from "../support/server.js";
import { writeTinyModel } from "../support/tiny_model.js";
import { firstDifference } from "../support/zarr_compare.js";
import { readCsv } from "../unit/export/read_csv.js";
import { readPly, readPrecomputed } from "../unit/mesh/read_meshes.js";
import { allArrive, viewerUrl } from "./viewer_page.js";

const SIZE: Vec3 = [260, 200, 20];
const CHUNK: Vec3 = [64, 64, 8];
/** Of text, as the guidelines for accessible pages ask for. */
const LEAST_CONTRAST = 4.5;
const WHOLE: Box = { lower: [0, 0, 0], upper: SIZE };

/** Ranges as typed: the coordinates of a Zarr are those of voxels' middles. */
const typed = ({ lower, upper }: Box) => lower.map((l, axis) => `${l - 0.5}:${upper[axis] - 0.5}`).join(", ");

async function level0(files: Files, folder: string): Promise<{ shape: number[]; data: VoxelArray }> {
  const store = new Map([...files].map(([path, bytes]) => [`/${path}` as const, bytes]));
  const array = await zarr.open.v2(zarr.root(store).resolve(`${folder}/0`), { kind: "array" });
  const { data, shape } = await zarr.get(array);
  return { shape, data: data as VoxelArray };
}

function part<T extends VoxelArray>(volume: T, { lower, upper }: Box): T {
  const size = boxSize({ lower, upper });
  const empty = new (volume.constructor as new (length: number) => T)(boxVolume({ lower, upper }));
  return copyBox(volume, SIZE, lower, empty, size, [0, 0, 0]);
}

describe("export in Chromium", () => {
  let folder: string;
  let app: RunningServer;
  let browser: Browser;
  let page: Page;
  let log: PageLog;
  let probability: Uint8Array;
  let ids: BigUint64Array;
  let voxels: Map<number, number>;
  let archive: Uint8Array;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "chondria-export-"));
    const data = blobs(SIZE) as Uint8Array;
    await makeZarr(join(folder, "data", "em.ome.zarr"), { data, size: SIZE, voxelSize: [10, 10, 10] });
    await selectBackend("wasm");
    const predictor = await createPredictor(await writeTinyModel(join(folder, "models", "tiny")), "wasm");
    const predicted = await predictor.predict({
      em: data,
      gather: WHOLE,
      core: WHOLE,
      geometry: { scale: 0, sliceAxis: 2, planeAxes: [0, 1], ratio: [1, 1], bounds: WHOLE },
      window: [0, 255],
      tta: "none",
    });
    predictor.dispose();
    probability = predicted.probability;
    const expected = expectedIds(probability, SIZE, CHUNK, { threshold: 0.5, minimumVoxels: 100 });
    expect(expected.crossing).toBeGreaterThan(3);
    ids = BigUint64Array.from(expected.ids, BigInt);
    voxels = expected.voxels;
    app = await startApp({ data: join(folder, "data"), models: join(folder, "models") });
    browser = await launchBrowser();
    ({ page, log } = await openPage(browser));
    const em = `${app.url}data/em.ome.zarr/|zarr:`;
    await page.goto(viewerUrl(app.url, "?backend=wasm", { em, query: `model=tiny&chunk=${CHUNK.join()}` }));
    await allArrive(page);
    await chooseOwnFolder(page);
  }, 600_000);

  afterEach(() => closeExport(page));

  afterAll(async () => {
    await page?.context().close();
    await browser?.close();
    await app?.close();
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  it("says what is missing before anything starts", async () => {
    await openExport(page);
    expect(await page.getByLabel("Box", { exact: true }).isVisible()).toBe(false);
    await tick(page);
    await exportButton(page, "Export").click();
    await expect
      .poll(() => exportProblem(page).textContent())
      .toMatch(/^Choose at least one thing to export\.$/);
    await tick(page, "Labels");
    // What is visible was filled in; a Zarr's coordinates are those of the voxels' middles.
    expect(await page.getByLabel("Box", { exact: true }).inputValue()).toMatch(
      /^-0\.5:\d+\.5, -0\.5:\d+\.5, /,
    );
    await page.getByLabel("Box", { exact: true }).fill("nonsense");
    await exportButton(page, "Export").click();
    await expect.poll(() => exportProblem(page).textContent()).toMatch(/“nonsense” must be 3 ranges/);
    await page.getByLabel("Box", { exact: true }).fill("900:901, 0:1, 0:1");
    await exportButton(page, "Export").click();
    await expect.poll(() => exportProblem(page).textContent()).toMatch(/outside of the volume/);
    await tick(page, "Meshes");
    await page.getByLabel("Which objects").selectOption("selected");
    await exportButton(page, "Export").click();
    await expect.poll(() => exportProblem(page).textContent()).toMatch(/^No object is selected\.$/);
    const texts = await textContrasts(page, "dialog.mito-export");
    expect(texts.filter(({ contrast }) => contrast < LEAST_CONTRAST)).toEqual([]);
  }, 60_000);

  it("writes labels and probabilities of the whole volume, voxel by voxel those of Node", async () => {
    await openExport(page);
    await tick(page, "Labels", "Probabilities");
    await page.getByLabel("Box", { exact: true }).fill(typed(WHOLE));
    await page.getByLabel("Name").fill("whole");
    expect(await runExport(page)).toMatch(/Written into the folder/);
    const files = (await filesIn(page, "whole"))!;
    const written = await level0(files, "probability.ome.zarr");
    expect(written.shape).toEqual([...SIZE].reverse());
    expect(firstDifference(written.data, probability)).toBe(-1);
    const labels = await level0(files, "labels.ome.zarr");
    expect(firstDifference(labels.data, ids)).toBe(-1);
    const attributes = JSON.parse(new TextDecoder().decode(files.get("labels.ome.zarr/.zattrs")));
    expect(attributes.chondria).toMatchObject({ model: "tiny", threshold: "0.5" });
  }, 300_000);

  it("cuts a box out at any voxel, and numbers labels from 1 where asked", async () => {
    const box: Box = { lower: [37, 21, 3], upper: [190, 143, 17] };
    await openExport(page);
    await tick(page, "Labels");
    await page.getByLabel("Values of the labels").selectOption("uint32");
    await page.getByLabel("Box", { exact: true }).fill(typed(box));
    await page.getByLabel("Name").fill("part");
    expect(await runExport(page)).toMatch(/label_ids\.csv/);
    const files = (await filesIn(page, "part"))!;
    const { data, shape } = await level0(files, "labels.ome.zarr");
    expect(shape).toEqual([...boxSize(box)].reverse());
    const rows = readCsv(new TextDecoder().decode(files.get("label_ids.csv")));
    const idOf = new Map(rows.slice(1).map(([label, id]) => [Number(label), BigInt(id)]));
    const found = BigUint64Array.from(data as Uint32Array, (label) => idOf.get(label) ?? 0n);
    expect(firstDifference(found, part(ids, box))).toBe(-1);
  }, 120_000);

  it("writes the table and the meshes of all objects", async () => {
    await waitInPage(page, "all objects are measured", () => {
      const { table } = (globalThis as unknown as { mito: { objects: { table: TableHandle } } }).mito.objects;
      return (
        table.size > 0 && Array.from({ length: table.size }, (_, row) => table.flags(row)).every((f) => f & 4)
      );
    });
    await openExport(page);
    await tick(page, "Object table", "Meshes", "Chunk metrics");
    await page.getByLabel("Which objects").selectOption("all");
    await page.getByLabel("Format of the chunk metrics").selectOption("parquet");
    await page.getByLabel("Name").fill("objects");
    expect(await runExport(page)).toMatch(new RegExp(`${voxels.size} meshes`));
    const files = (await filesIn(page, "objects"))!;
    expect([...files.keys()].sort()).toEqual([
      "chunks.parquet",
      "meshes.zip",
      "objects.csv",
      "objects.csv.json",
    ]);
    const [head, ...rows] = readCsv(new TextDecoder().decode(files.get("objects.csv")));
    const column = (name: string) => rows.map((row) => row[head.indexOf(name)]);
    const counts = new Map(column("id").map((id, i) => [Number(id), Number(column("voxels")[i])]));
    expect(counts).toEqual(voxels);
    expect(new Set(column("status"))).toEqual(new Set(["ok"]));
    const meshes = unzipSync(files.get("meshes.zip")!);
    expect(JSON.parse(new TextDecoder().decode(meshes.info))).toEqual({
      "@type": "neuroglancer_legacy_mesh",
    });
    for (const [i, id] of column("id").entries()) {
      const { positions } = readPrecomputed(id, (name) => meshes[name]);
      ["x", "y", "z"].forEach((axis, k) => {
        const values = positions.filter((_, at) => at % 3 === k);
        const lower = 10 * Number(column(`lower_${axis}_voxels`)[i]);
        const upper = 10 * Number(column(`upper_${axis}_voxels`)[i]);
        expect(Math.abs(Math.min(...values) - lower), `${id} ${axis}`).toBeLessThan(10);
        expect(Math.abs(Math.max(...values) - upper), `${id} ${axis}`).toBeLessThan(10);
      });
    }
    archive = files.get("meshes.zip")!;
    const chunks = files.get("chunks.parquet")!;
    const reports = await parquetReadObjects({ file: chunks.buffer as ArrayBuffer });
    expect(reports.length).toBeGreaterThan(0);
    expect(reports[0].upper_x_voxels).toBeTypeOf("bigint");
  }, 240_000);

  it("writes meshes that Neuroglancer opens from the archive as it is", async () => {
    await writeFile(join(folder, "data", "meshes.zip"), archive);
    const { page: other, log: its } = await openPage(browser);
    const segments = [...voxels.keys()].map(String);
    const source = `${app.url}data/meshes.zip|zip:|neuroglancer-precomputed:`;
    const layers = [{ type: "segmentation", name: "meshes", source, segments }];
    const state = { layers, layout: "3d", position: [1300, 1000, 100], projectionScale: 3000 };
    await other.goto(`${app.url}#!${encodeURIComponent(JSON.stringify(state))}`);
    const shown = await waitInPage(other, "the meshes are there", () => {
      const { viewer } = globalThis as unknown as {
        viewer?: { chunkManager: { rpc: { objects: Map<number, Meshes> } } };
      };
      for (const { fragmentSource } of viewer?.chunkManager.rpc.objects.values() ?? []) {
        const chunks = [...(fragmentSource?.chunks.values() ?? [])];
        if (chunks.length > 0 && chunks.every(({ meshData }) => meshData !== undefined))
          return chunks.map(({ meshData }) => meshData.vertexPositions.length / 3);
      }
      return undefined;
    });
    const files = unzipSync(archive);
    const written = segments.map((id) => readPrecomputed(id, (name) => files[name]).positions.length / 3);
    expect(shown.length).toBeGreaterThan(0);
    expect(written).toEqual(expect.arrayContaining(shown));
    expect(its.errors.filter((error) => !error.startsWith("Failed to load resource"))).toEqual([]);
    await other.context().close();
  }, 120_000);

  it("downloads a table as it is, and more as an archive", async () => {
    await openExport(page);
    await page.getByRole("radio", { name: "a download" }).check();
    await tick(page, "Object table");
    await page.getByLabel("Name").fill("one");
    const [table] = await Promise.all([page.waitForEvent("download"), exportButton(page, "Export").click()]);
    expect(table.suggestedFilename()).toBe("one-objects.csv");
    expect(readCsv(await readFile(await table.path(), "utf8")).length).toBe(voxels.size + 1);
    await exportButton(page, "Export more").click();
    await page.getByRole("radio", { name: "a download" }).check();
    await tick(page, "Meshes", "Probabilities");
    await page.getByLabel("Format of the meshes").selectOption("ply");
    const box: Box = { lower: [0, 0, 8], upper: [100, 70, 12] };
    await page.getByLabel("Box", { exact: true }).fill(typed(box));
    await page.getByLabel("Name").fill("more");
    const [archive] = await Promise.all([
      page.waitForEvent("download"),
      exportButton(page, "Export").click(),
    ]);
    expect(archive.suggestedFilename()).toBe("more.zip");
    const files = new Map(Object.entries(unzipSync(await readFile(await archive.path()))));
    const [id] = voxels.keys();
    expect(readPly(files.get(`meshes/${id}.ply`)!).indices.length).toBeGreaterThan(0);
    const { data } = await level0(files, "probability.ome.zarr");
    expect(firstDifference(data, part(probability, box))).toBe(-1);
  }, 120_000);

  it("keeps nothing of an export that is cancelled or cannot be written", async () => {
    await openExport(page);
    await tick(page, "Labels");
    await page.getByLabel("Box", { exact: true }).fill(typed(WHOLE));
    await page.getByLabel("Name").fill("whole");
    expect(await runExport(page)).toMatch(/whole: is there already/);
    // What was chosen stays.
    expect(await page.getByLabel("Box", { exact: true }).inputValue()).toBe(typed(WHOLE));
    expect((await filesIn(page, "whole"))?.has("labels.ome.zarr/.zattrs")).toBe(true);

    await tick(page, "Meshes");
    await page.getByLabel("Name").fill("cancelled");
    // As soon as there is a button for it.
    await page.evaluate(() => {
      const timer = setInterval(() => {
        const buttons = document.querySelectorAll<HTMLButtonElement>("dialog.mito-export button");
        const cancel = [...buttons].find(({ textContent }) => textContent === "Cancel");
        if (cancel === undefined) return;
        clearInterval(timer);
        cancel.click();
      }, 1);
    });
    expect(await runExport(page)).toMatch(/Cancelled\. Nothing was kept/);
    expect(await filesIn(page, "cancelled")).toBeUndefined();
    // Nothing but what the page cannot know beforehand: files that a Zarr may have.
    expect(log.errors.filter((error) => !error.startsWith("Failed to load resource"))).toEqual([]);
  }, 120_000);
});

interface Meshes {
  readonly fragmentSource?: {
    readonly chunks: Map<string, { readonly meshData: { vertexPositions: Float32Array } }>;
  };
}
interface TableHandle {
  readonly size: number;
  flags(row: number): number;
}
