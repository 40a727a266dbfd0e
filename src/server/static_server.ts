import { realpath, stat } from "node:fs/promises";
import {
  createServer,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import {
  COMMON_HEADERS,
  CORS_HEADERS,
  DATA_CSP,
  dataType,
  isLoopback,
  isOwnHost,
  PAGE_CSP,
  PREFLIGHT_HEADERS,
  pageCaching,
  pageType,
} from "./headers.js";
import { listVolumes } from "./list_volumes.js";
import { openInside, pathSegments } from "./request_path.js";
import { sendFile } from "./send_file.js";

export interface ServerOptions {
  /** Folder of the built page; without it only volumes are served. */
  readonly dist?: string;
  /** Folder of volumes, at /data/. */
  readonly data?: string;
  /** Folder of model packages, at /models/ instead of the ones in `dist`. */
  readonly models?: string;
  /** First port to try; 0 takes any free one. 8080 without it. */
  readonly port?: number;
  /** Address to listen on; "127.0.0.1" (this computer only) without it. */
  readonly host?: string;
}

export interface RunningServer {
  /** Address of the page: "http://127.0.0.1:8080/". */
  readonly url: string;
  readonly port: number;
  /** Lets running answers finish for two seconds, then cuts them off. */
  close(): Promise<void>;
}

/** Something that keeps the server from starting; the message says what to do. */
export class ServerError extends Error {
  override name = "ServerError";
}

/** How many ports after a busy one are tried. */
const PORTS_TRIED = 20;

/**
 * Serves the page and local volumes: GET and HEAD of regular files below the given folders and nothing else, with single
 * ranges, and `/api/volumes.json`, the list of volumes. Slow and oversized requests are left to Node's own limits
 * (headers 16 KiB and 60 s, a request 300 s).
 * @throws ServerError when a folder is missing or no port is free.
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const host = options.host ?? "127.0.0.1";
  const [dist, data, models] = await Promise.all([
    realFolder(options.dist, "the built page"),
    realFolder(options.data, "the folder of volumes"),
    realFolder(options.models, "the folder of models"),
  ]);
  const server = createServer((request, response) => {
    answer(request, response, { dist, data, models, host }).catch((error: NodeJS.ErrnoException) => {
      // A client that went away is no error of ours.
      if (response.destroyed || error.code === "ERR_STREAM_PREMATURE_CLOSE") return;
      if (response.headersSent) response.destroy();
      else sendText(response, 500, "The file could not be read.");
    });
  });
  // Anything malformed gets its answer and the connection ends.
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    if (!socket.writable || error.code === "ECONNRESET") return socket.destroy();
    const status =
      error.code === "HPE_HEADER_OVERFLOW" ? "431 Request Header Fields Too Large" : "400 Bad Request";
    socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
  });
  const port = await listen(server, options.port ?? 8080, host);
  const shown = host === "0.0.0.0" || host === "::" ? "localhost" : host.includes(":") ? `[${host}]` : host;
  return { url: `http://${shown}:${port}/`, port, close: () => close(server) };
}

interface Context {
  readonly dist: string | undefined;
  readonly data: string | undefined;
  readonly models: string | undefined;
  readonly host: string;
}

async function answer(request: IncomingMessage, response: ServerResponse, context: Context): Promise<void> {
  for (const [name, value] of Object.entries(COMMON_HEADERS)) response.setHeader(name, value as string);
  if (!isOwnHost(request.headers.host, context.host)) {
    return sendText(
      response,
      403,
      "This server answers only under its own address, see where it was started.",
    );
  }
  const names = pathSegments(request.url ?? "");
  const isData = names?.[0] === "data";
  const extra: OutgoingHttpHeaders = isData ? { ...CORS_HEADERS, "Content-Security-Policy": DATA_CSP } : {};
  if (request.method === "OPTIONS") {
    response
      .writeHead(204, { ...extra, ...(isData ? PREFLIGHT_HEADERS : { Allow: "GET, HEAD, OPTIONS" }) })
      .end();
    return;
  }
  if (request.method !== "GET" && request.method !== "HEAD") {
    return sendText(response, 405, "Only GET and HEAD.", { ...extra, Allow: "GET, HEAD, OPTIONS" });
  }
  if (!names) return sendText(response, 400, "This is no address of a file.");
  const [first, ...rest] = names;
  if (isData) {
    const opened = context.data === undefined ? undefined : await openInside(context.data, rest);
    if (!opened) return sendText(response, 404, "There is no such file.", extra);
    // Volumes are rewritten in place: a browser may keep a chunk, but asks whether it is still the same.
    const headers = { ...extra, "Content-Type": dataType(names.at(-1)!), "Cache-Control": "no-cache" };
    return sendFile(request, response, opened, headers);
  }
  if (first === "api") {
    if (names.join("/") !== "api/volumes.json") return sendText(response, 404, "There is no such address.");
    const list =
      context.data === undefined
        ? { volumes: [], problems: [], truncated: false }
        : await listVolumes(context.data);
    // Without CORS: which volumes there are is for our own page.
    return sendText(response, 200, JSON.stringify(list), { "Content-Type": "application/json" });
  }
  const ownModels = first === "models" && context.models !== undefined;
  const root = ownModels ? context.models : context.dist;
  const inside = ownModels ? rest : names.length === 0 ? ["index.html"] : names;
  const opened = root === undefined ? undefined : await openInside(root, inside);
  if (!opened) {
    const hint = names.length === 0 ? "The page is not built. Run: npm run build" : "There is no such file.";
    return sendText(response, 404, hint);
  }
  const name = inside.at(-1)!;
  return sendFile(request, response, opened, {
    "Content-Type": pageType(name),
    "Cache-Control": pageCaching(name),
    // Workers take the policy of their own script's answer, so it goes with every file.
    "Content-Security-Policy": PAGE_CSP,
  });
}

function sendText(
  response: ServerResponse,
  status: number,
  text: string,
  headers: OutgoingHttpHeaders = {},
): void {
  response
    .writeHead(status, {
      "Content-Type": "text/plain; charset=utf-8",
      "Content-Length": Buffer.byteLength(text),
      "Cache-Control": "no-store",
      ...headers,
    })
    .end(response.req.method === "HEAD" ? undefined : text);
}

async function realFolder(path: string | undefined, what: string): Promise<string | undefined> {
  if (path === undefined) return undefined;
  const found = await stat(path).catch(() => undefined);
  if (!found?.isDirectory()) throw new ServerError(`${path}: ${what} is not there, or is no folder`);
  return realpath(path);
}

/** Listens on `port`, or on the first free one of those after it. */
async function listen(server: Server, port: number, host: string): Promise<number> {
  for (let candidate = port; ; candidate++) {
    try {
      await new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        server.listen(candidate, host, () => {
          server.off("error", reject);
          resolve();
        });
      });
      return (server.address() as AddressInfo).port;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      const isBusy = code === "EADDRINUSE" || (code === "EACCES" && candidate >= 1024);
      if (isBusy && candidate - port < PORTS_TRIED && candidate < 65535) continue;
      const problem: Record<string, string> = {
        EADDRINUSE: `ports ${port} to ${candidate} are in use: choose another one with --port`,
        EACCES: `port ${port} needs the rights of an administrator: choose one above 1023 with --port`,
        EADDRNOTAVAIL: "this computer has no such address: choose another one with --host",
        ENOTFOUND: "this name is not known: choose another one with --host",
      };
      throw new ServerError(`${host}: ${problem[code ?? ""] ?? (error as Error).message}`, { cause: error });
    }
  }
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const cut = setTimeout(() => server.closeAllConnections(), 2000);
    server.close(() => {
      clearTimeout(cut);
      resolve();
    });
    server.closeIdleConnections();
  });
}

/** Resolves when the user (Ctrl+C) or the system asks the process to end. */
export function interrupted(): Promise<void> {
  return new Promise((resolve) => {
    process.once("SIGINT", resolve);
    process.once("SIGTERM", resolve);
  });
}

/** A warning for whoever opens the server to a network; undefined on loopback. */
export function exposureWarning(host: string): string | undefined {
  return isLoopback(host)
    ? undefined
    : `Everyone who can reach ${host} can read the volumes that are served.`;
}
