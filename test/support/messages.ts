import type { Page } from "playwright-core";

/** Before the page's own scripts: keeps every binary that a worker or port sends to the main thread. */
export function collectMessages() {
  const buffers: Uint8Array[] = [];
  (globalThis as unknown as { received: Uint8Array[] }).received = buffers;
  const collect = (value: unknown, depth: number) => {
    if (value instanceof ArrayBuffer) buffers.push(new Uint8Array(value.slice(0)));
    else if (ArrayBuffer.isView(value))
      buffers.push(new Uint8Array(value.buffer, value.byteOffset, value.byteLength).slice());
    else if (typeof value === "object" && value !== null && depth < 6)
      for (const part of value instanceof Map ? value.values() : Object.values(value))
        collect(part, depth + 1);
  };
  const listen = (target: EventTarget) =>
    target.addEventListener("message", (event) => collect((event as MessageEvent).data, 0));
  const Original = globalThis.Worker;
  globalThis.Worker = class extends Original {
    constructor(...args: ConstructorParameters<typeof Worker>) {
      super(...args);
      listen(this);
    }
  };
  const { start } = MessagePort.prototype;
  MessagePort.prototype.start = function (this: MessagePort) {
    listen(this);
    start.call(this);
  };
}

/** How many of the byte sequences occur in what the main thread has received. */
export function occurrences(page: Page, sequences: readonly Uint8Array[]): Promise<number> {
  return page.evaluate(
    (wanted) => {
      const { received } = globalThis as unknown as { received: Uint8Array[] };
      const decoder = new TextDecoder("latin1");
      const texts = received.map((bytes) => decoder.decode(bytes));
      const found = wanted.map((bytes) => decoder.decode(Uint8Array.from(bytes)));
      return found.filter((sequence) => texts.some((text) => text.includes(sequence))).length;
    },
    sequences.map((bytes) => [...bytes]),
  );
}
