import {
  type ByteRange,
  type ByteStore,
  checkKey,
  checkRange,
  MAX_VALUE_BYTES,
  type StoreReadOptions,
} from "./store.js";
import { VolumeError } from "./types.js";

export interface HttpStoreOptions {
  /** Seconds until an answer must be complete; 60 without it. */
  readonly timeoutSeconds?: number;
  /** Attempts in all when the server is overloaded or the connection breaks; 5 without it. */
  readonly attempts?: number;
  /** Milliseconds before the second attempt, doubled for each further one; 300 without it. */
  readonly backOff?: number;
  /** For tests; the global `fetch` without it. */
  readonly fetch?: typeof fetch;
}

/** Servers that are only busy say so with one of these. */
const TRANSIENT = new Set([408, 425, 429, 500, 502, 503, 504]);

/** A web address: `http(s)://...`. A query string of the base ("?token=...") is kept on each request. */
export class HttpStore implements ByteStore {
  readonly name: string;
  readonly #base: string;
  readonly #query: string;
  readonly #options: Required<HttpStoreOptions>;

  /** @throws VolumeError when the address is not http or https. */
  constructor(address: string, options: HttpStoreOptions = {}) {
    let url: URL;
    try {
      url = new URL(address);
    } catch (cause) {
      throw new VolumeError(address, "is not a web address", { cause });
    }
    if (url.protocol !== "http:" && url.protocol !== "https:") {
      throw new VolumeError(address, "only http and https addresses can be read");
    }
    this.#query = url.search;
    url.search = "";
    url.hash = "";
    this.#base = url.href.replace(/\/+$/, "");
    this.name = this.#base;
    this.#options = {
      timeoutSeconds: 60,
      attempts: 5,
      backOff: 300,
      fetch: (...a) => fetch(...a),
      ...options,
    };
  }

  get(
    key: string,
    { signal, limit = MAX_VALUE_BYTES }: StoreReadOptions = {},
  ): Promise<Uint8Array | undefined> {
    return this.#request(key, undefined, signal, (response, where) => readBody(response, limit, where));
  }

  getRange(key: string, range: ByteRange, options: StoreReadOptions = {}): Promise<Uint8Array | undefined> {
    checkRange(`${this.name}/${key}`, range, options.limit);
    const length = "offset" in range ? range.length : range.suffixLength;
    if (length === 0) return Promise.resolve(new Uint8Array(0));
    const header =
      "offset" in range
        ? `bytes=${range.offset}-${range.offset + length - 1}`
        : `bytes=-${range.suffixLength}`;
    return this.#request(key, header, options.signal, async (response, where) => {
      if (response.status === 416)
        throw new VolumeError(where, `is too short for ${header}: cut off, or its index damaged`);
      // A server without ranges sends everything.
      const whole = response.status === 200;
      let bytes = await readBody(response, whole ? MAX_VALUE_BYTES : length, where);
      if (whole) {
        const start = "offset" in range ? range.offset : bytes.length - length;
        bytes = start < 0 ? bytes.subarray(0, 0) : bytes.subarray(start, start + length);
      }
      if (bytes.length !== length) {
        throw new VolumeError(
          where,
          `gave ${bytes.length} bytes for ${header}: cut off, or its index damaged`,
        );
      }
      return bytes;
    });
  }

  /** One request with attempts; undefined when the server says that there is nothing. */
  async #request<T>(
    key: string,
    range: string | undefined,
    signal: AbortSignal | undefined,
    use: (response: Response, where: string) => Promise<T>,
  ): Promise<T | undefined> {
    const path = checkKey(this.name, key).split("/").map(encodeURIComponent).join("/");
    const url = `${this.#base}${path === "" ? "" : `/${path}`}${this.#query}`;
    const where = `${this.#base}/${path}`;
    const { attempts, backOff, timeoutSeconds } = this.#options;
    for (let attempt = 1; ; attempt++) {
      signal?.throwIfAborted();
      const timeout = AbortSignal.timeout(timeoutSeconds * 1000);
      let problem: string;
      let cause: unknown;
      try {
        const response = await this.#options.fetch(url, {
          // Parts of a compressed form could not be told from parts of the value.
          headers: range === undefined ? {} : { Range: range, "Accept-Encoding": "identity" },
          signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
        });
        // Object stores without a listing permission answer 403 for a key that is not there.
        if (response.status === 404 || response.status === 403) {
          await response.body?.cancel();
          return undefined;
        }
        if (response.ok || response.status === 416) return await use(response, where);
        await response.body?.cancel();
        problem = `the server answers ${response.status} ${response.statusText}`;
        if (!TRANSIENT.has(response.status)) throw new VolumeError(where, problem);
      } catch (error) {
        if (error instanceof VolumeError) throw error;
        signal?.throwIfAborted();
        cause = error;
        problem = timeout.aborted ? `no answer in ${timeoutSeconds} s` : "cannot be reached";
        const reason = (error as { cause?: { code?: string } }).cause?.code;
        if (reason !== undefined) problem += ` (${reason})`;
      }
      if (attempt >= attempts) {
        throw new VolumeError(
          where,
          `${problem}, tried ${attempt} times: check the address and the network`,
          { cause },
        );
      }
      await pause(backOff * 2 ** (attempt - 1) * (0.5 + Math.random()), signal);
    }
  }
}

/** Body as bytes, stopped as soon as it is longer than the limit. */
async function readBody(response: Response, limit: number, where: string): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  const reader = response.body?.getReader();
  while (reader) {
    const { done, value } = await reader.read();
    if (done) break;
    length += value.length;
    if (length > limit) {
      await reader.cancel();
      throw new VolumeError(where, `sends more than the ${limit} bytes it can honestly have`);
    }
    parts.push(value);
  }
  if (parts.length === 1) return parts[0];
  const bytes = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.length;
  }
  return bytes;
}

function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", stop, { once: true });
  });
}
