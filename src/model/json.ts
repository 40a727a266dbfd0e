import { LIMITS } from "./limits.js";

const FORBIDDEN = new Set(["__proto__", "constructor", "prototype"]);

/**
 * Refuses what no package has a reason to hold: keys that reach into object prototypes, and nesting beyond any model.
 * @throws Error naming the path of the first offence.
 */
export function assertPlain(value: unknown, path = "", depth = 0): void {
  if (typeof value !== "object" || value === null) return;
  if (depth > LIMITS.jsonDepth) throw new Error(`${path}: nested deeper than ${LIMITS.jsonDepth}`);
  for (const key of Object.keys(value)) {
    const where = path === "" ? key : `${path}.${key}`;
    if (FORBIDDEN.has(key)) throw new Error(`${where}: forbidden key`);
    assertPlain((value as Record<string, unknown>)[key], where, depth + 1);
  }
}
