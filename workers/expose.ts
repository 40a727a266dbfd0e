import * as Comlink from "comlink";

// biome-ignore lint/suspicious/noExplicitAny: the parameters of the methods are theirs to check
export type WorkerMethods = Record<string, (...values: any[]) => unknown>;

const REFUSED = "refused";

/**
 * Exposes the methods of `api` over Comlink, and nothing else.
 *
 * Comlink follows any property path that a message names, so that `["label", "constructor"]` would reach `Function` and
 * with it run any code; it also lets a message set properties. Here only calls of an own method get through; whatever
 * else comes is answered with an error. A message without an id is dropped, there is nobody to answer.
 */
export function exposeApi(api: WorkerMethods, endpoint: Comlink.Endpoint): void {
  const facade: WorkerMethods = Object.assign(Object.create(null), api, {
    [REFUSED]: () => {
      throw new TypeError(`the worker only answers calls of ${Object.keys(api).join(", ")}`);
    },
  });
  Object.freeze(facade);
  const guards = new WeakMap<EventListenerOrEventListenerObject, (event: Event) => void>();
  Comlink.expose(facade, {
    addEventListener(type, listener) {
      const guard = (event: Event) => {
        const { data } = event as MessageEvent;
        if (typeof data !== "object" || data === null || typeof data.id !== "string") return;
        const seen = isCall(api, data)
          ? data
          : { id: data.id, type: "APPLY", path: [REFUSED], argumentList: [] };
        const passed = { data: seen } as MessageEvent;
        if (typeof listener === "function") listener(passed);
        else listener.handleEvent(passed);
      };
      guards.set(listener, guard);
      endpoint.addEventListener(type, guard);
    },
    removeEventListener(type, listener) {
      endpoint.removeEventListener(type, guards.get(listener) ?? listener);
    },
    postMessage: (message, transfer) => endpoint.postMessage(message, transfer ?? []),
    start: () => endpoint.start?.(),
  });
}

/** Whether a Comlink message calls a method of the API (or releases the connection). */
function isCall(
  api: WorkerMethods,
  data: { type?: unknown; path?: unknown; argumentList?: unknown },
): boolean {
  if (data.type === "RELEASE") return data.path === undefined;
  return (
    data.type === "APPLY" &&
    Array.isArray(data.path) &&
    data.path.length === 1 &&
    typeof data.path[0] === "string" &&
    Object.hasOwn(api, data.path[0]) &&
    Array.isArray(data.argumentList)
  );
}
