// Builds the page when its inputs changed since the last build; used by `npm start` and the browser tests.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";

export const root = resolve(import.meta.dirname, "..");

/** What a build depends on. The lockfile stands for node_modules; models are served from where they are. */
const INPUTS = ["src", "layers", "workers", "vendor", "webpack.config.js", "package-lock.json"];
const STAMP = ".inputs.sha256";

function* files(path) {
  const entries = readdirSync(path, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    const child = join(path, entry.name);
    if (entry.isDirectory()) yield* files(child);
    else if (entry.isFile()) yield child;
  }
}

/** SHA-256 over the names and contents of every input. */
export function inputsDigest() {
  const hash = createHash("sha256");
  for (const input of INPUTS) {
    const path = join(root, input);
    if (!existsSync(path)) continue;
    for (const file of input.includes(".") ? [path] : files(path)) {
      const content = readFileSync(file);
      hash.update(`${relative(root, file)}\0${content.length}\0`).update(content);
    }
  }
  return hash.digest("hex");
}

/**
 * Makes `dist` hold the page of the present sources. The build goes to a folder of its own and is then renamed, so
 * that a server or a test never sees half of one.
 * @returns {Promise<{dist: string, built: boolean, seconds: number}>}
 * @throws when packages are missing or the bundler reports errors; the message has its output.
 */
export async function ensureBuilt({ dist = join(root, "dist"), log = () => {} } = {}) {
  const started = Date.now();
  if (!existsSync(join(root, "node_modules/webpack"))) throw new Error("Packages are missing. Run: npm ci");
  const digest = inputsDigest();
  const stamp = join(dist, STAMP);
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === digest)
    return { dist, built: false, seconds: (Date.now() - started) / 1000 };
  // On the same file system as `dist` by default, and out of Git's sight.
  const fresh = join(root, ".cache", `build-${process.pid}`);
  const old = `${fresh}-old`;
  try {
    await runWebpack(fresh, log);
    writeFileSync(join(fresh, STAMP), digest);
    if (existsSync(dist)) renameSync(dist, old);
    renameSync(fresh, dist);
  } finally {
    for (const left of [fresh, old]) rmSync(left, { recursive: true, force: true });
  }
  return { dist, built: true, seconds: (Date.now() - started) / 1000 };
}

function runWebpack(output, log) {
  return new Promise((done, fail) => {
    const child = spawn(
      process.execPath,
      [join(root, "node_modules/webpack/bin/webpack.js"), "--mode", "production", "--stats", "errors-only"],
      { cwd: root, env: { ...process.env, CHONDRIA_DIST: output }, stdio: ["ignore", "pipe", "pipe"] },
    );
    let text = "";
    const began = Date.now();
    // Ended from outside, the build ends too: what it has left is then removed by the caller.
    const stop = () => child.kill();
    for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, stop);
    const timer = setInterval(
      () => log(`Building the page: ${Math.round((Date.now() - began) / 1000)} s`),
      1000,
    );
    child.stdout.on("data", (chunk) => {
      text += chunk;
    });
    child.stderr.on("data", (chunk) => {
      text += chunk;
    });
    child.on("error", fail);
    child.on("close", (code) => {
      clearInterval(timer);
      for (const signal of ["SIGINT", "SIGTERM"]) process.off(signal, stop);
      if (code === 0) done();
      else if (code === null) fail(new Error("The build was interrupted."));
      else fail(new Error(`The page could not be built (webpack ended with ${code}):\n${text.trim()}`));
    });
  });
}
