import type { Page } from "playwright-core";
import { waitInPage } from "./browser.js";
import { fillVoxels, makeZarr } from "./make_zarr.js";

/** What of Neuroglancer's viewer and our layer the browser tests look at, as `globalThis.viewer`. */
export interface TestViewer {
  state: { toJSON(): Record<string, unknown> };
  position: { value: Float32Array };
  coordinateSpace: { value: { names: string[] } };
  displayDimensions: { default: boolean; value: { displayDimensionIndices: Int32Array } };
  layerManager: { managedLayers: { name: string; layer: TestLayer | null }[] };
  isReady(): boolean;
}

export interface TestLayer {
  type: string;
  mito?: {
    value?: {
      results: { size: number; counts(): { wanted: number; finished: number; failed: number } };
      settings: { value: { threshold: number; minimumVoxels: number } };
    };
  };
}

/**
 * Writes an EM volume of 10 nm voxels with dark ellipses of natural size on a light, grainy ground: what the tiny test
 * model marks, and many chunks of it. @returns folder
 */
export function makeDiscs(
  folder: string,
  size: readonly [number, number, number] = [600, 500, 24],
): Promise<string> {
  const data = fillVoxels("uint8", size, (x, y, z) => {
    const cx = Math.round(x / 90) * 90;
    const cy = Math.round(y / 70) * 70;
    const inside = Math.hypot((x - cx) / 1.4, y - cy) < 18 + 6 * Math.sin(cx + cy + z / 5);
    return inside ? 70 + ((x * 7 + y * 13) % 20) : 165 + ((x * 13 + y * 7 + z) % 30);
  });
  return makeZarr(folder, { data, size, voxelSize: [10, 10, 10] });
}

/** State of the discs at `origin` with a prediction of the model "tiny", both panels open. */
export function discsState(origin: string, layer: Record<string, unknown> = {}) {
  const source = `${origin}data/discs.ome.zarr/|zarr2:`;
  return {
    dimensions: { x: [1e-8, "m"], y: [1e-8, "m"], z: [1e-8, "m"] },
    position: [300, 250, 12],
    crossSectionScale: 1,
    layers: [
      { type: "image", name: "em", source },
      { type: "mito", name: "mito", source: `${source}|mito:?model=tiny`, ...layer },
    ],
    selectedLayer: { visible: true, layer: "mito", size: 310 },
    morphologyPanel: { visible: true },
    layout: "xy",
  };
}

export function stateAddress(origin: string, state: object, search = ""): string {
  return `${origin}${search}#!${encodeURIComponent(JSON.stringify(state))}`;
}

/** Waits until everything that the view asks the prediction for is there. */
export async function waitForPrediction(page: Page, timeout = 120_000): Promise<void> {
  await waitInPage(
    page,
    "all chunks in view are predicted",
    () => {
      const { viewer } = globalThis as unknown as { viewer?: TestViewer };
      for (const { layer } of viewer?.layerManager.managedLayers ?? []) {
        const counts = layer?.mito?.value?.results.counts();
        if (counts !== undefined) return counts.wanted > 0 && counts.finished === counts.wanted;
      }
      return false;
    },
    timeout,
  );
}

/** The state in the page's address, once Neuroglancer has written it there (at most 400 ms after a change). */
export function stateInAddress(page: Page): Promise<Record<string, unknown>> {
  return page.evaluate(() => JSON.parse(decodeURIComponent(location.hash.slice(2))));
}
