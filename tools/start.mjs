// `npm start`: builds the page if its sources changed, serves it on this computer and prints the address.
//   npm start -- --data <folder>   serves the volumes in a folder too
//   npm start -- --port <number>   another port than 8080
//   npm start -- --host <address>  for others than this computer
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ensureBuilt, root } from "./build.mjs";

const USAGE = "Usage: npm start -- [--data <folder>] [--port <number>] [--host <address>]";

function readArguments() {
  const { values } = parseArgs({
    options: {
      data: { type: "string" },
      port: { type: "string" },
      host: { type: "string" },
      help: { type: "boolean", short: "h" },
    },
  });
  if (values.help) {
    console.log(USAGE);
    process.exit(0);
  }
  const port = values.port === undefined ? undefined : Number(values.port);
  if (port !== undefined && !(Number.isInteger(port) && port >= 0 && port <= 65535))
    throw new Error(`--port ${values.port}: a number from 0 to 65535 was expected. ${USAGE}`);
  // Said before a build that takes a while.
  if (values.data !== undefined && !statSync(values.data, { throwIfNoEntry: false })?.isDirectory())
    throw new Error(`${values.data}: the folder of volumes is not there, or is no folder`);
  return { data: values.data, host: values.host, port };
}

/** One line that is rewritten on a terminal; elsewhere a line now and then. */
function progress() {
  let last = 0;
  const terminal = process.stderr.isTTY === true;
  return {
    show(text) {
      if (terminal) process.stderr.write(`\r\x1b[K${text}`);
      else if (Date.now() - last > 10_000) {
        last = Date.now();
        process.stderr.write(`${text}\n`);
      }
    },
    clear() {
      if (terminal) process.stderr.write("\r\x1b[K");
    },
  };
}

async function main() {
  const [major] = process.versions.node.split(".").map(Number);
  if (major < 20) throw new Error(`Node ${process.versions.node} is too old: install Node 20 or later.`);
  const options = readArguments();
  for (const name of ["webpack", "tsx", "neuroglancer"])
    if (!existsSync(join(root, "node_modules", name)))
      throw new Error(`The package ${name} is missing. Run: npm ci`);
  const line = progress();
  const { dist, built, seconds } = await ensureBuilt({ log: (text) => line.show(text) });
  line.clear();
  if (built) console.log(`Built the page in ${seconds.toFixed(1)} s.`);

  const { register } = await import("tsx/esm/api");
  register();
  const { startServer, interrupted, exposureWarning } = await import("../src/server/static_server.ts");
  const models = join(root, "models");
  const server = await startServer({ ...options, dist, models: existsSync(models) ? models : undefined });
  const warning = options.host === undefined ? undefined : exposureWarning(options.host);
  if (warning !== undefined) console.warn(warning);
  console.log(`Chondria is at ${server.url}   (Ctrl+C ends it)`);
  if (options.data !== undefined) console.log(`Volumes of ${options.data} are listed there.`);
  await interrupted();
  await server.close();
}

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}
