import { handleByteRangeRequestFromUint8Array } from "neuroglancer/unstable/kvstore/byte_range/file_handle.js";
import type {
  DriverReadOptions,
  KvStore,
  ReadResponse,
  StatOptions,
  StatResponse,
} from "neuroglancer/unstable/kvstore/index.js";
import { KvStoreFileHandle, NotFoundError } from "neuroglancer/unstable/kvstore/index.js";
import { frontendBackendIsomorphicKvStoreProviderRegistry } from "neuroglancer/unstable/kvstore/register.js";
import { encodePathForUrl, ensureNoQueryOrFragmentParameters } from "neuroglancer/unstable/kvstore/url.js";
import { phantomKeySize, phantomScheme, readPhantomKey } from "../src/phantom/store.js";

let reader: typeof readPhantomKey = readPhantomKey;

/** Reads phantoms in another way (in other threads); what it gives must be left unchanged by its readers. */
export function usePhantomReader(read: typeof readPhantomKey): void {
  reader = read;
}

/**
 * `phantom://<style>/<seed>/em` and `.../labels` as a Neuroglancer key-value store. Import this for its effect in the
 * main thread and in the chunk worker: the one reads only `info`, the other makes the chunks.
 */
class PhantomKvStore implements KvStore {
  readonly supportsOffsetReads = true;
  readonly supportsSuffixReads = true;

  getUrl(key: string): string {
    return `${phantomScheme}://${encodePathForUrl(key)}`;
  }

  async stat(key: string, options: StatOptions): Promise<StatResponse | undefined> {
    const totalSize = phantomKeySize(key);
    if (totalSize !== undefined) return { totalSize };
    return this.missing(key, options.throwIfMissing);
  }

  async read(key: string, options: DriverReadOptions): Promise<ReadResponse | undefined> {
    const value = await reader(key, { signal: options.signal });
    if (value !== undefined) return handleByteRangeRequestFromUint8Array(value, options.byteRange);
    return this.missing(key, options.throwIfMissing);
  }

  private missing(key: string, throwIfMissing: boolean | undefined): undefined {
    if (throwIfMissing) throw new NotFoundError(new KvStoreFileHandle(this, key));
    return undefined;
  }
}

frontendBackendIsomorphicKvStoreProviderRegistry.registerBaseKvStoreProvider(() => ({
  scheme: phantomScheme,
  description: "synthetic EM volume with known mitochondria",
  getKvStore(url) {
    ensureNoQueryOrFragmentParameters(url);
    const encoded = (url.suffix ?? "").replace(/^\/+/, "");
    try {
      return { store: new PhantomKvStore(), path: decodeURIComponent(encoded) };
    } catch (cause) {
      throw new Error(`Invalid URL ${JSON.stringify(url.url)}: not valid percent-encoding`, { cause });
    }
  },
}));
