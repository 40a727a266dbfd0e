import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { Action } from "../../src/proofreading/types.js";
import { ChunkGrid } from "../../src/segmentation/chunk_grid.js";
import type { RunningServer } from "../../src/server/static_server.js";
import type { Vec3 } from "../../src/volume/types.js";
import { launchBrowser, openPage, VIEWPORT, waitInPage } from "../support/browser.js";
import { makeZarr } from "../support/make_zarr.js";
import { chunkIds, settled, shuffledPositions, volumeIds } from "../support/objects_page.js";
import { startApp } from "../support/server.js";
import { writeTinyModel } from "../support/tiny_model.js";
import { allArrive } from "./viewer_page.js";

const SIZE: Vec3 = [400, 280, 16];
const CHUNK: Vec3 = [128, 128, 8];
const grid = new ChunkGrid(CHUNK, { lower: [0, 0, 0], upper: SIZE });
/** Voxels a pixel of the screen. */
const ZOOM = 0.5;
const MIDDLE: Vec3 = [200, 140, 8];

/** Balls in rows; the first two of the second row touch, over the border of two chunks. */
const BALLS: readonly (readonly [x: number, y: number, radius: number])[] = [
  ...Array.from({ length: 6 }, (_, i) => [40 + 62 * i, 50, 18 + i] as const),
  [108, 140, 24],
  [146, 140, 24],
  [230, 140, 20],
  [300, 140, 22],
  [365, 140, 16],
  ...Array.from({ length: 6 }, (_, i) => [40 + 62 * i, 225, 24 - 2 * i] as const),
];
const at = (ball: number): Vec3 => [BALLS[ball][0], BALLS[ball][1], 8];
const LEFT = 6;
const RIGHT = 7;

function drawBalls(): Uint8Array {
  const out = new Uint8Array(SIZE[0] * SIZE[1] * SIZE[2]);
  for (let i = 0; i < out.length; i++) {
    const [x, y, z] = [i % SIZE[0], Math.floor(i / SIZE[0]) % SIZE[1], Math.floor(i / SIZE[0] / SIZE[1])];
    let inside = Number.POSITIVE_INFINITY;
    for (const [bx, by, radius] of BALLS)
      inside = Math.min(inside, Math.hypot(x - bx, y - by, 2 * (z - 8)) - radius);
    // Dark inside, with an edge of some voxels and a grain.
    out[i] = Math.round(Math.min(170, Math.max(50, 107 + 8 * inside)) + ((i * 7919) % 13) - 6);
  }
  return out;
}

/** What these tests ask of the page. */
interface EditsPage {
  chondria: {
    proofreading: {
      editor?: {
        session: {
          log: { size: number; operations: readonly { kind: string; id: string }[] };
          standing?: { operations: number; conflictCount: number; waiting: number; milliseconds: number };
          problem?: string;
          perform(action: Action): Promise<{ refused?: string }>;
          undo(): Promise<unknown>;
          redo(): Promise<unknown>;
        };
        show(voxel: Vec3): void;
      };
    };
  };
  acknowledged?: number;
}

const root = fileURLToPath(new URL("../..", import.meta.url));
const vnc = join(root, "../shared/data/VNC/stack1/raw");
const there = existsSync(vnc);
if (!there) console.log("a part is skipped: the real EM data of ../shared/data are not on this machine");
const run = promisify(execFile);

describe("proofreading in Chromium", () => {
  let folder: string;
  let app: RunningServer;
  let browser: Browser;
  const contexts: BrowserContext[] = [];

  const address = (
    proofreading: object,
    {
      em = "em.ome.zarr/|zarr:",
      query = `model=tiny&chunk=${CHUNK.join()}`,
      position = MIDDLE,
      nm = [10, 10, 10],
    }: { em?: string; query?: string; position?: Vec3; nm?: readonly number[] } = {},
  ) => {
    const source = `${app.url}data/${em}`;
    const [x, y, z] = nm.map((size) => [size * 1e-9, "m"]);
    const state = {
      dimensions: { x, y, z },
      position,
      crossSectionScale: ZOOM,
      prefetch: false,
      layers: [
        { type: "image", name: "em", source },
        { type: "mito", name: "mito", source: `${source}|mito:?${query}` },
      ],
      selectedLayer: { layer: "mito", visible: false },
      layout: "xy",
      proofreading,
    };
    return `${app.url}?backend=wasm#!${encodeURIComponent(JSON.stringify(state))}`;
  };
  const prepare = async (page: Page) => {
    await allArrive(page);
    await waitInPage(page, "the log is read", () => {
      const { editor } = (globalThis as unknown as EditsPage).chondria.proofreading;
      return editor !== undefined;
    });
    await settled(page);
  };
  const open = async () => {
    const { page, log } = await openPage(browser, { viewport: VIEWPORT });
    contexts.push(page.context());
    await page.goto(address({ visible: true }));
    await prepare(page);
    return { page, log };
  };

  /** Where a voxel is on the screen. */
  const onScreen = async (page: Page, [x, y]: Vec3, middle = MIDDLE): Promise<[number, number]> => {
    const box = (await page.locator(".neuroglancer-rendered-data-panel").first().boundingBox())!;
    return [
      box.x + box.width / 2 + (x + 0.5 - middle[0]) / ZOOM,
      box.y + box.height / 2 + (y + 0.5 - middle[1]) / ZOOM,
    ];
  };
  const click = async (page: Page, voxel: Vec3, middle = MIDDLE) => {
    const [x, y] = await onScreen(page, voxel, middle);
    await page.mouse.move(x, y);
    await page.waitForTimeout(50);
    await page.mouse.click(x, y);
  };
  const about = (page: Page) => page.locator(".proof-about").textContent();
  const hint = (page: Page) => page.locator(".proof-hint").textContent();
  const says = async (page: Page, selector: string, text: RegExp) => {
    const deadline = Date.now() + 30_000;
    let last: string | null = "";
    while (Date.now() < deadline) {
      last = await page.locator(selector).first().textContent();
      if (last !== null && text.test(last)) return;
      await page.waitForTimeout(50);
    }
    throw new Error(`${selector} says "${last}", not ${text}`);
  };
  const choose = async (page: Page, ball: number) => {
    await click(page, at(ball));
    await says(page, ".proof-about", /^(Object|Deleted)/);
  };
  const idAt = async (page: Page, voxel: Vec3): Promise<number> => {
    const position = voxel.map((v, i) => Math.floor(v / CHUNK[i])) as unknown as Vec3;
    const box = grid.boxOf(position);
    const ids = await chunkIds(page, position, box);
    const [x, y, z] = voxel.map((v, i) => v - box.lower[i]);
    const [width, height] = box.upper.map((u, i) => u - box.lower[i]);
    return ids[x + width * (y + height * z)];
  };
  const shown = async (page: Page, ...balls: number[]) => {
    await settled(page);
    const ids: number[] = [];
    for (const ball of balls) ids.push(await idAt(page, at(ball)));
    return ids;
  };
  const operations = (page: Page) =>
    page.evaluate(
      () => (globalThis as unknown as EditsPage).chondria.proofreading.editor?.session.log.size ?? -1,
    );
  const waitForOperations = async (page: Page, count: number) => {
    const deadline = Date.now() + 30_000;
    let now = -1;
    while (Date.now() < deadline) {
      now = await operations(page);
      if (now === count) return;
      await page.waitForTimeout(50);
    }
    throw new Error(`${now} operations in the log, not ${count}`);
  };
  /** Ids of the whole volume, once all chunks know of each other. */
  const everything = async (page: Page, size = SIZE, chunk = CHUNK) => {
    const order = shuffledPositions(size, chunk, 3);
    await volumeIds(page, size, chunk, order);
    await page.waitForTimeout(700);
    await settled(page);
    return volumeIds(page, size, chunk, order);
  };
  /** For docs/proofreading.md, in the folder that CHONDRIA_SHOTS names. */
  const shot = async (page: Page, name: string) => {
    const { CHONDRIA_SHOTS } = process.env;
    if (CHONDRIA_SHOTS) await page.screenshot({ path: join(CHONDRIA_SHOTS, `proofreading_${name}.png`) });
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "chondria-proofreading-"));
    await makeZarr(join(folder, "data", "em.ome.zarr"), {
      data: drawBalls(),
      size: SIZE,
      voxelSize: [10, 10, 10],
      chunkSize: [64, 64, 16],
    });
    await writeTinyModel(join(folder, "models", "tiny"));
    if (there)
      await cp(join(root, "models", "vnc-source-only"), join(folder, "models", "vnc-source-only"), {
        recursive: true,
      });
    app = await startApp({ data: join(folder, "data"), models: join(folder, "models") });
    browser = await launchBrowser();
  }, 600_000);

  afterEach(async () => {
    for (const context of contexts.splice(0)) await context.close();
  });

  afterAll(async () => {
    await browser?.close();
    await app?.close();
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  it("corrects objects by mouse and keyboard, undoes and redoes, and is the same after a reload", async () => {
    const { page, log } = await open();
    const start = await everything(page);
    const [one, two] = await shown(page, 0, 1);
    expect(one).not.toBe(two);
    expect(new Set(await shown(page, LEFT, RIGHT)).size).toBe(1);

    await page.mouse.move(...(await onScreen(page, at(0))));
    await page.keyboard.press("t");
    await says(page, ".proof-hint", /first object/);
    await click(page, at(0));
    await says(page, ".proof-hint", /merge with it/);
    await click(page, at(1));
    await says(page, ".proof-hint", /^Merged/);
    expect(new Set(await shown(page, 0, 1)).size).toBe(1);
    await page.keyboard.press("Escape");
    await says(page, ".proof-about", /merged of 2/);

    await page.keyboard.press("Control+z");
    await waitForOperations(page, 2);
    expect(await shown(page, 0, 1)).toEqual([one, two]);
    await page.keyboard.press("Control+Shift+Z");
    await waitForOperations(page, 3);
    expect(new Set(await shown(page, 0, 1)).size).toBe(1);

    await page.keyboard.press("d");
    await click(page, at(LEFT));
    await says(page, ".proof-hint", /Part 2/);
    await click(page, at(RIGHT));
    await says(page, ".proof-hint", /Enter cuts/);
    await settled(page);
    expect(await operations(page)).toBe(3);
    await page.keyboard.press("Enter");
    await waitForOperations(page, 4);
    expect(new Set(await shown(page, LEFT, RIGHT)).size).toBe(2);

    await choose(page, 2);
    await page.keyboard.press("Delete");
    await waitForOperations(page, 5);
    expect(await shown(page, 2)).toEqual([0]);
    await says(page, ".proof-about", /^Deleted/);
    await page.keyboard.press("Control+z");
    await waitForOperations(page, 6);
    await says(page, ".proof-about", /^Object/);
    await page.keyboard.press("Delete");
    await waitForOperations(page, 7);

    await choose(page, 3);
    await page.keyboard.press("y");
    await waitForOperations(page, 8);
    await page.getByLabel("Tag").fill("checked");
    await page.getByLabel("Tag").press("Enter");
    await page.getByLabel("Comment").fill("looks right");
    await page.getByLabel("Comment").press("Enter");
    await waitForOperations(page, 10);
    await says(page, ".proof-notes", /checked.*looks right/);
    expect(await page.locator("[data-verdict=accept]").getAttribute("aria-pressed")).toBe("true");

    const times = await latencies(page, at(4));
    console.log(
      `delete and restore, until the view has the chunk: ${times.map((ms) => ms.toFixed(0)).join(", ")} ms`,
    );
    await waitForOperations(page, 18);

    // A click at an object that is not there is refused, and not in the log.
    await click(page, [8, 8, 8]);
    await says(page, ".proof-about", /No object here/);
    await page.keyboard.press("q");
    await says(page, ".proof-hint", /Click an object first/);
    expect(await operations(page)).toBe(18);

    await settled(page);
    const before = await everything(page);
    expect(before.some((id, i) => id !== start[i])).toBe(true);
    await page.reload();
    await prepare(page);
    await waitForOperations(page, 18);
    await page.waitForTimeout(1000);
    await settled(page);
    const after = await everything(page);
    expect(after.reduce((count, id, i) => count + (id === before[i] ? 0 : 1), 0)).toBe(0);
    await choose(page, 3);
    await says(page, ".proof-notes", /checked.*looks right/);
    expect(log.errors.filter((error) => !error.startsWith("Failed to load resource"))).toEqual([]);
  }, 600_000);

  it("adds, changes shapes, and cancels previews without a trace", async () => {
    const { page } = await open();
    const start = await everything(page);
    await page.mouse.move(...(await onScreen(page, at(0))));
    await page.keyboard.press("d");
    await click(page, at(LEFT));
    await click(page, at(RIGHT));
    await says(page, ".proof-hint", /Enter cuts/);
    await page.keyboard.press("Escape");
    await settled(page);
    const same = async () => {
      const now = await everything(page);
      return now.reduce((count, id, i) => count + (id === start[i] ? 0 : 1), 0);
    };
    expect(await same()).toBe(0);
    expect(await operations(page)).toBe(0);

    await choose(page, 8);
    const voxels = async () => Number((await about(page))!.match(/([\d,]+) voxels/)![1].replaceAll(",", ""));
    const size = await voxels();
    for (const [name, bigger] of [
      ["Grow", 1],
      ["Shrink", -1],
    ] as const) {
      const was = await voxels();
      await page.getByRole("button", { name, exact: true }).click();
      await page.waitForFunction(
        (old) => !document.querySelector(".proof-about")!.textContent!.includes(old),
        `, ${was.toLocaleString("en")} voxels`,
      );
      expect(Math.sign((await voxels()) - was)).toBe(bigger);
    }
    await page.mouse.move(...(await onScreen(page, at(0))));
    // Neuroglancer moves the focus to the view a moment after the mouse.
    await page.waitForTimeout(200);
    await page.keyboard.press("Control+z");
    await waitForOperations(page, 3);
    await page.keyboard.press("Control+z");
    await waitForOperations(page, 4);
    await says(page, ".proof-about", new RegExp(`, ${size.toLocaleString("en")} voxels`));
    await settled(page);
    expect(await same()).toBe(0);

    // A line across three objects merges them.
    await page.keyboard.press("t");
    await says(page, ".proof-hint", /first object/);
    await click(page, at(0));
    await says(page, ".proof-hint", /merge with it/);
    await page.keyboard.down("Shift");
    await click(page, at(2));
    await page.keyboard.up("Shift");
    await waitForOperations(page, 5);
    await page.keyboard.press("Escape");
    expect(new Set(await shown(page, 0, 1, 2)).size).toBe(1);
    await page.keyboard.press("Control+z");
    await waitForOperations(page, 6);
    expect(new Set(await shown(page, 0, 1, 2)).size).toBe(3);

    // An object that was deleted is added anew by a click.
    await choose(page, 10);
    await page.keyboard.press("Delete");
    await waitForOperations(page, 7);
    expect(await shown(page, 10)).toEqual([0]);
    await page.keyboard.press("'");
    await click(page, at(10));
    await says(page, ".proof-hint", /voxels, threshold/);
    await page.keyboard.press("Enter");
    await waitForOperations(page, 8);
    expect((await shown(page, 10))[0]).toBeGreaterThan(2 ** 52);
  }, 600_000);

  it("loses at most the operation in flight when the page is killed, and tells other tabs", async () => {
    const { page } = await open();
    const context = page.context();
    const perform = () => {
      const { editor } = (globalThis as unknown as EditsPage).chondria.proofreading;
      const balls: Vec3[] = [];
      for (let i = 0; i < 6; i++) balls.push([40 + 62 * i, 50, 8]);
      const page = globalThis as unknown as EditsPage;
      page.acknowledged = 0;
      const run = async () => {
        for (let i = 0; i < 5000; i++) {
          const anchor = balls[i % 6];
          await editor!.session.perform({ kind: "tag", anchor, tag: `tag ${i}` });
          page.acknowledged!++;
        }
      };
      void run();
    };
    const session = await context.newCDPSession(page);
    await page.evaluate(perform);
    let acknowledged = 0;
    while (acknowledged < 80) {
      acknowledged = await page.evaluate(() => (globalThis as unknown as EditsPage).acknowledged!);
      await page.waitForTimeout(5);
    }
    // Ends the page's process at once: nothing in it is told.
    await Promise.race([
      session.send("Page.crash").catch(() => {}),
      new Promise((done) => setTimeout(done, 2000)),
    ]);
    const again = await context.newPage();
    await again.goto(address({ visible: true }));
    await prepare(again);
    const stored = await operations(again);
    expect(stored).toBeGreaterThanOrEqual(acknowledged);
    expect(stored).toBeLessThan(5000);
    const tags = await again.evaluate(() => {
      const { session } = (globalThis as unknown as EditsPage).chondria.proofreading.editor!;
      return session.log.operations.map((operation) => (operation as unknown as { tag: string }).tag);
    });
    expect(tags).toEqual(Array.from({ length: stored }, (_, i) => `tag ${i}`));
    console.log(`killed after ${acknowledged} acknowledged operations: ${stored} are there`);

    const other = await context.newPage();
    await other.goto(address({ visible: true }));
    await prepare(other);
    expect(await operations(other)).toBe(stored);
    const act = (one: Page) =>
      one.evaluate(() => {
        const { editor } = (globalThis as unknown as EditsPage).chondria.proofreading;
        return editor!.session.perform({ kind: "verdict", anchor: [230, 140, 8], verdict: "unsure" });
      });
    await Promise.all([act(again), act(other)]);
    await waitForOperations(again, stored + 2);
    await waitForOperations(other, stored + 2);
  }, 600_000);

  it("says at once that edits are not kept, and exports them", async () => {
    const { page } = await openPage(browser, { viewport: VIEWPORT });
    contexts.push(page.context());
    await page.addInitScript(() => {
      Object.defineProperty(globalThis, "indexedDB", { value: undefined });
    });
    await page.goto(address({ visible: true }));
    await prepare(page);
    await says(page, "[aria-label=Log] [role=status]", /cannot be kept/);
    await choose(page, 4);
    await page.keyboard.press("w");
    await says(page, "[aria-label=Log] [role=status]", /1 of 1 operations are only in this page/);
    const waiting = page.waitForEvent("download");
    await page.getByRole("button", { name: "Export", exact: true }).click();
    const file = await waiting;
    const text = (await (await file.createReadStream()).toArray()).join("");
    expect(text.trim().split("\n")).toHaveLength(1);
    expect(JSON.parse(text)).toMatchObject({ kind: "verdict", verdict: "reject" });
    expect(await hint(page)).toBe("");
  }, 300_000);

  it("goes through the queue by keys, and goes on there after a reload", async () => {
    const { page } = await open();
    await page.mouse.move(...(await onScreen(page, MIDDLE)));
    await page.getByLabel("Order of the queue").selectOption("size");
    await page.mouse.move(...(await onScreen(page, MIDDLE)));
    await page.locator(".neuroglancer-rendered-data-panel").first().hover();
    await page.keyboard.press("j");
    const total = BALLS.length - 1;
    await says(page, ".proof-left", new RegExp(`^${total} of ${total} left`));
    await says(page, ".proof-about", /^Object/);
    const first = await about(page);
    const voxels = (text: string | null) => Number(text!.match(/([\d,]+) voxels/)![1].replaceAll(",", ""));
    await page.keyboard.press("y");
    await says(page, ".proof-left", new RegExp(`^${total - 1} of ${total} left`));
    await page.waitForFunction((old) => document.querySelector(".proof-about")!.textContent !== old, first);
    await says(page, ".proof-about", /^Object/);
    const second = await about(page);
    expect(voxels(second)).toBeLessThanOrEqual(voxels(first));
    await page.keyboard.press("j");
    await page.waitForFunction((old) => document.querySelector(".proof-about")!.textContent !== old, second);
    await page.keyboard.press("g");
    await says(page, ".proof-about", new RegExp(`^${second!.slice(0, 12)}`));
    await page.waitForTimeout(500);
    await page.reload();
    await prepare(page);
    await page.locator(".neuroglancer-rendered-data-panel").first().hover();
    await page.keyboard.press("j");
    await says(page, ".proof-left", new RegExp(`^${total - 1} of ${total} left`));
    await says(page, ".proof-about", new RegExp(`^${second!.slice(0, 12)}`));
  }, 300_000);

  it.skipIf(!there)(
    "corrects a prediction of VNC, each operation undone and redone, and is the same after a reload",
    async () => {
      const em = join(folder, "data", "vnc.ome.zarr");
      const region = ["--voxel-size", "4.6,4.6,50nm", "--region", "0:1024,0:768,0:4"];
      await run(process.execPath, [join(root, "bin/chondria.mjs"), "import", vnc, em, ...region], {
        cwd: root,
      });
      const size: Vec3 = [512, 384, 4];
      const chunk: Vec3 = [128, 128, 4];
      const middle: Vec3 = [256, 192, 2];
      const { page, log } = await openPage(browser, { viewport: VIEWPORT });
      contexts.push(page.context());
      const options = {
        em: "vnc.ome.zarr/|zarr2:",
        query: `model=vnc-source-only&chunk=${chunk.join()}`,
        position: middle,
        nm: [9.2, 9.2, 50],
      };
      await page.goto(address({ visible: true }, options));
      await prepare(page);
      const start = await everything(page, size, chunk);
      const objects = inSection(start, size, 2);
      expect(objects.length).toBeGreaterThan(5);
      const [cut, one, two, gone, judged] = objects;
      const perform = (action: Action) =>
        page.evaluate(
          (given) =>
            (globalThis as unknown as EditsPage).chondria.proofreading.editor!.session.perform(given),
          action,
        );
      const equal = async (wanted: Float64Array) => {
        const now = await everything(page, size, chunk);
        return now.reduce((count, id, i) => count + (id === wanted[i] ? 0 : 1), 0) === 0;
      };
      let count = 0;
      const undoAndRedo = async (before: Float64Array) => {
        await settled(page);
        const after = await everything(page, size, chunk);
        expect(await equal(before)).toBe(false);
        await page.keyboard.press("Control+z");
        await waitForOperations(page, ++count);
        expect(await equal(before)).toBe(true);
        await page.keyboard.press("Control+Shift+Z");
        await waitForOperations(page, ++count);
        expect(await equal(after)).toBe(true);
        return after;
      };
      await page.mouse.move(...(await onScreen(page, cut.middle, middle)));
      await page.keyboard.press("d");
      await click(page, cut.left, middle);
      await says(page, ".proof-hint", /Part 2/);
      await click(page, cut.right, middle);
      await says(page, ".proof-hint", /Enter cuts/);
      await settled(page);
      await page.waitForTimeout(1000);
      await shot(page, "split");
      await page.keyboard.press("Enter");
      await waitForOperations(page, ++count);
      let state = await undoAndRedo(start);
      await page.keyboard.press("t");
      await says(page, ".proof-hint", /first object/);
      await click(page, one.middle, middle);
      await says(page, ".proof-hint", /merge with it/);
      await click(page, two.middle, middle);
      await waitForOperations(page, ++count);
      await page.keyboard.press("Escape");
      state = await undoAndRedo(state);
      await click(page, gone.middle, middle);
      await says(page, ".proof-about", /^Object/);
      await page.keyboard.press("Delete");
      await waitForOperations(page, ++count);
      state = await undoAndRedo(state);
      expect(await perform({ kind: "comment", anchor: judged.middle, text: "cristae?" })).not.toHaveProperty(
        "refused",
      );
      await page.locator(".neuroglancer-rendered-data-panel").first().hover();
      await page.keyboard.press("j");
      await says(page, ".proof-left", /left$/);
      await page.keyboard.press("f");
      count += 2;
      await waitForOperations(page, count);
      await page.waitForTimeout(1500);
      await shot(page, "queue");

      await page.reload();
      await prepare(page);
      await waitForOperations(page, count);
      expect(await equal(state)).toBe(true);
      // At a high threshold some places have no object any more: nothing is dropped, and said.
      await page.evaluate(() => {
        const { viewer } = globalThis as unknown as {
          viewer: {
            layerManager: {
              managedLayers: { name: string; layer: { state: { threshold: { value: number } } } }[];
            };
          };
        };
        viewer.layerManager.managedLayers.find(({ name }) => name === "mito")!.layer.state.threshold.value =
          0.995;
      });
      await says(page, "[aria-label=Log] h3", /Conflicts \([1-9]/);
      await page.waitForTimeout(2000);
      await shot(page, "conflict");
      expect(await operations(page)).toBe(count);
      expect(log.errors.filter((error) => !error.startsWith("Failed to load resource"))).toEqual([]);
    },
    900_000,
  );
});

/** Deletes and restores an object four times: from the call until the page has other data of its chunk, ms. */
function latencies(page: Page, anchor: Vec3): Promise<number[]> {
  return page.evaluate(
    async ({ anchor, key }) => {
      const { chondria, mito } = globalThis as unknown as EditsPage & {
        mito: { sources: Set<{ chunks: Map<string, unknown> }> };
      };
      const [{ chunks }] = mito.sources;
      const times: number[] = [];
      for (let i = 0; i < 8; i++) {
        const before = chunks.get(key);
        const begun = performance.now();
        const kind = i % 2 === 0 ? "delete" : "restore";
        await chondria.proofreading.editor!.session.perform({ kind, anchor });
        while (chunks.get(key) === before) {
          if (performance.now() - begun > 20_000) throw new Error(`${kind} does not show`);
          await new Promise((resolve) => setTimeout(resolve, 1));
        }
        times.push(performance.now() - begun);
        await new Promise((resolve) => setTimeout(resolve, 700));
      }
      return times;
    },
    { anchor, key: anchor.map((v, i) => Math.floor(v / CHUNK[i])).join() },
  );
}

/** Objects of a section that are neither small nor at the border of the screen, the widest first. */
function inSection(ids: Float64Array, [width, height]: Vec3, z: number) {
  const runs = new Map<number, { centre: Vec3; length: number }[]>();
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const row = width * (y + height * z);
      const id = ids[row + x];
      if (id === 0) continue;
      const start = x;
      while (x + 1 < width && ids[row + x + 1] === id) x++;
      const found = runs.get(id) ?? [];
      runs.set(id, found);
      found.push({ centre: [Math.floor((start + x) / 2), y, z], length: x + 1 - start });
    }
  const inView = ({ centre: [x, y] }: { centre: Vec3 }) =>
    x > 48 && y > 48 && x < width - 48 && y < height - 48;
  return [...runs.values()]
    .filter((some) => some.every(inView) && some.length > 8)
    .map((some) => {
      const xs = some.map(({ centre }) => centre[0]);
      const [from, to] = [Math.min(...xs), Math.max(...xs)];
      const longest = (within: (x: number) => boolean) =>
        some.filter(({ centre }) => within(centre[0])).sort((a, b) => b.length - a.length)[0].centre;
      return {
        width: to - from,
        left: longest((x) => x <= from + (to - from) / 3),
        right: longest((x) => x >= to - (to - from) / 3),
        middle: longest(() => true),
      };
    })
    .sort((a, b) => b.width - a.width);
}
