import { existsSync } from "node:fs";
import { join } from "node:path";
import { type RunningServer, startServer } from "../../src/server/static_server.js";
import { ensureBuilt, root } from "../../tools/build.mjs";

export interface AppOptions {
  /** Folder of volumes to serve, as with `npm start -- --data`. */
  readonly data?: string;
  /** Folder of model packages; the repository's own without it. */
  readonly models?: string;
}

/**
 * The page as `npm start` serves it, built if need be, on a free port of this computer. The caller closes it.
 * CHONDRIA_TEST_DIST names a build to take as it is, for work on a test.
 */
export async function startApp({
  data,
  models = join(root, "models"),
}: AppOptions = {}): Promise<RunningServer> {
  const dist = process.env.CHONDRIA_TEST_DIST ?? (await ensureBuilt()).dist;
  return startServer({ dist, data, models: existsSync(models) ? models : undefined, port: 0 });
}
