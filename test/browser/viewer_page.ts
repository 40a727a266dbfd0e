import type { Browser, Page } from "playwright-core";
import type { ViewCounts } from "../../layers/mito/base.js";
import type { Counters } from "../../layers/mito/protocol.js";
import { openPage, waitInPage } from "../support/browser.js";

/** How a test opens the viewer on a prediction. */
export interface ViewerState {
  /** URL of the EM volume, a pipeline ending in "|zarr:". */
  readonly em: string;
  /** What follows "|mito:?". */
  readonly query: string;
  /** Screen pixels are this many voxels of 10 nm wide. */
  readonly zoom?: number;
  readonly position?: readonly [number, number, number];
  readonly layer?: object;
  readonly layout?: string;
}

/** Address of the page with a prediction over EM that the screen does not show itself, which would only cost time. */
export function viewerUrl(
  app: string,
  search: string,
  { em, query, zoom = 1, position, layer, layout = "xy" }: ViewerState,
): string {
  const metres = [1e-8, "m"];
  const state = {
    dimensions: { x: metres, y: metres, z: metres },
    ...(position && { position }),
    crossSectionScale: zoom,
    // Chunks ahead of a movement would be computed too, and counted.
    prefetch: false,
    layers: [{ type: "mito", name: "mito", source: `${em}|mito:?${query}`, ...layer }],
    layout,
  };
  return `${app}${search}#!${encodeURIComponent(JSON.stringify(state))}`;
}

export async function openViewer(browser: Browser, url: string): Promise<Page> {
  const { page } = await openPage(browser, { viewport: { width: 700, height: 560 } });
  await page.goto(url);
  return page;
}

/** The layer's source, as `globalThis.viewer` of the page gives it; for use inside `page.evaluate` through `mito()`. */
export async function exposeMito(page: Page): Promise<void> {
  await waitInPage(page, "the prediction is open", () => {
    const global = globalThis as unknown as { viewer?: ViewerHandle; mito?: unknown };
    const layer = global.viewer?.layerManager.managedLayers.find(({ name }) => name === "mito")?.layer;
    const messages = (layer?.dataSources ?? []).flatMap(({ messages }) => [...messages]);
    const error = messages.find(({ severity }) => severity === 2);
    if (error) throw new Error(error.message);
    global.mito = layer?.mito?.value;
    return global.mito !== undefined;
  });
}

interface ViewerHandle {
  readonly layerManager: {
    readonly managedLayers: {
      readonly name: string;
      readonly layer: {
        readonly mito?: { readonly value: unknown };
        readonly dataSources: { readonly messages: Iterable<{ severity: number; message: string }> }[];
      } | null;
    }[];
  };
}

/** Waits until every chunk in view is finished. */
export async function allArrive(page: Page, timeout = 120_000): Promise<ViewCounts> {
  await exposeMito(page);
  return waitInPage(
    page,
    "all chunks in view are there",
    () => {
      const { results } = (globalThis as unknown as { mito: { results: { counts(): ViewCounts } } }).mito;
      const counts = results.counts();
      return counts.wanted > 0 && counts.finished === counts.wanted ? counts : undefined;
    },
    timeout,
  );
}

export function counters(page: Page): Promise<Counters> {
  return page.evaluate(() =>
    (globalThis as unknown as { chondria: { counters(): Promise<Counters> } }).chondria.counters(),
  );
}

/** Bytes of a chunk of the probability volume, whether in view or not. */
export async function probabilityChunk(
  page: Page,
  grid: readonly [number, number, number],
): Promise<Uint8Array> {
  await exposeMito(page);
  const text = await page.evaluate(async (position) => {
    const identity = Float32Array.of(1, 0, 0, 0, 1, 0, 0, 0, 1);
    const global = globalThis as unknown as {
      mito: { probability: VolumeHandle };
      probabilityScales?: Scale[];
    };
    // Kept as long as the page: the chunk worker complains of a source that is disposed while it holds chunks of it, as
    // one has that no layer shows.
    global.probabilityScales ??= global.mito.probability.getSources({
      displayRank: 3,
      multiscaleToViewTransform: identity,
      modelChannelDimensionIndices: [],
    })[0];
    return await global.probabilityScales[0].chunkSource.fetchChunk(
      Float32Array.from(position),
      ({ data }) => {
        let binary = "";
        for (const byte of data ?? []) binary += String.fromCharCode(byte);
        return btoa(binary);
      },
      {},
    );
  }, grid);
  return Uint8Array.from(Buffer.from(text, "base64"));
}

interface VolumeHandle {
  getSources(options: object): Scale[][];
}

interface Scale {
  readonly chunkSource: {
    fetchChunk<T>(
      grid: Float32Array,
      transform: (chunk: { data: Uint8Array | null }) => T,
      options: object,
    ): Promise<T>;
  };
}
