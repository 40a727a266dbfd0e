import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { ensureBuilt, root } from "../../tools/build.mjs";

const running: ChildProcess[] = [];

afterEach(() => {
  for (const child of running.splice(0)) child.kill("SIGKILL");
});

/** Runs tools/start.mjs; `output` grows, `ended` gives its exit status. */
function start(...args: string[]) {
  const child = spawn(process.execPath, [join(root, "tools/start.mjs"), ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.push(child);
  const state = { output: "" };
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk) => {
      state.output += chunk;
    });
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
  return { child, state, ended };
}

describe("npm start", () => {
  // A build that is up to date, or this would measure the bundler.
  beforeAll(async () => {
    await ensureBuilt();
  }, 300_000);

  it("is ready in seconds when nothing changed, serves the page, and ends at a signal", async () => {
    const began = Date.now();
    const { child, state, ended } = start("--port", "0");
    await expect.poll(() => state.output, { timeout: 30_000 }).toMatch(/Chondria is at http:/);
    const seconds = (Date.now() - began) / 1000;
    expect(state.output).not.toContain("Built the page");
    expect(seconds).toBeLessThan(10);
    const [url] = /http:\/\/\S+/.exec(state.output) ?? [""];
    const page = await (await fetch(url)).text();
    expect(page).toContain("<title>Chondria</title>");
    expect((await fetch(`${url}shell.css`)).status).toBe(200);
    child.kill("SIGTERM");
    expect(await ended).toBe(0);
  });

  it.each([
    [["--data", "/nowhere/at/all"], "/nowhere/at/all: the folder of volumes is not there"],
    [["--port", "many"], "--port many: a number from 0 to 65535 was expected"],
    [["--colour", "red"], "--colour"],
  ])("names what is wrong with %j and ends", async (args, message) => {
    const { state, ended } = start(...args);
    expect(await ended).toBe(1);
    expect(state.output).toContain(message);
    expect(state.output).not.toMatch(/\n\s+at /);
  });
});
