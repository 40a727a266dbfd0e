import type { Page } from "playwright-core";
import { waitInPage } from "./browser.js";

/** Files of an export by their paths. */
export type Files = Map<string, Uint8Array>;

/** Has the page take its own private file system for the folder that a user would choose: the same API, without a window of the system. */
export async function chooseOwnFolder(page: Page): Promise<void> {
  await page.evaluate(() => {
    Object.assign(globalThis, { showDirectoryPicker: () => navigator.storage.getDirectory() });
  });
}

/** All that lies in a folder of the page's private file system; undefined when there is none. */
export async function filesIn(page: Page, folder: string): Promise<Files | undefined> {
  const found = await page.evaluate(async (name) => {
    const root = await navigator.storage.getDirectory();
    const files: [string, string][] = [];
    const read = async (directory: FileSystemDirectoryHandle, path: string) => {
      const entries = directory as unknown as AsyncIterable<[string, FileSystemHandle]>;
      for await (const [entry, handle] of entries) {
        if (handle.kind === "directory") await read(handle as FileSystemDirectoryHandle, `${path}${entry}/`);
        else {
          const bytes = new Uint8Array(
            await (await (handle as FileSystemFileHandle).getFile()).arrayBuffer(),
          );
          let binary = "";
          for (let i = 0; i < bytes.length; i += 4096)
            binary += String.fromCharCode(...bytes.subarray(i, i + 4096));
          files.push([`${path}${entry}`, btoa(binary)]);
        }
      }
    };
    try {
      await read(await root.getDirectoryHandle(name), "");
    } catch (error) {
      if ((error as Error).name === "NotFoundError") return undefined;
      throw error;
    }
    return files;
  }, folder);
  return found && new Map(found.map(([path, text]) => [path, Uint8Array.from(Buffer.from(text, "base64"))]));
}

const dialog = (page: Page) => page.locator("dialog.mito-export");

export async function openExport(page: Page): Promise<void> {
  await page.getByRole("button", { name: "Export…" }).click();
  await dialog(page).waitFor();
}

export const exportButton = (page: Page, name: string) =>
  dialog(page).getByRole("button", { name, exact: true });
export const exportProblem = (page: Page) => dialog(page).getByRole("alert");

/** Ticks exactly these things, by their labels. */
export async function tick(page: Page, ...wanted: string[]): Promise<void> {
  for (const name of ["Object table", "Meshes", "Labels", "Probabilities", "Chunk metrics"])
    await dialog(page).getByRole("checkbox", { name }).setChecked(wanted.includes(name));
}

/** Starts what the form says and waits for its end. @returns what the dialog says then. */
export async function runExport(page: Page, timeout = 240_000): Promise<string> {
  // What was said of an export before goes with the click.
  await exportButton(page, "Export").click();
  return exportEnd(page, timeout);
}

/** Waits for the end of an export, good or bad. @returns what the dialog says. */
export function exportEnd(page: Page, timeout = 240_000): Promise<string> {
  return waitInPage(
    page,
    "the export has ended",
    () => {
      const shown = document.querySelector<HTMLElement>("dialog.mito-export")!;
      const problem = shown.querySelector("[role=alert]")!.textContent;
      return shown.dataset.state === "done" || problem !== "" ? shown.innerText : undefined;
    },
    timeout,
  );
}

/** Leaves no dialog open for the next test. */
export async function closeExport(page: Page): Promise<void> {
  await page.evaluate(() => document.querySelector<HTMLDialogElement>("dialog.mito-export")?.close());
}
