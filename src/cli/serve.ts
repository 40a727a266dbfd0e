import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { type Command, InvalidArgumentError } from "commander";
import { exposureWarning, interrupted, startServer } from "../server/static_server.js";

const root = resolve(import.meta.dirname, "../..");

export function register(program: Command): void {
  program
    .command("serve")
    .description("serve local volumes to Neuroglancer, and Chondria's page when it is built")
    .argument("<folder>", "folder with OME-Zarr or precomputed volumes")
    .option("--port <port>", "first port to try; 0 takes any free one", parsePort, 8080)
    .option("--host <address>", "address to listen on", "127.0.0.1")
    .option("--open", "open the page in the browser")
    .action(serve);
}

async function serve(folder: string, options: { port: number; host: string; open?: boolean }): Promise<void> {
  const dist = join(root, "dist");
  const hasPage = existsSync(join(dist, "index.html"));
  const { port, host } = options;
  const server = await startServer({ dist: hasPage ? dist : undefined, data: folder, port, host });
  const warning = exposureWarning(host);
  if (warning) process.stderr.write(`${warning}\n`);
  if (!hasPage) process.stderr.write("The page is not built (npm run build): only the volumes are served.\n");
  process.stdout.write(
    `${server.url}\nVolumes of ${resolve(folder)} are at ${server.url}data/ . Ctrl+C ends.\n`,
  );
  if (options.open) openBrowser(server.url);
  await interrupted();
  await server.close();
}

function parsePort(text: string): number {
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port > 65535)
    throw new InvalidArgumentError("A port is a number from 0 to 65535.");
  return port;
}

/** Opens the user's browser; where there is none, the printed address is enough. */
function openBrowser(url: string): void {
  const [command, ...args] =
    process.platform === "darwin"
      ? ["open", url]
      : process.platform === "win32"
        ? ["cmd", "/c", "start", "", url]
        : ["xdg-open", url];
  spawn(command, args, { stdio: "ignore", detached: true })
    .on("error", () => {})
    .unref();
}
