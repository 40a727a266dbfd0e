import { element, setText } from "../mito_layer/dom.js";
import type { MitoUserLayer } from "../mito_layer/layer.js";
import { describeBox, typedBox, visibleRanges } from "./region.js";
import { defaultName, type ExportChoice, type ObjectScope, scopeRows } from "./request.js";

/** Saving into a folder needs the File System Access API; other browsers download an archive. */
export const canPickFolder = "showDirectoryPicker" in globalThis;

let forms = 0;

function select(
  label: string,
  options: readonly (readonly [value: string, text: string])[],
): HTMLSelectElement {
  return element(
    "select",
    { "aria-label": label },
    ...options.map(([value, text]) => element("option", { value }, text)),
  );
}

const TABLES = [
  ["csv", "CSV"],
  ["parquet", "Parquet"],
] as const;

/** What is exported, of which objects and where, and to which kind of place. */
export class ExportForm {
  readonly element: HTMLElement;
  private readonly checks = new Map<string, HTMLInputElement>();
  private readonly objects = select("Format of the object table", TABLES);
  private readonly chunks = select("Format of the chunk metrics", TABLES);
  private readonly meshes = select("Format of the meshes", [
    ["precomputed", "Neuroglancer"],
    ["ply", "PLY"],
  ]);
  private readonly labels = select("Values of the labels", [
    ["uint64", "object ids, 64 bits"],
    ["uint32", "numbered, 32 bits"],
  ]);
  private readonly scope = element("select", { "aria-label": "Which objects" });
  private readonly box = element("input", {
    type: "text",
    spellcheck: "false",
    autocomplete: "off",
    "aria-label": "Box",
    title: "from:to for each axis, in the coordinates of the position bar",
  });
  private readonly boxAbout = element("p", { class: "mito-export-soft" });
  private readonly boxRow: HTMLElement;
  private readonly scopeRow: HTMLElement;
  private readonly name = element("input", {
    type: "text",
    spellcheck: "false",
    "aria-label": "Name",
    maxlength: 80,
  });
  private readonly places: readonly HTMLInputElement[];

  constructor(
    private readonly layer: MitoUserLayer,
    /** Of the object table in the morphology panel. */
    private readonly filter: string,
  ) {
    const group = `export-place-${forms++}`;
    const place = (value: string, checked: boolean) =>
      element("input", {
        type: "radio",
        name: group,
        value,
        checked,
        disabled: value === "folder" && !canPickFolder,
      });
    this.places = [place("folder", canPickFolder), place("download", !canPickFolder)];
    const visible = element(
      "button",
      {
        type: "button",
        title: "Fill in what the views show now, 32 sections of it",
        onclick: () => this.takeVisible(),
      },
      "Visible",
    );
    this.scopeRow = row("Objects", this.scope);
    this.boxRow = row(
      "Box",
      element("span", { class: "mito-export-line" }, this.box, visible),
      this.boxAbout,
    );
    this.name.value = defaultName(layer);
    this.element = element(
      "div",
      {},
      element(
        "fieldset",
        {},
        element("legend", {}, "What"),
        this.check("objects", "Object table", "A row an object: ids and all measurements", this.objects),
        this.check("meshes", "Meshes", "The surface of each object, in nm", this.meshes),
        this.check("labels", "Labels", "Whole objects of a box, as OME-Zarr", this.labels),
        this.check("probability", "Probabilities", "0 to 255, of a box, as OME-Zarr"),
        this.check("chunks", "Chunk metrics", "A row for each chunk that was computed", this.chunks),
      ),
      this.scopeRow,
      this.boxRow,
      row(
        "To",
        element(
          "span",
          { class: "mito-export-line", role: "radiogroup", "aria-label": "Where to" },
          element(
            "label",
            {
              title: canPickFolder
                ? "You choose a folder; a new one is made in it"
                : "This browser does not let pages write into folders: use Chrome or Edge for that",
            },
            this.places[0],
            " a folder",
          ),
          element(
            "label",
            { title: "A table by itself, all else as one zip archive of at most 2 GiB" },
            this.places[1],
            " a download",
          ),
        ),
      ),
      row("Name", this.name),
    );
    this.checks.get("objects")!.checked = true;
    this.box.addEventListener("input", () => this.show());
    this.scope.addEventListener("change", () => this.show());
    this.takeVisible();
    this.fillScopes();
    this.show();
  }

  /** Into a folder that the user chooses, or a file to download. */
  get toFolder(): boolean {
    return this.places[0].checked;
  }

  get choice(): ExportChoice {
    const on = <T>(id: string, value: string) => (this.checks.get(id)!.checked ? (value as T) : undefined);
    return {
      name: this.name.value.trim(),
      objects: on("objects", this.objects.value),
      chunks: on("chunks", this.chunks.value),
      meshes: on("meshes", this.meshes.value),
      labels: on("labels", this.labels.value),
      probability: this.checks.get("probability")!.checked,
      scope: this.scope.value as ObjectScope,
      filter: this.filter,
      box: this.box.value,
    };
  }

  private check(id: string, label: string, title: string, format?: HTMLSelectElement): HTMLElement {
    const box = element("input", { type: "checkbox", onchange: () => this.show() });
    this.checks.set(id, box);
    return element(
      "div",
      { class: "mito-export-check", title },
      element("label", {}, box, ` ${label}`),
      ...(format === undefined ? [] : [format]),
    );
  }

  private fillScopes(): void {
    const count = (scope: ObjectScope) => {
      try {
        return scopeRows(this.layer, scope, this.filter).length;
      } catch {
        return 0;
      }
    };
    const scopes: [ObjectScope, string][] = [["all", "All that are known"]];
    if (this.filter.trim() !== "") scopes.push(["filtered", `Those in the table (${this.filter.trim()})`]);
    scopes.push(["selected", "Those selected"]);
    this.scope.replaceChildren(
      ...scopes.map(([value, text]) =>
        element("option", { value }, `${text}: ${count(value).toLocaleString("en")}`),
      ),
    );
    if (count("selected") > 0) this.scope.value = "selected";
    if (scopes.length === 3) this.scope.value = "filtered";
  }

  private takeVisible(): void {
    const ranges = visibleRanges(this.layer);
    if (ranges !== undefined) this.box.value = ranges;
    this.show();
  }

  /** Shows what matters for what is chosen. */
  private show(): void {
    const { objects, meshes, labels, chunks, probability } = this.choice;
    this.scopeRow.hidden = objects === undefined && meshes === undefined;
    this.boxRow.hidden = labels === undefined && !probability;
    for (const [format, on] of [
      [this.objects, objects],
      [this.chunks, chunks],
      [this.meshes, meshes],
      [this.labels, labels],
    ] as const)
      format.disabled = on === undefined;
    if (this.boxRow.hidden) return;
    try {
      setText(this.boxAbout, describeBox(this.layer, typedBox(this.layer, this.box.value)));
      this.box.setCustomValidity("");
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      setText(this.boxAbout, this.box.value === "" ? "Nothing is in view: zoom in, or type a box." : text);
      this.box.setCustomValidity(text);
    }
  }
}

function row(label: string, ...content: HTMLElement[]): HTMLElement {
  return element(
    "div",
    { class: "mito-export-row" },
    element("span", {}, label),
    element("div", {}, ...content),
  );
}
