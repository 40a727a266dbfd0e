import { type Browser, type ConsoleMessage, chromium, type Page } from "playwright-core";
import { chromiumSwitches, ensureChromium } from "../../tools/chromium.mjs";

/** Wide and high enough for the viewer with its side panel; the smallest size that the page is made for. */
export const VIEWPORT = { width: 1280, height: 720 };

/** A headless Chromium with WebGL2 (and WebGPU on request) in software. The caller closes it. */
export function launchBrowser({ webgpu = false } = {}): Promise<Browser> {
  return chromium.launch({ executablePath: ensureChromium(), args: chromiumSwitches({ webgpu }) });
}

/** Everything that a page reported as wrong, worker messages included. */
export interface PageLog {
  readonly errors: string[];
  readonly warnings: string[];
  readonly workers: string[];
}

/** A page whose console errors, uncaught exceptions and CSP violations are collected in `log`. */
export async function openPage(
  browser: Browser,
  options: { viewport?: { width: number; height: number } } = {},
): Promise<{ page: Page; log: PageLog }> {
  const context = await browser.newContext({ viewport: options.viewport ?? VIEWPORT });
  const page = await context.newPage();
  const log: PageLog = { errors: [], warnings: [], workers: [] };
  page.on("console", (message: ConsoleMessage) => {
    const line = `${message.text()} (${message.location().url}:${message.location().lineNumber})`;
    if (message.type() === "error") log.errors.push(line);
    else if (message.type() === "warning") log.warnings.push(line);
  });
  page.on("pageerror", (error) => log.errors.push(`uncaught: ${error.stack ?? error.message}`));
  page.on("worker", (worker) => log.workers.push(worker.url()));
  return { page, log };
}

/** Polls `condition` in the page until it gives something truthy. Fails with `what` after `timeout` ms. */
export async function waitInPage<T>(
  page: Page,
  what: string,
  condition: () => T | Promise<T>,
  timeout = 60_000,
): Promise<NonNullable<T>> {
  const deadline = Date.now() + timeout;
  let last: unknown;
  while (Date.now() < deadline) {
    last = await page.evaluate(condition).catch((error: unknown) => {
      // The page is navigating: asked again.
      return void error;
    });
    if (last) return last as NonNullable<T>;
    await page.waitForTimeout(100);
  }
  throw new Error(`Not after ${timeout / 1000} s: ${what} (last value: ${JSON.stringify(last)})`);
}
