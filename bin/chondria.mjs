#!/usr/bin/env node
// The command line runs the TypeScript sources as they are: no build step between an edit and a run.
import { register } from "tsx/esm/api";

register();
const { main } = await import("../src/cli/main.ts");
await main(process.argv.slice(2));
