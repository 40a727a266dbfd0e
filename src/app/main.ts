import type { Viewer } from "neuroglancer/unstable/viewer.js";
import { hasWebGL2, NO_WEBGL2 } from "./engine.js";
import { StartPage } from "./start_page.js";
import { hasContent } from "./viewer_state.js";

const container = document.getElementById("neuroglancer-container")!;
const shellMessage = document.getElementById("shell-message")!;
const start = new StartPage(document.getElementById("start-page")!, (fragment, options) => {
  openFragment(fragment, options).catch(() => {
    // Said on the page already.
  });
});
/** The viewer, from when it is first needed. */
let viewer: Promise<Viewer> | undefined;

function tell(text: string | undefined): void {
  shellMessage.hidden = text === undefined;
  shellMessage.textContent = text ?? "";
}

/** Shows a state: a new entry in the browser's history, so that "back" returns to the start page. */
async function openFragment(fragment: string, { turn = false } = {}): Promise<void> {
  const before = location.href;
  location.hash = fragment;
  // An address that stays the same fires no event.
  if (location.href === before) route();
  // Our listener is the last: by then a running viewer has read the new state.
  else await new Promise((resolve) => window.addEventListener("hashchange", resolve, { once: true }));
  if (!turn) return;
  const { showSlices } = await import("./viewer.js");
  showSlices(await loadViewer());
}

/** The start page while the address holds nothing to show, else the viewer, which is loaded when first needed. */
function route(): void {
  tell(undefined);
  const content = hasContent(location.hash);
  container.inert = !content;
  container.hidden = !content;
  if (!content) {
    start.show();
    return;
  }
  start.hide();
  if (!hasWebGL2()) {
    tell(NO_WEBGL2);
    return;
  }
  loadViewer().catch(() => {
    // Said on the page already.
  });
}

function loadViewer(): Promise<Viewer> {
  viewer ??= startUp().catch((error: unknown) => {
    viewer = undefined;
    tell(
      `The viewer could not be started: ${error instanceof Error ? error.message : error}. Reload the page to try again.`,
    );
    throw error;
  });
  return viewer;
}

async function startUp(): Promise<Viewer> {
  tell("Starting the viewer…");
  const { startViewer } = await import(/* webpackPrefetch: true */ "./viewer.js");
  const started = startViewer(container, () => void openFragment(""));
  // Neuroglancer's own name for it in a page, which its documentation and users' scripts rely on.
  Object.assign(globalThis, { viewer: started });
  tell(undefined);
  return started;
}

window.addEventListener("hashchange", route);
route();
