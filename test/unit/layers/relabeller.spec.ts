import { describe, expect, it } from "vitest";
import { Relabeller } from "../../../layers/mito/relabeller.js";
import type { LabelSettings } from "../../../src/segmentation/types.js";

const turn = () => new Promise((resolve) => setTimeout(resolve, 10));
const at = (threshold: number): LabelSettings => ({ threshold, minimumVoxels: 1, connectivity: 6 });

/** A host whose chunks are labelled when the test says so. */
function makeHost(visible: string[], others: string[] = []) {
  const log: string[] = [];
  const waiting: (() => void)[] = [];
  let settings = at(0.5);
  const relabeller = new Relabeller({
    settings: () => settings,
    keys: () => ({ visible, others }),
    relabel: (key, { threshold }) =>
      new Promise((resolve) => {
        log.push(`label ${key} ${threshold}`);
        waiting.push(() =>
          resolve(
            key === "forgotten"
              ? undefined
              : {
                  show: () => void log.push(`show ${key} ${threshold}`),
                  finish: () => void log.push(`finish ${key} ${threshold}`),
                },
          ),
        );
      }),
  });
  return {
    log,
    relabeller,
    set: (threshold: number) => {
      settings = at(threshold);
      relabeller.change();
    },
    /** Lets everything that waits be labelled, and what waits after that. */
    drain: async () => {
      for (let idle = 0; idle < 10; idle++) {
        await turn();
        if (waiting.length > 0) idle = 0;
        for (const finish of waiting.splice(0)) finish();
      }
    },
    labelOne: () => waiting.shift()!(),
  };
}

describe("Relabeller", () => {
  it("shows what is visible all at once, then does the rest", async () => {
    const { log, set, drain, labelOne } = makeHost(["a", "b"], ["c"]);
    set(0.7);
    await turn();
    labelOne();
    await turn();
    expect(log).toEqual(["label a 0.7", "label b 0.7"]);
    await drain();
    expect(log.slice(2)).toEqual([
      "show a 0.7",
      "show b 0.7",
      "finish a 0.7",
      "finish b 0.7",
      "label c 0.7",
      "show c 0.7",
      "finish c 0.7",
    ]);
  });

  it("follows a slider: each screen is finished, only the last change is done in full", async () => {
    const { log, set, drain } = makeHost(["a"], ["c"]);
    set(0.1);
    await turn();
    set(0.2);
    set(0.3);
    await drain();
    expect(log).toEqual([
      "label a 0.1",
      "show a 0.1",
      "label a 0.3",
      "show a 0.3",
      "finish a 0.3",
      "label c 0.3",
      "show c 0.3",
      "finish c 0.3",
    ]);
  });

  it("leaves the rest when settings change meanwhile, and passes over what is forgotten", async () => {
    const others = Array.from({ length: 20 }, (_, i) => `o${i}`);
    const { log, set, drain } = makeHost(["forgotten"], others);
    set(0.1);
    await turn();
    await drain();
    expect(log.filter((line) => line.startsWith("show")).length).toBe(20);
    log.length = 0;
    set(0.2);
    await turn();
    set(0.3);
    await drain();
    expect(log.filter((line) => line.startsWith("show o") && line.endsWith("0.2"))).toEqual([]);
    expect(log.filter((line) => line.startsWith("show o") && line.endsWith("0.3")).length).toBe(20);
  });

  it("stops when it is disposed of", async () => {
    const { log, relabeller, set, drain } = makeHost(["a"], ["b"]);
    set(0.1);
    await turn();
    relabeller.dispose();
    await drain();
    expect(log).toEqual(["label a 0.1"]);
  });
});
