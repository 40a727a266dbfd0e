import type { Viewer } from "neuroglancer/unstable/viewer.js";
import type { ExportResult, ExportTarget, ExportUpdate } from "../../workers/export_api.js";
import { element, setText } from "../mito_layer/dom.js";
import type { MitoUserLayer } from "../mito_layer/layer.js";
import { mitoLayers } from "../morphology_panel/panel.js";
import type { MorphologyPanelState } from "../morphology_panel/panel_state.js";
import { ExportForm } from "./form.js";
import { makeRequest } from "./request.js";
import { ExportRun, type ExportState } from "./run.js";
import "./style.css";

/** Long enough for the browser to take the bytes. */
const KEPT_MS = 60_000;

/** The File System Access API, which TypeScript's DOM library leaves out. */
type DirectoryPicker = (options: { id?: string; mode?: "readwrite" }) => Promise<FileSystemDirectoryHandle>;

/** Of an error. */
const message = (error: unknown) => (error instanceof Error ? error.message : String(error));

/** Asks what of a prediction layer is exported, does it, and says how it went. One dialog; closing it ends the export. */
class ExportDialog {
  private readonly dialog = element("dialog", {
    class: "chondria-dialog mito-export",
    "aria-labelledby": "export-title",
  });
  private readonly run = new ExportRun();
  private readonly layerSelect = element("select", {
    id: "export-layer",
    onchange: () => this.showForm(false),
  });
  private readonly body = element("div");
  private readonly problem = element("p", { class: "mito-export-problem", role: "alert" });
  private readonly doing = element("p", { role: "status" });
  private readonly progress = element("progress", { max: 1, "aria-label": "Export" });
  private readonly buttons = element("div", { class: "chondria-buttons" });
  private form: ExportForm | undefined;
  /** Of what is being exported. */
  private name = "";
  private shown: ExportState["kind"] | undefined;

  constructor(
    private readonly layers: readonly MitoUserLayer[],
    layer: MitoUserLayer | undefined,
    private readonly panel: MorphologyPanelState,
  ) {
    for (const { managedLayer } of layers) this.layerSelect.append(element("option", {}, managedLayer.name));
    if (layer !== undefined) this.layerSelect.selectedIndex = layers.indexOf(layer);
    this.dialog.append(
      element("h2", { id: "export-title" }, "Export"),
      this.body,
      this.problem,
      this.buttons,
    );
    this.dialog.addEventListener("cancel", (event) => {
      // Escape during an export would lose it by mistake.
      if (this.run.state.kind === "running") event.preventDefault();
    });
    this.dialog.addEventListener("close", () => {
      this.run.cancel();
      this.dialog.remove();
    });
    this.run.changed.add(() => this.show());
  }

  open(): void {
    document.body.append(this.dialog);
    this.show();
    this.dialog.showModal();
  }

  private get layer(): MitoUserLayer | undefined {
    return this.layers.at(Math.max(0, this.layerSelect.selectedIndex));
  }

  private show(): void {
    const { state } = this.run;
    const fresh = this.shown !== state.kind;
    this.shown = state.kind;
    this.dialog.dataset.state = state.kind;
    if (state.kind === "running") this.showRunning(state, fresh);
    else if (!fresh) return;
    else if (state.kind === "done") this.showDone(state.result);
    else this.showForm(state.kind === "failed");
    setText(this.problem, state.kind === "failed" ? failureText(state) : "");
  }

  /** @param again with what was chosen before. */
  private showForm(again: boolean): void {
    setText(this.problem, "");
    const { layer } = this;
    const close = this.button("Close", "Back to the viewer", () => this.dialog.close());
    if (layer?.mito.value === undefined) {
      const text =
        layer === undefined
          ? "There is no prediction layer. Add one with the button “Predict…” (key: u)."
          : "The prediction's source is not loaded yet.";
      this.body.replaceChildren(...this.layerRow(), element("p", {}, text));
      this.buttons.replaceChildren(close);
      return;
    }
    if (!again || this.form === undefined) this.form = new ExportForm(layer, this.panel.objectFilter.value);
    this.body.replaceChildren(...this.layerRow(), this.form.element);
    const exporting = this.button(
      "Export",
      "Everything is made in this page; nothing is uploaded",
      () => void this.start(),
    );
    exporting.classList.add("mito-export-main");
    this.buttons.replaceChildren(close, exporting);
    exporting.focus();
  }

  private layerRow(): HTMLElement[] {
    if (this.layers.length < 2) return [];
    return [
      element(
        "div",
        { class: "mito-export-row" },
        element("label", { for: this.layerSelect.id }, "Layer"),
        this.layerSelect,
      ),
    ];
  }

  private async start(): Promise<void> {
    const { form, layer } = this;
    setText(this.problem, "");
    try {
      const request = makeRequest(layer!, form!.choice);
      const target = form!.toFolder ? await pickFolder() : ({ kind: "download" } as const);
      this.name = request.name;
      if (target !== undefined) this.run.start(layer!.mito.value!, request, target);
    } catch (error) {
      setText(this.problem, sentence(message(error)));
    }
  }

  private showRunning({ update, stopping }: ExportState & { kind: "running" }, fresh: boolean): void {
    if (fresh) {
      this.body.replaceChildren(this.doing, this.progress);
      const cancel = this.button("Cancel", "End the export and remove what it has written", () =>
        this.run.cancel(),
      );
      this.buttons.replaceChildren(cancel);
      cancel.focus();
    }
    setText(this.doing, stopping ? "Cancelling…" : progressText(update));
    if (update === undefined || stopping) this.progress.removeAttribute("value");
    else this.progress.value = update.done / Math.max(1, update.total);
  }

  private showDone({ items, bytes, notes, file, fileName }: ExportResult): void {
    const where = file === undefined ? `Written into the folder “${this.name}”` : `Downloaded as ${fileName}`;
    this.body.replaceChildren(
      element("p", { role: "status" }, `${where}: ${formatBytes(bytes)}.`),
      element("ul", {}, ...items.map((item) => element("li", {}, item))),
      ...notes.map((note) => element("p", { class: "mito-export-soft" }, note)),
    );
    const close = this.button("Close", "Back to the viewer", () => this.dialog.close());
    this.buttons.replaceChildren(
      this.button("Export more", "Back to the form", () => this.run.forget()),
      close,
    );
    close.focus();
    if (file !== undefined) download(file, fileName!);
  }

  private button(text: string, title: string, onclick: () => void): HTMLButtonElement {
    return element("button", { type: "button", title, onclick }, text);
  }
}

const sentence = (text: string) => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;

function failureText({ message, end }: ExportState & { kind: "failed" }): string {
  if (end === "cancelled") return "Cancelled. Nothing was kept.";
  return `The export failed: ${message}.${end === "removed" ? " Nothing was kept." : ""}`;
}

/** @returns undefined when the user chose none. */
async function pickFolder(): Promise<ExportTarget | undefined> {
  const { showDirectoryPicker } = globalThis as unknown as { showDirectoryPicker: DirectoryPicker };
  try {
    const folder = await showDirectoryPicker({ id: "chondria-export", mode: "readwrite" });
    return { kind: "folder", folder };
  } catch (error) {
    if (error instanceof Error && error.name === "AbortError") return undefined;
    throw error;
  }
}

function download(file: Blob, name: string): void {
  const url = URL.createObjectURL(file);
  element("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), KEPT_MS);
}

function progressText(update: ExportUpdate | undefined): string {
  if (update === undefined) return "Starting…";
  const { doing, done, total, unit } = update;
  return `${doing}: ${done.toLocaleString("en")} of ${total.toLocaleString("en")} ${unit.replace(/ written$/, "")}`;
}

function formatBytes(bytes: number): string {
  if (bytes < 1e6) return `${Math.max(1, Math.round(bytes / 1e3))} kB`;
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
}

/** Opens the dialog on the selected prediction layer, else the first. */
export function askForExport(viewer: Viewer, panel: MorphologyPanelState): void {
  const layers = mitoLayers(viewer);
  const selected = layers.find((layer) => layer.managedLayer === viewer.selectedLayer.layer);
  new ExportDialog(layers, selected ?? layers.at(0), panel).open();
}
