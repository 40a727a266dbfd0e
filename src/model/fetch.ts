import type { FileFetcher } from "./limits.js";

/**
 * Files of a package over HTTP (a worker, a page, or Node).
 * @param base URL of the package's folder.
 */
export function httpFiles(base: string): FileFetcher {
  const folder = base.endsWith("/") ? base : `${base}/`;
  return async (file, { maxBytes, signal }) => {
    const url = new URL(file, folder).href;
    let response: Response;
    try {
      response = await fetch(url, { signal });
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new Error(`cannot fetch ${url}: unreachable, or not allowed by the server (CORS)`, {
        cause: error,
      });
    }
    if (!response.ok) throw new Error(`cannot fetch ${url}: HTTP ${response.status}`);
    const parts: Uint8Array[] = [];
    let length = 0;
    for (const reader = response.body!.getReader(); ; ) {
      const { done, value } = await reader.read();
      if (done) break;
      length += value.byteLength;
      if (length > maxBytes) {
        await reader.cancel();
        throw new Error(`${url}: more than the ${maxBytes} bytes expected`);
      }
      parts.push(value);
    }
    const bytes = new Uint8Array(length);
    let offset = 0;
    for (const part of parts) {
      bytes.set(part, offset);
      offset += part.byteLength;
    }
    return bytes;
  };
}
