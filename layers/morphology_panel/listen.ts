import type { RefCounted } from "neuroglancer/unstable/util/disposable.js";

/** Listens on an element for as long as `owner` lives, with the event's own type. */
export function listen<K extends keyof HTMLElementEventMap>(
  owner: RefCounted,
  target: HTMLElement,
  type: K,
  handler: (event: HTMLElementEventMap[K]) => void,
): void {
  target.addEventListener(type, handler);
  owner.registerDisposer(() => target.removeEventListener(type, handler));
}
