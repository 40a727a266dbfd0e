import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { build } from "esbuild";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { launchBrowser } from "../support/browser.js";
import type { Edits } from "./edit_store_entry.js";

declare const edits: Edits;

let server: Server;
let browser: Browser;
let context: BrowserContext;
let origin: string;

beforeAll(async () => {
  const { outputFiles } = await build({
    entryPoints: ["test/browser/edit_store_entry.ts"],
    bundle: true,
    format: "esm",
    write: false,
    outdir: "/",
  });
  server = createServer((request, response) => {
    const isScript = request.url === "/edits.js";
    response.setHeader("Content-Type", isScript ? "text/javascript" : "text/html");
    response.end(
      isScript
        ? outputFiles[0].text
        : '<!doctype html><title>edits</title><script type="module" src="edits.js"></script>',
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  browser = await launchBrowser();
}, 120_000);

afterAll(async () => {
  await browser?.close();
  server?.close();
});

/** Each test has storage of its own; its pages are tabs that share it. */
beforeEach(async () => {
  context = await browser.newContext();
  return () => context.close();
});

async function tab(): Promise<Page> {
  const page = await context.newPage();
  await page.goto(origin);
  await page.waitForFunction(() => "edits" in globalThis);
  return page;
}

const stored = (page: Page, log = "a") =>
  page.evaluate(async (name) => {
    const store = await edits.openEditStore(name);
    return (await store.readAll()).operations.map(({ id }) => id).sort();
  }, log);

describe("the store of edits in Chromium", () => {
  it("keeps a log over a reload, apart from other logs, each operation once", async () => {
    const page = await tab();
    const ids = await page.evaluate(async () => {
      const store = await edits.openEditStore("a");
      const made = edits.deletes("ana", 20);
      await store.append(made);
      await store.append(made.slice(5));
      await (await edits.openEditStore("b")).append(edits.deletes("ana", 1));
      return made.map(({ id }) => id).sort();
    });
    await page.reload();
    await page.waitForFunction(() => "edits" in globalThis);
    expect(await stored(page)).toEqual(ids);
    expect(await stored(page, "b")).toHaveLength(1);
  });

  it("takes what two tabs append at the same time, and tells each what the other did", async () => {
    const [one, two] = [await tab(), await tab()];
    const work = (page: Page, author: string) =>
      page.evaluate(async (name) => {
        const store = await edits.openEditStore("a");
        const heard = new Set<string>();
        const all = new Promise<void>((resolve) => {
          store.subscribe((operations) => {
            for (const { id, author } of operations) if (author !== name) heard.add(id);
            if (heard.size === 100) resolve();
          });
        });
        // Both listen before either writes.
        const start = new BroadcastChannel("start");
        await new Promise<void>((resolve) => {
          start.onmessage = () => resolve();
          const call = setInterval(() => start.postMessage("ready"), 50);
          setTimeout(() => clearInterval(call), 5000);
        });
        start.postMessage("ready");
        for (const operation of edits.deletes(name, 100)) await store.append([operation]);
        await all;
        return heard.size;
      }, author);
    expect(await Promise.all([work(one, "ana"), work(two, "ben")])).toEqual([100, 100]);
    expect(await stored(one)).toHaveLength(200);
  });

  it("loses at most the operation in flight when the tab is killed", async () => {
    const page = await tab();
    const acknowledged: string[] = [];
    await page.exposeFunction("stored", (id: string) => acknowledged.push(id));
    const writing = page.evaluate(async () => {
      const store = await edits.openEditStore("a");
      for (const operation of edits.deletes("ana", 200)) {
        await store.append([operation]);
        (globalThis as unknown as { stored(id: string): void }).stored(operation.id);
      }
    });
    const ended = writing.catch(() => "killed");
    while (acknowledged.length < 40) await new Promise((resolve) => setTimeout(resolve, 5));
    await page.close({ runBeforeUnload: false });
    expect(await ended).toBe("killed");
    const found = await stored(await tab());
    expect(found).toEqual(expect.arrayContaining(acknowledged));
    expect(found.length).toBeLessThan(200);
  });

  it("says that the storage is full, and keeps what it has", async () => {
    const page = await tab();
    const message = await page.evaluate(async () => {
      const store = await edits.openEditStore("a");
      await store.append(edits.deletes("ana", 3));
      IDBObjectStore.prototype.put = () => {
        throw new DOMException("full", "QuotaExceededError");
      };
      return store.append(edits.deletes("ana", 1)).catch(({ name, message }: Error) => `${name}: ${message}`);
    });
    expect(message).toMatch(/^EditStoreError: the edit is not stored, the browser's storage is full/);
    expect(await stored(page)).toHaveLength(3);
  });

  it("says that the browser denies storage", async () => {
    const page = await tab();
    const message = await page.evaluate(() => {
      indexedDB.open = () => {
        throw new DOMException("denied", "SecurityError");
      };
      return edits.openEditStore("a").catch(({ name, message }: Error) => `${name}: ${message}`);
    });
    expect(message).toBe(
      "EditStoreError: edits cannot be kept in this browser (denied): allow site data, or export the log before you leave",
    );
  });
});
