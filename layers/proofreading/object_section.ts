import type { Verdict } from "../../src/proofreading/types.js";
import { element, setText } from "../mito_layer/dom.js";
import type { LayerEditor } from "./editor.js";
import { AddMode, SplitMode } from "./modes.js";

const VERDICTS: readonly (readonly [Exclude<Verdict, "none">, label: string, key: string, title: string])[] =
  [
    ["accept", "Accept", "y", "The object is right"],
    ["reject", "Reject", "w", "This is no mitochondrion; it stays visible"],
    ["unsure", "Unsure", "q", "It cannot be told here"],
    ["expert", "Needs expert", "f", "Somebody else should look at it"],
  ];
const SHAPES = [
  ["fill_holes", "Fill holes", "Fills what the object encloses"],
  ["smooth", "Smooth", "Takes away what is thinner than a voxel, and fills such notches"],
  ["grow", "Grow", "Adds a layer of one voxel, never into another object"],
  ["shrink", "Shrink", "Takes a layer of one voxel away"],
] as const;

function button(text: string, key: string, title: string, onclick: () => void): HTMLButtonElement {
  const content = key === "" ? [text] : [text, " ", element("kbd", {}, key)];
  return element(
    "button",
    { type: "button", title: key === "" ? title : `${title} (key ${key})`, onclick },
    ...content,
  );
}

/** The object that keys act on, what is said of it, and everything that can be done to it. */
export class ObjectSection {
  readonly element: HTMLElement;
  private readonly about = element("p", { class: "proof-about" });
  private readonly notes = element("ul", { class: "proof-notes" });
  private readonly verdicts = new Map<string, HTMLButtonElement>();
  private readonly modes = new Map<string, HTMLButtonElement>();
  private readonly hint = element("p", { class: "proof-hint", role: "status", "aria-live": "polite" });
  private readonly landscape = element(
    "select",
    { "aria-label": "What the cut follows", onchange: () => this.flood() },
    element("option", { value: "probability" }, "cut where the probability is low"),
    element("option", { value: "distance" }, "cut at the neck"),
  );
  private readonly reach = element(
    "select",
    { "aria-label": "Where shapes are changed", title: "Where fill, smooth, grow and shrink work" },
    element("option", { value: "3" }, "in 3-D"),
    element("option", { value: "all" }, "within each section"),
    element("option", { value: "anchor" }, "in this section only"),
  );
  private readonly commit = button("Do it", "Enter", "Does what is shown", () => this.act((e) => e.commit()));
  private readonly cancel = button("Cancel", "Esc", "Takes the preview away", () =>
    this.act((e) => e.cancel()),
  );
  private readonly modeRow = element("div", { class: "proof-row" }, this.landscape, this.commit, this.cancel);

  constructor(private readonly editor: () => LayerEditor | undefined) {
    const verdicts = VERDICTS.map(([verdict, label, key, title]) => {
      const made = button(label, key, `${title}; once more takes it back`, () =>
        this.act((e) => e.verdict(verdict)),
      );
      made.dataset.verdict = verdict;
      this.verdicts.set(verdict, made);
      return made;
    });
    const mode = (name: "merge" | "split" | "add", label: string, key: string, title: string) => {
      const made = button(label, key, title, () => this.act((e) => e.start(name)));
      this.modes.set(name, made);
      return made;
    };
    const tag = element("input", {
      type: "text",
      maxlength: 200,
      placeholder: "tag, Enter",
      "aria-label": "Tag",
    });
    const comment = element("input", {
      type: "text",
      maxlength: 10_000,
      placeholder: "comment, Enter",
      "aria-label": "Comment",
    });
    const onEnter = (input: HTMLInputElement, run: (editor: LayerEditor, text: string) => Promise<void>) =>
      input.addEventListener("keydown", (event) => {
        const text = input.value.trim();
        if (event.key !== "Enter" || text === "") return;
        input.value = "";
        this.act((editor) => run(editor, text));
      });
    onEnter(tag, (editor, text) => editor.tag(text));
    onEnter(comment, (editor, text) => editor.comment(text));
    this.reach.addEventListener("change", () => {
      const now = this.editor();
      if (now !== undefined) now.reach = this.reach.value as LayerEditor["reach"];
    });
    this.element = element(
      "section",
      { "aria-label": "Object" },
      this.about,
      this.notes,
      element("div", { class: "proof-row proof-verdicts" }, ...verdicts),
      element("div", { class: "proof-row" }, tag, comment),
      element(
        "div",
        { class: "proof-row" },
        mode("merge", "Merge", "t", "Click two objects, which become one"),
        mode("split", "Split", "d", "Click markers into each part; see the cut before it is made"),
        mode("add", "Add", "'", "Click in an object that was missed; see it before it is added"),
        button("Delete", "Del", "Takes the object away", () => this.act((e) => e.remove())),
        button("Restore", "⇧Del", "Brings a deleted object back", () => this.act((e) => e.restore())),
        button("Separate", ";", "Takes the clicked piece out of what was merged by hand", () =>
          this.act((e) => e.separate()),
        ),
      ),
      element(
        "div",
        { class: "proof-row" },
        ...SHAPES.map(([kind, label, title]) =>
          button(label, "", title, () => this.act((e) => e.shape(kind))),
        ),
        this.reach,
      ),
      this.hint,
      this.modeRow,
    );
    this.update();
  }

  private act(run: (editor: LayerEditor) => Promise<void>): void {
    const editor = this.editor();
    if (editor !== undefined) void editor.quietly(run(editor));
  }

  private flood(): void {
    const { mode } = this.editor() ?? {};
    if (mode instanceof SplitMode)
      this.act(() => mode.flood(this.landscape.value as "probability" | "distance"));
  }

  update(): void {
    const editor = this.editor();
    const { object, current, mode } = editor ?? {};
    setText(this.about, aboutText(editor));
    for (const [verdict, made] of this.verdicts)
      made.setAttribute("aria-pressed", String(object?.verdict === verdict));
    for (const [name, made] of this.modes) made.setAttribute("aria-pressed", String(mode?.name === name));
    const notes = [
      ...(object?.tags ?? []).map((tag) => `# ${tag}`),
      ...(object?.comments ?? []).map(({ text, author }) => `${author}: ${text}`),
    ];
    this.notes.replaceChildren(...notes.map((note) => element("li", {}, note)));
    this.notes.hidden = notes.length === 0 || current === undefined;
    setText(this.hint, mode?.text ?? editor?.message ?? "");
    this.hint.classList.toggle("proof-on", mode !== undefined);
    this.modeRow.hidden = mode === undefined || mode.name === "merge";
    this.landscape.hidden = !(mode instanceof SplitMode);
    if (mode instanceof SplitMode) this.landscape.value = mode.landscape;
    setText(this.commit.firstChild as Element, mode instanceof AddMode ? "Add" : "Cut");
  }
}

function aboutText(editor: LayerEditor | undefined): string {
  const found = editor?.current?.found;
  if (editor === undefined) return "No prediction layer is loaded.";
  if (found === undefined) return "No object chosen: click one in a section, or press j for the queue.";
  if (found === "absent") return "This place is not predicted yet: it comes when it is in view.";
  if (found === "background") return "No object here any more.";
  const { deleted, voxels, parts } = found;
  const size = voxels === undefined ? "" : `, ${voxels.toLocaleString("en")} voxels`;
  const merged = parts > 1 ? `, merged of ${parts}` : "";
  return deleted ? "Deleted object (⇧Del restores it)" : `Object ${found.id}${size}${merged}`;
}
