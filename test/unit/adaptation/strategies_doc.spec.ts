import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { STRATEGIES } from "../../../src/adaptation/registry.js";
import { type Need, STRATEGY_IDS } from "../../../src/adaptation/types.js";

const text = readFileSync(new URL("../../../docs/strategies.md", import.meta.url), "utf8");

/** Cells of the table's row that begins with `id`. */
const row = (id: string) =>
  text
    .split("\n")
    .find((line) => line.startsWith(`| \`${id}\` |`))
    ?.split("|")
    .map((cell) => cell.trim())
    .slice(2, 6);

it.each(STRATEGY_IDS)("docs/strategies.md says what %s needs", async (id) => {
  const { needs } = await STRATEGIES[id]();
  const columns: Need[] = ["source-images", "source-model", "source-histogram", "target-images"];
  expect(row(id)?.map((cell) => cell === "yes")).toEqual(columns.map((need) => needs.includes(need)));
});
