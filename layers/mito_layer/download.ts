import { element } from "./dom.js";

/** Long enough for the browser to take the bytes. */
const KEPT_MS = 60_000;

/** Hands bytes to the user as a file. */
export function downloadBytes(name: string, bytes: Uint8Array<ArrayBuffer>, type: string): void {
  const url = URL.createObjectURL(new Blob([bytes], { type }));
  const anchor = element("a", { href: url, download: name });
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(url), KEPT_MS);
}
