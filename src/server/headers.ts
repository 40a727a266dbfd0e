import type { OutgoingHttpHeaders } from "node:http";
import { isIP } from "node:net";
import { hostname } from "node:os";

/**
 * What the page may do. Everything it does not need is off; what it needs is here with the reason.
 * - script 'unsafe-eval': Neuroglancer 2.41 makes functions from text (annotation/index.js and
 *   sliceview/compressed_segmentation/encode_common.js). 'wasm-unsafe-eval': tfjs' WASM backend, codecs.
 *   No inline script and no script from elsewhere.
 * - style 'unsafe-inline': Neuroglancer's style sheets are put into the page as <style> elements.
 * - worker blob:, script blob: tfjs' WASM backend starts its threads from a blob when it may use threads.
 * - connect and img *: a volume can lie on any server, and that is for the user to choose. data: and blob: are local.
 * - frame-ancestors 'self': no other site may show the page in a frame and guide clicks into it.
 */
export const PAGE_CSP = [
  "default-src 'self'",
  "script-src 'self' 'unsafe-eval' 'wasm-unsafe-eval' blob:",
  "worker-src 'self' blob:",
  "style-src 'self' 'unsafe-inline'",
  "img-src * data: blob:",
  "font-src 'self' data:",
  "connect-src * data: blob:",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'self'",
].join("; ");

/** A file of a volume is data. Should a browser be led to show one, it runs nothing and reaches nothing. */
export const DATA_CSP = "default-src 'none'; sandbox";

/** Sent with every answer. No COOP or COEP: they would keep volumes on other servers from being read. */
export const COMMON_HEADERS: OutgoingHttpHeaders = {
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
};

/**
 * For files of volumes: any page may read them (a Neuroglancer elsewhere, a notebook), also one on the public web,
 * which Chrome asks about separately (Private Network Access).
 */
export const CORS_HEADERS: OutgoingHttpHeaders = {
  "Access-Control-Allow-Origin": "*",
  "Access-Control-Expose-Headers": "Accept-Ranges, Content-Encoding, Content-Length, Content-Range, ETag",
};
export const PREFLIGHT_HEADERS: OutgoingHttpHeaders = {
  "Access-Control-Allow-Methods": "GET, HEAD, OPTIONS",
  "Access-Control-Allow-Headers": "Range, If-Match, If-None-Match, If-Range, Content-Type",
  "Access-Control-Allow-Private-Network": "true",
  "Access-Control-Max-Age": "86400",
};

const PAGE_TYPES: Readonly<Record<string, string>> = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".ico": "image/x-icon",
  ".jpg": "image/jpeg",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".map": "application/json",
  ".mjs": "text/javascript; charset=utf-8",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".txt": "text/plain; charset=utf-8",
  ".wasm": "application/wasm",
  ".yaml": "text/plain; charset=utf-8",
};

/** Content type of a file of the page. */
export function pageType(name: string): string {
  return PAGE_TYPES[/\.\w+$/.exec(name)?.[0].toLowerCase() ?? ""] ?? "application/octet-stream";
}

/** Content type of a file of a volume: metadata is JSON, the rest bytes; never anything that a browser would run. */
export function dataType(name: string): string {
  return /^(info|provenance|\.z(array|attrs|group|metadata))$|\.json$/.test(name)
    ? "application/json"
    : "application/octet-stream";
}

/** Builds carry a digest of their content in the name: such a file never changes. */
export function pageCaching(name: string): string {
  return /\.[0-9a-f]{8,}\.\w+$/.test(name) ? "public, max-age=31536000, immutable" : "no-cache";
}

/**
 * Whether a Host header names this server. A page elsewhere can have its own name point at 127.0.0.1 (DNS rebinding) and
 * would then count as the same site as ours; the Host header still holds that name. Addresses cannot be rebound.
 * @param bound the address or name that the server was told to listen on.
 */
export function isOwnHost(header: string | undefined, bound: string): boolean {
  if (header === undefined) return false;
  const match = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:\d{1,5})?$/i.exec(header);
  if (!match) return false;
  const name = match[1].toLowerCase().replace(/^\[|\]$/g, "");
  if (name === "localhost" || name.endsWith(".localhost") || name === bound.toLowerCase()) return true;
  if (isIP(name) !== 0) return true;
  // Open to the network by the user's wish: then also by this machine's name there.
  return (
    !isLoopback(bound) && (name === hostname().toLowerCase() || name === `${hostname().toLowerCase()}.local`)
  );
}

export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}
