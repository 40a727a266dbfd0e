import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { selectBackend } from "../../../src/kernels/backend_node.js";
import { NORMALISED_NETWORK } from "../../../src/network/attention_unet.js";
import { TrainingSession } from "../../../src/training/session.js";
import { PRESETS, type TrainingSettings } from "../../../src/training/settings.js";
import type { Slices } from "../../../src/training/slices.js";

beforeAll(async () => {
  await selectBackend("wasm");
});

const settings: TrainingSettings = {
  ...PRESETS.small,
  network: { ...NORMALISED_NETWORK, filters: [2, 4], dropoutRates: [0, 0] },
  steps: 1000,
  validateEvery: 2,
  patch: 16,
};
const slices: Slices = {
  width: 32,
  height: 32,
  em: [Uint8Array.from({ length: 1024 }, (_, i) => i % 251)],
  labels: [Uint8Array.from({ length: 1024 }, (_, i) => (i % 3 === 0 ? 255 : 0))],
};

describe("training session", () => {
  it("can be watched and stopped while it runs, and started again", async () => {
    const session = new TrainingSession();
    const job = { settings, train: slices, validation: slices };
    const running = session.start(job);
    await expect(session.start(job)).rejects.toThrow(/a training is running/);
    while ((session.status().step?.step ?? 0) < 3) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(session.status()).toMatchObject({ running: true, validation: { step: expect.any(Number) } });
    session.stop();
    const { stopped, progress, weights } = await running;
    expect(stopped).toBe("interrupted");
    expect(progress.step).toBeLessThan(1000);
    expect(weights.length).toBeGreaterThan(10);
    expect(session.status().running).toBe(false);
    const short = await session.start({ ...job, settings: { ...settings, steps: 2 } });
    expect(short.stopped).toBe("finished");
  });

  it("fails with the error of its surroundings", async () => {
    const failing = new TrainingSession().start(
      { settings, train: slices, validation: slices },
      () => "no memory",
    );
    await expect(failing).rejects.toThrow("step 1: no memory");
  });
});

/** The files that a module loads, itself included, following relative imports. */
function reachable(entry: URL, found = new Map<string, string>()): Map<string, string> {
  if (found.has(entry.href)) return found;
  const source = readFileSync(entry, "utf8");
  found.set(entry.href, source);
  for (const [, specifier] of source.matchAll(/(?:from|import)\s*\(?\s*"(\.[^"]+)"/g)) {
    reachable(new URL(specifier.replace(/\.js$/, ".ts"), entry), found);
  }
  return found;
}

describe("training code", () => {
  it("reaches no Node module from the browser worker", () => {
    const files = reachable(new URL("../../../workers/training.ts", import.meta.url));
    expect([...files.keys()].some((file) => file.endsWith("src/training/loop.ts"))).toBe(true);
    for (const [file, source] of files) {
      expect(file).not.toMatch(/_node\.ts$/);
      expect(source, file).not.toMatch(/from "(node:|fs|path|os|child_process|webgpu)/);
    }
  });
});
