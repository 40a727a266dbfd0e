import type { BackendPreference } from "../../workers/inference_api.js";

/** Settings of a page, from the query string of its address (the state is in the fragment): for trying and testing. */
export interface PageOptions {
  /** `?backend=auto|webgpu|wasm` */
  readonly backend: BackendPreference;
  /** `?workers=<1..8>`: inference workers when the CPU computes. */
  readonly workers: number;
  /** `?debug=1`: lets scripts break workers and devices on purpose (see debug.ts). */
  readonly debug: boolean;
  /** `?silence=<ms>`: how long a worker may give no sign of life. */
  readonly silence?: number;
}

const BACKENDS: readonly string[] = ["auto", "webgpu", "wasm"] satisfies BackendPreference[];

/**
 * @param search As in `location.search`.
 * @param cores Logical processors; one is left to the page.
 * @throws Error naming the parameter and what it can be.
 */
export function readPageOptions(search: string, cores: number): PageOptions {
  const query = new URLSearchParams(search);
  const backend = query.get("backend") ?? "auto";
  if (!BACKENDS.includes(backend))
    throw new Error(`?backend=${backend} in the page's address must be one of ${BACKENDS.join(", ")}`);
  const workers = number(query, "workers", 1, 8) ?? Math.max(1, Math.min(4, cores - 1));
  const silence = number(query, "silence", 500, 3_600_000);
  return {
    backend: backend as BackendPreference,
    workers,
    debug: query.get("debug") === "1",
    ...(silence !== undefined && { silence }),
  };
}

function number(query: URLSearchParams, name: string, least: number, most: number): number | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  const value = Number(text);
  if (!(/^\d+$/.test(text) && value >= least && value <= most))
    throw new Error(`?${name}=${text} in the page's address must be a whole number from ${least} to ${most}`);
  return value;
}
