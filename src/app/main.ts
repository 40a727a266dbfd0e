import { hasWebGL2, NO_WEBGL2 } from "./engine.js";
import { StartPage } from "./start_page.js";
import { hasContent } from "./viewer_state.js";

const container = document.getElementById("neuroglancer-container")!;
const shellMessage = document.getElementById("shell-message")!;
const start = new StartPage(document.getElementById("start-page")!, openFragment);
let viewerWanted = false;

function tell(text: string | undefined): void {
  shellMessage.hidden = text === undefined;
  shellMessage.textContent = text ?? "";
}

/** Shows a state: a new entry in the browser's history, so that "back" returns to the start page. */
function openFragment(fragment: string): void {
  // An address that stays the same fires no event.
  if (location.hash === fragment) route();
  else location.hash = fragment;
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
  if (viewerWanted) return;
  viewerWanted = true;
  void loadViewer();
}

async function loadViewer(): Promise<void> {
  tell("Starting the viewer…");
  try {
    const { startViewer } = await import(/* webpackPrefetch: true */ "./viewer.js");
    // Neuroglancer's own name for it in a page, which its documentation and users' scripts rely on.
    Object.assign(globalThis, { viewer: startViewer(container, () => openFragment("")) });
    tell(undefined);
  } catch (error) {
    viewerWanted = false;
    tell(
      `The viewer could not be started: ${error instanceof Error ? error.message : error}. Reload the page to try again.`,
    );
    throw error;
  }
}

window.addEventListener("hashchange", route);
route();
