import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";
import type { OpenedFile } from "./request_path.js";

/** What a Range header asks of a file: part of it, all of it, or something that it does not have. */
export type RangeResult =
  | { readonly kind: "whole" }
  | { readonly kind: "part"; readonly start: number; readonly end: number }
  | { readonly kind: "unsatisfiable" };

/**
 * Reads a Range header (RFC 9110, section 14). One range of bytes is served; several, other units and nonsense are
 * ignored, as the RFC allows, and the whole file is the answer.
 * @returns `start` and `end` inclusive.
 */
export function parseRange(header: string | undefined, size: number): RangeResult {
  const match = header === undefined ? null : /^bytes=\s*(\d{0,15})-(\d{0,15})\s*$/i.exec(header);
  if (!match || (match[1] === "" && match[2] === "")) return { kind: "whole" };
  if (match[1] === "") {
    const length = Math.min(Number(match[2]), size);
    return length === 0 ? { kind: "unsatisfiable" } : { kind: "part", start: size - length, end: size - 1 };
  }
  const start = Number(match[1]);
  const end = match[2] === "" ? size - 1 : Math.min(Number(match[2]), size - 1);
  if (match[2] !== "" && Number(match[2]) < start) return { kind: "whole" };
  return start >= size ? { kind: "unsatisfiable" } : { kind: "part", start, end };
}

/** Changes when the file does. */
export function entityTag({ stat }: OpenedFile): string {
  return `"${stat.size.toString(36)}-${Math.round(stat.mtimeMs * 1000).toString(36)}-${stat.ino.toString(36)}"`;
}

/** Answers a GET or HEAD with an opened file, and closes it. */
export async function sendFile(
  request: IncomingMessage,
  response: ServerResponse,
  opened: OpenedFile,
  headers: OutgoingHttpHeaders,
): Promise<void> {
  const { file, stat } = opened;
  try {
    const tag = entityTag(opened);
    for (const [name, value] of Object.entries(headers))
      if (value !== undefined) response.setHeader(name, value);
    response.setHeader("ETag", tag);
    response.setHeader("Last-Modified", stat.mtime.toUTCString());
    response.setHeader("Accept-Ranges", "bytes");
    const known = request.headers["if-none-match"];
    if (
      known &&
      (known.trim() === "*" || known.split(",").some((one) => one.trim().replace(/^W\//, "") === tag))
    ) {
      response.writeHead(304).end();
      return;
    }
    // A range of a file that has changed since would be mixed with the old parts.
    const current = request.headers["if-range"];
    const useRange = request.method === "GET" && (current === undefined || current === tag);
    const range = parseRange(useRange ? request.headers.range : undefined, stat.size);
    if (range.kind === "unsatisfiable") {
      response.writeHead(416, { "Content-Range": `bytes */${stat.size}`, "Content-Length": 0 }).end();
      return;
    }
    const [start, end] = range.kind === "part" ? [range.start, range.end] : [0, stat.size - 1];
    response.setHeader("Content-Length", end - start + 1);
    if (range.kind === "part") response.setHeader("Content-Range", `bytes ${start}-${end}/${stat.size}`);
    response.writeHead(range.kind === "part" ? 206 : 200);
    if (request.method === "HEAD" || end < start) {
      response.end();
      return;
    }
    const stream = file.createReadStream({ start, end, autoClose: false });
    await pipeline(stream, response, { end: false });
    // Cut while it was read: the client waits for the rest that was promised, unless the connection ends.
    if (stream.bytesRead < end - start + 1) response.destroy();
    else response.end();
  } finally {
    await file.close();
  }
}
