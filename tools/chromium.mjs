// Finds a Chromium for the browser tests and the screenshots; installs Debian's where that is possible.
import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync } from "node:fs";
import { delimiter, join } from "node:path";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];
const PLACES = [
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
];

function executable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Path of a Chromium or Chrome: $CHROME_PATH, then the search path, then the usual places; undefined if none. */
export function findChromium(env = process.env) {
  if (env.CHROME_PATH) {
    if (executable(env.CHROME_PATH)) return env.CHROME_PATH;
    throw new Error(`CHROME_PATH is ${env.CHROME_PATH}, which is not a program that can be run.`);
  }
  const folders = (env.PATH ?? "").split(delimiter).filter((folder) => folder !== "");
  const candidates = [...NAMES.flatMap((name) => folders.map((folder) => join(folder, name))), ...PLACES];
  return candidates.find(executable);
}

/**
 * Like findChromium, but installs Debian's package when there is none and this process may (root, apt-get there).
 * @throws naming what to do when there is none and it cannot be installed.
 */
export function ensureChromium({ log = (text) => process.stderr.write(`${text}\n`) } = {}) {
  const found = findChromium();
  if (found !== undefined) return found;
  const advice = "Install Chromium or Google Chrome, or set CHROME_PATH to one, and run this again.";
  if (process.getuid?.() !== 0 || !existsSync("/usr/bin/apt-get"))
    throw new Error(`No Chromium was found on the search path. ${advice}`);
  log("No Chromium was found: installing Debian's (apt-get install chromium); this takes a minute or two.");
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const steps = [["update"], ["install", "-y", "--no-install-recommends", "chromium"]];
  for (const args of steps) {
    const { status, stderr } = spawnSync("apt-get", args, {
      env,
      encoding: "utf8",
      stdio: ["ignore", "ignore", "pipe"],
    });
    if (status !== 0)
      throw new Error(
        `apt-get ${args.join(" ")} ended with ${status}: ${stderr.trim().split("\n").at(-1)}\n${advice}`,
      );
  }
  const installed = findChromium();
  if (installed === undefined)
    throw new Error(`apt-get installed chromium, but it is not on the search path. ${advice}`);
  return installed;
}

/**
 * Command-line switches for a headless Chromium that has WebGL2 and, on request, WebGPU in software, so that the
 * tests need no graphics card. Without the last two switches requestAdapter() gives null under SwiftShader.
 */
export function chromiumSwitches({ webgpu = false } = {}) {
  const switches = [
    "--headless=new",
    "--no-sandbox",
    "--no-first-run",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
  ];
  if (webgpu) switches.push("--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader");
  return switches;
}
