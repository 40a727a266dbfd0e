import * as Comlink from "comlink";
import { RefCounted } from "neuroglancer/unstable/util/disposable.js";
import type { OpenModelApi } from "../../workers/open_model.js";
import { savedModels } from "../mito/models.js";
import { element, setText } from "./dom.js";
import { downloadBytes } from "./download.js";
import { type AvailableModel, availableModels, modelsChanged } from "./model_list.js";

const message = (error: unknown) => (error instanceof Error ? error.message : String(error));

/** Takes a package from a file into this browser: checked in a worker, which ends with it. */
async function openModelFile(file: File): Promise<string> {
  const worker = new Worker(
    /* webpackChunkName: "open_model" */ new URL("../../workers/open_model.ts", import.meta.url),
    { type: "module" },
  );
  const broken = new Promise<never>((_, reject) => {
    worker.addEventListener("error", ({ message }) =>
      reject(new Error(message || "the worker that opens model files could not be started")),
    );
  });
  try {
    const served = (await availableModels()).filter(({ saved }) => !saved).map(({ id }) => id);
    const { name } = await Promise.race([Comlink.wrap<OpenModelApi>(worker).open(file, served), broken]);
    modelsChanged.dispatch();
    return name;
  } finally {
    worker.terminate();
  }
}

/** The models that are kept in this browser: to download, to delete, and to open another one from a file. */
export class SavedModelsView extends RefCounted {
  readonly element: HTMLElement;
  private readonly list = element("ul", { class: "mito-saved" });
  private readonly none = element("p", { class: "mito-soft" });
  private readonly status = element("p", { class: "mito-soft", role: "status" });
  private readonly problem = element("p", { class: "mito-problems", role: "alert" });

  constructor() {
    super();
    const input = element("input", { type: "file", accept: ".zip,application/zip", hidden: true });
    input.addEventListener("change", () => {
      const file = input.files?.[0];
      input.value = "";
      if (file !== undefined) void this.open(file);
    });
    const open = element(
      "button",
      {
        type: "button",
        title:
          "A package that was downloaded here or from another browser, or a models folder packed as .zip",
        onclick: () => input.click(),
      },
      "Open a model file…",
    );
    this.element = element(
      "div",
      { class: "mito-saved-models" },
      this.none,
      this.list,
      open,
      input,
      this.status,
      this.problem,
    );
    this.registerDisposer(modelsChanged.add(() => void this.show()));
    void this.show();
  }

  private async show(): Promise<void> {
    let models: AvailableModel[];
    try {
      models = (await savedModels.list()).map((entry) => ({ ...entry, saved: true }));
    } catch (error) {
      setText(this.none, message(error));
      return;
    }
    if (this.wasDisposed) return;
    this.list.replaceChildren(...models.map((model) => this.row(model)));
    setText(this.none, models.length === 0 ? "No model is saved in this browser yet." : "");
  }

  private row({ id, name, description, bytes }: AvailableModel): HTMLElement {
    const remove = element(
      "button",
      { type: "button", title: `Delete ${name} from this browser`, onclick: () => confirm() },
      "Delete",
    );
    let asked = false;
    const confirm = () => {
      if (asked) {
        void savedModels.remove(id).then(
          () => modelsChanged.dispatch(),
          (error: unknown) => setText(this.problem, message(error)),
        );
        return;
      }
      asked = true;
      setText(remove, "Really delete?");
      remove.addEventListener(
        "blur",
        () => {
          asked = false;
          setText(remove, "Delete");
        },
        { once: true },
      );
    };
    const download = element(
      "button",
      {
        type: "button",
        title: `Download ${name} as a .zip file`,
        onclick: () =>
          void savedModels.archive(id).then(
            (file) => downloadBytes(`${id}.zip`, file, "application/zip"),
            (error: unknown) => setText(this.problem, message(error)),
          ),
      },
      "Download",
    );
    return element(
      "li",
      { title: description },
      element("span", {}, name, " ", element("small", {}, `${id}, ${(bytes / 2 ** 20).toFixed(1)} MB`)),
      download,
      remove,
    );
  }

  private async open(file: File): Promise<void> {
    setText(this.problem, "");
    setText(this.status, `Reading ${file.name}…`);
    try {
      const name = await openModelFile(file);
      setText(this.status, `${name} is in the list of models now.`);
    } catch (error) {
      setText(this.status, "");
      setText(this.problem, message(error));
    }
  }
}
