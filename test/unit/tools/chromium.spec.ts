import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { chromiumSwitches, findChromium } from "../../../tools/chromium.mjs";

let folder: string;
let program: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "chondria-chromium-"));
  program = join(folder, "google-chrome");
  await writeFile(program, "#!/bin/sh\n");
  await chmod(program, 0o755);
  await writeFile(join(folder, "chromium"), "not a program");
  await chmod(join(folder, "chromium"), 0o644);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("findChromium", () => {
  it("takes what CHROME_PATH names before anything else", () => {
    expect(findChromium({ CHROME_PATH: program, PATH: "" })).toBe(program);
  });

  it("says that what CHROME_PATH names is no program, rather than take another", () => {
    const missing = join(folder, "none");
    expect(() => findChromium({ CHROME_PATH: missing, PATH: folder })).toThrow(`CHROME_PATH is ${missing}`);
  });

  it("looks along the search path, past files that cannot be run", () => {
    expect(findChromium({ PATH: `/nowhere:${folder}` })).toBe(program);
  });
});

describe("chromiumSwitches", () => {
  it("adds WebGPU in software only when it is asked for", () => {
    expect(chromiumSwitches()).not.toContain("--enable-unsafe-webgpu");
    expect(chromiumSwitches({ webgpu: true })).toEqual([
      ...chromiumSwitches(),
      "--enable-unsafe-webgpu",
      "--use-webgpu-adapter=swiftshader",
    ]);
  });
});
