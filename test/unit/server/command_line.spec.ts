import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { goldenVolumes } from "../../support/golden_volumes.js";

const program = new URL("../../../bin/chondria.mjs", import.meta.url).pathname;
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "chondria-cli-"));
  const { files } = goldenVolumes().find(({ name }) => name === "precomputed raw 16")!;
  for (const [key, value] of files) {
    mkdirSync(join(folder, "em", key, ".."), { recursive: true });
    writeFileSync(join(folder, "em", key), value);
  }
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Runs the command; `onOutput` sees what it has printed so far. */
function run(
  words: string[],
  onOutput: (text: string, interrupt: () => void) => void = () => {},
): Promise<{ code: number | null; out: string; err: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [program, ...words]);
    let [out, err] = ["", ""];
    child.stdout.on("data", (data) => {
      out += data;
      onOutput(out, () => child.kill("SIGINT"));
    });
    child.stderr.on("data", (data) => {
      err += data;
    });
    child.on("close", (code) => resolve({ code, out, err }));
  });
}

describe("chondria serve", () => {
  it("serves until it is interrupted", { timeout: 60_000 }, async () => {
    let answer: Promise<string> | undefined;
    const { code, out } = await run(["serve", folder, "--port", "0"], (text, interrupt) => {
      const url = /http:\/\/127\.0\.0\.1:\d+\//.exec(text)?.[0];
      if (url && !answer) {
        answer = fetch(`${url}data/em/info`)
          .then((response) => response.text())
          .finally(interrupt);
      }
    });
    expect(JSON.parse(await answer!).num_channels).toBe(1);
    expect(out).toContain("Ctrl+C ends");
    expect(code).toBe(0);
  });

  it("names a folder that is not there", { timeout: 60_000 }, async () => {
    const { code, err } = await run(["serve", join(folder, "nowhere"), "--port", "0"]);
    expect(err).toMatch(/^chondria: .*nowhere: the folder of volumes is not there/m);
    expect(code).toBe(1);
  });
});

describe("chondria info", () => {
  it("prints scales and intensities", { timeout: 60_000 }, async () => {
    const { code, out } = await run(["info", join(folder, "em"), "--json"]);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      dataType: "uint16",
      scales: [{ voxelSize: [4, 4, 40], chunkSize: [8, 8, 4] }],
      sample: { minimum: "0", maximum: expect.stringMatching(/^\d+$/) },
    });
  });

  it("says what it cannot read", { timeout: 60_000 }, async () => {
    const { code, err } = await run(["info", folder]);
    expect(err).toMatch(/is no volume: looked for/);
    expect(code).toBe(1);
  });
});
