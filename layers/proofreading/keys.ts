import type { LayerEditor } from "./editor.js";

export interface KeyAction {
  /** As Neuroglancer names them; its own keys are left to it. */
  readonly keys: readonly string[];
  /** Name of the action; Neuroglancer's help (key h) lists it. */
  readonly action: string;
  readonly run: (editor: LayerEditor) => Promise<void>;
}

export const CLICK_ACTION = "proofread-click";
export const LINE_ACTION = "proofread-line";

/** While the panel is open. */
export const ACTIONS: readonly KeyAction[] = [
  { keys: ["keyy"], action: "proofread-accept", run: (editor) => editor.verdict("accept") },
  { keys: ["keyw"], action: "proofread-reject", run: (editor) => editor.verdict("reject") },
  { keys: ["keyq"], action: "proofread-unsure", run: (editor) => editor.verdict("unsure") },
  { keys: ["keyf"], action: "proofread-needs-expert", run: (editor) => editor.verdict("expert") },
  { keys: ["keyj"], action: "proofread-next", run: (editor) => editor.step(1) },
  { keys: ["keyg"], action: "proofread-previous", run: (editor) => editor.step(-1) },
  { keys: ["keyt"], action: "proofread-merge", run: (editor) => editor.start("merge") },
  { keys: ["keyd"], action: "proofread-split", run: (editor) => editor.start("split") },
  { keys: ["quote"], action: "proofread-add", run: (editor) => editor.start("add") },
  { keys: ["delete"], action: "proofread-delete", run: (editor) => editor.remove() },
  { keys: ["shift+delete"], action: "proofread-restore", run: (editor) => editor.restore() },
  { keys: ["semicolon"], action: "proofread-separate", run: (editor) => editor.separate() },
  { keys: ["control+keyz", "meta+keyz"], action: "proofread-undo", run: (editor) => editor.toggle("undo") },
  {
    keys: ["control+shift+keyz", "meta+shift+keyz", "control+keyy"],
    action: "proofread-redo",
    run: (editor) => editor.toggle("redo"),
  },
];

const part = (number: number): KeyAction => ({
  keys: [`digit${number}`],
  action: `proofread-part-${number}`,
  run: async ({ mode }) => mode?.part?.(number),
});

/** While a merge, a split or an addition is on. */
export const MODE_ACTIONS: readonly KeyAction[] = [
  { keys: ["enter"], action: "proofread-commit", run: (editor) => editor.commit() },
  { keys: ["escape"], action: "proofread-cancel", run: (editor) => editor.cancel() },
  { keys: ["backspace"], action: "proofread-back", run: async ({ mode }) => mode?.back() },
  { keys: ["minus"], action: "proofread-lower", run: async ({ mode }) => mode?.threshold?.(-1) },
  { keys: ["equal"], action: "proofread-raise", run: async ({ mode }) => mode?.threshold?.(1) },
  ...Array.from({ length: 9 }, (_, i) => part(i + 1)),
];
