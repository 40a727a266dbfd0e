/** Entry of the phantom worker: makes chunks of phantom volumes, which takes up to a second each. */
import * as Comlink from "comlink";
import { readPhantomKey } from "../src/phantom/store.js";
import { exposeApi } from "./expose.js";

export interface PhantomApi {
  /**
   * Value of a phantom's key; see `readPhantomKey`. `id` is for `cancel`.
   * @throws VolumeError; AbortError when cancelled before it was begun.
   */
  read(id: number, path: string): Promise<Uint8Array<ArrayBuffer> | undefined>;
  cancel(id: number): void;
}

const running = new Map<number, AbortController>();

const api = {
  async read(id: number, path: string) {
    const controller = new AbortController();
    running.set(id, controller);
    try {
      const value = await readPhantomKey(path, { signal: controller.signal });
      return value === undefined ? undefined : Comlink.transfer(value, [value.buffer]);
    } finally {
      running.delete(id);
    }
  },
  cancel(id: number) {
    running.get(id)?.abort(new DOMException("the phantom's chunk is no longer wanted", "AbortError"));
  },
} satisfies PhantomApi;

exposeApi(api, globalThis as unknown as Comlink.Endpoint);
