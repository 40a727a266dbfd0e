import type { Vec3 } from "../volume/types.js";
import { kindOf } from "./json_lines.js";
import type { Operation, Reach, Strokes } from "./types.js";

/** Longest piece of a person's own words in one line. */
const WORDS = 200;

/** What an operation does, in words, on one line. */
export function describeOperation(operation: Operation): string {
  switch (operation.kind) {
    case "merge":
      return `merge ${list(operation.anchors)}`;
    case "split":
      return `split by ${operation.landscape}: ${operation.parts.map(list).join(" | ")}`;
    case "separate": {
      const { anchor, within } = operation;
      return `separate ${at(anchor)}${within ? ` within ${at(within.lower)}-${at(within.upper)}` : ""}`;
    }
    case "add":
      return `add from ${at(operation.seed)}, probability ${operation.threshold} or more, within ${at(operation.radius)} voxels${along(operation.strokes)}`;
    case "fill_holes":
      return `fill the holes of ${at(operation.anchor)} ${where(operation.reach)}`;
    case "smooth":
    case "grow":
    case "shrink":
      return `${operation.kind} ${at(operation.anchor)} ${where(operation.reach)}, ${operation.voxels} times`;
    case "verdict":
      return `${operation.verdict === "none" ? "take back the verdict on" : operation.verdict} ${at(operation.anchor)}`;
    case "tag":
      return `${operation.remove ? "take off" : "put on"} tag "${words(operation.tag)}" ${at(operation.anchor)}`;
    case "comment":
      return `comment on ${at(operation.anchor)}: "${words(operation.text)}"`;
    case "undo":
    case "redo":
      return `${operation.kind} ${operation.target}`;
    case "delete":
    case "restore":
      return `${operation.kind} ${at(operation.anchor)}`;
    case "not understood":
      return `${words(kindOf(operation))} (not understood: of a newer version)`;
  }
}

/** One line of a history: time, author, id, what. @param state how it stands, as "undone". */
export function historyLine(operation: Operation, state = ""): string {
  const time = new Date(operation.time).toISOString().replace("T", " ").slice(0, 19);
  return `${time}  ${words(operation.author)}  ${operation.id}  ${describeOperation(operation)}${state ? `  [${state}]` : ""}`;
}

function at(voxel: Vec3): string {
  return `(${voxel.join(", ")})`;
}

function along(strokes: Strokes | undefined): string {
  if (strokes === undefined) return "";
  const sections = new Set(strokes.lines.map(([first]) => first[strokes.axis])).size;
  return ` along ${strokes.lines.flat().length} clicks in ${sections} sections`;
}

/** A stroke of markers is told by its first one. */
function list(voxels: readonly Vec3[]): string {
  const shown = voxels.slice(0, 3).map(at).join(" ");
  return voxels.length > 3 ? `${shown} and ${voxels.length - 3} more` : shown;
}

function where(reach: Reach): string {
  if (reach.dimensions === 3) return "in 3-D";
  const axis = "xyz"[reach.axis];
  return reach.sections === "all" ? `in each section across ${axis}` : `in its section across ${axis}`;
}

/** People's words without what a terminal would take for a command, and cut where they go on for long. */
function words(text: string): string {
  const plain = text.replace(/\p{C}+/gu, " ");
  return plain.length > WORDS ? `${plain.slice(0, WORDS)}...` : plain;
}
