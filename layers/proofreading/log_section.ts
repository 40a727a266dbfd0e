import { describeOperation } from "../../src/proofreading/describe.js";
import { formatLog, readLog } from "../../src/proofreading/json_lines.js";
import type { Operation } from "../../src/proofreading/types.js";
import { element, setText } from "../mito_layer/dom.js";
import { downloadBytes } from "../mito_layer/download.js";
import { readAuthor, writeAuthor } from "./author.js";
import type { LayerEditor } from "./editor.js";
import { canKeepFolder, keepInFolder } from "./folder.js";

const ROWS = 12;
const CONFLICTS = 50;
const LARGEST_FILE = 512 * 2 ** 20;

/** Conflicts, the last operations, and the log as a file. */
export class LogSection {
  readonly element: HTMLElement;
  private readonly conflictHead = element("h3", {});
  private readonly conflicts = element("ul", { class: "proof-conflicts" });
  private readonly stored = element("p", { role: "status" });
  private readonly history = element("ol", { class: "proof-history" });
  private readonly author = element("input", { type: "text", maxlength: 200, "aria-label": "Your name" });
  private readonly file = element("input", { type: "file", accept: ".jsonl,.ndjson,.json", hidden: true });
  private shownConflicts: unknown;
  private shownOperations: unknown;

  constructor(private readonly editor: () => LayerEditor | undefined) {
    this.author.value = readAuthor();
    this.author.addEventListener("change", () => {
      if (!writeAuthor(this.author.value)) this.editor()?.say("The browser does not keep the name.");
      this.author.value = readAuthor();
    });
    this.file.addEventListener("change", () => void this.import());
    const button = (text: string, title: string, run: (editor: LayerEditor) => void) =>
      element(
        "button",
        {
          type: "button",
          title,
          onclick: () => {
            const editor = this.editor();
            if (editor !== undefined) run(editor);
          },
        },
        text,
      );
    this.element = element(
      "section",
      { "aria-label": "Log" },
      this.conflictHead,
      this.conflicts,
      element("h3", {}, "Log"),
      this.stored,
      element(
        "div",
        { class: "proof-row" },
        button("Undo ⌃Z", "Takes your last operation back (Ctrl+Z)", (editor) => void editor.toggle("undo")),
        button("Redo ⌃⇧Z", "Puts it back (Ctrl+Shift+Z or Ctrl+Y)", (editor) => void editor.toggle("redo")),
        button("Export", "Saves the log as a JSON Lines file", (editor) => this.export(editor)),
        button("Import", "Adds the operations of a file to the log", () => this.file.click()),
        ...(canKeepFolder()
          ? [
              button(
                "Folder…",
                "Keeps a file of the log in a folder, and reads the logs of others from it",
                (editor) =>
                  void editor.quietly(keepInFolder(editor.session)).then((text) => text && editor.say(text)),
              ),
            ]
          : []),
        element("label", { title: "Your operations are signed with it" }, "name ", this.author),
      ),
      this.file,
      this.history,
    );
    this.update();
  }

  private export({ session }: LayerEditor): void {
    const name = `edits-${readAuthor().replace(/[^\w-]+/g, "_")}.jsonl`;
    downloadBytes(name, new TextEncoder().encode(formatLog(session.log.operations)), "application/jsonl");
  }

  private async import(): Promise<void> {
    const editor = this.editor();
    const [file] = this.file.files ?? [];
    this.file.value = "";
    if (editor === undefined || file === undefined) return;
    if (file.size > LARGEST_FILE) {
      editor.say(`${file.name} is larger than any log of edits.`);
      return;
    }
    const { operations, damage, truncated } = readLog(await file.text(), file.name);
    if (operations.length === 0 && damage.length > 0) {
      editor.say(damage[0]);
      return;
    }
    const added = await editor.session.import(operations);
    const damaged = damage.length > 0 ? ` ${damage.length} lines could not be read: ${damage[0]}` : "";
    const cut = truncated ? " The last line ends in the middle and was left out." : "";
    editor.say(`${added} new operations of ${operations.length} in ${file.name}.${damaged}${cut}`);
  }

  update(): void {
    const editor = this.editor();
    const session = editor?.session;
    const { conflicts = [], conflictCount = 0, waiting = 0 } = session?.standing ?? {};
    if (this.shownConflicts !== session?.standing) {
      this.shownConflicts = session?.standing;
      this.conflictHead.hidden = conflictCount === 0;
      setText(this.conflictHead, `Conflicts (${conflictCount.toLocaleString("en")})`);
      this.conflicts.replaceChildren(
        ...conflicts.slice(0, CONFLICTS).map(({ operation, message, anchors }) => {
          const known = session?.log.get(operation);
          const what = known === undefined ? operation : `${known.author}: ${describeOperation(known)}`;
          return element(
            "li",
            {},
            element("span", { title: what }, `${what} – ${message}`),
            element(
              "button",
              { type: "button", title: "Takes this operation back", onclick: () => this.undo(operation) },
              "Undo",
            ),
            ...(anchors.length > 0
              ? [
                  element(
                    "button",
                    { type: "button", title: "Go there", onclick: () => editor?.show(anchors[0]) },
                    "Go",
                  ),
                ]
              : []),
          );
        }),
      );
    }
    setText(this.stored, storedText(editor, waiting));
    this.stored.classList.toggle("proof-bad", session?.problem !== undefined);
    const last = session?.log.operations.slice(-ROWS).reverse() ?? [];
    const shown = `${session?.logName} ${session?.log.size} ${last[0]?.id}`;
    if (this.shownOperations === shown) return;
    this.shownOperations = shown;
    this.history.replaceChildren(...last.map((operation) => this.row(operation)));
  }

  private undo(operation: string): void {
    const editor = this.editor();
    if (editor !== undefined) void editor.quietly(editor.toggleOne("undo", operation));
  }

  private row(operation: Operation): HTMLElement {
    const time = new Date(operation.time).toLocaleTimeString();
    // Which operation an id means is not for people to find out.
    const target =
      operation.kind === "undo" || operation.kind === "redo"
        ? this.editor()?.session.log.get(operation.target)
        : undefined;
    const what =
      target === undefined ? describeOperation(operation) : `${operation.kind}: ${describeOperation(target)}`;
    const text = `${time} ${operation.author}: ${what}`;
    return element("li", { title: text }, text);
  }
}

function storedText(editor: LayerEditor | undefined, waiting: number): string {
  const session = editor?.session;
  if (session === undefined) return "";
  const count = session.log.size.toLocaleString("en");
  const waits =
    waiting > 0 ? ` ${waiting.toLocaleString("en")} wait for places that nobody has looked at yet.` : "";
  if (session.problem !== undefined)
    return `${session.unstoredCount} of ${count} operations are only in this page: ${session.problem}.${waits}`;
  return `${count} operations, all stored in this browser.${waits}`;
}
