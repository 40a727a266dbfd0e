// `npm run bench [name...]`: the measurements of bench/, one after the other, each against a named rival in one run.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const all = [
  "forward",
  "training",
  "leak",
  "objects",
  "phantom",
  "proofreading",
  "proofreading_chunks",
  "viewer",
];
const names = process.argv.length > 2 ? process.argv.slice(2) : all;
console.log(
  `${cpus().length} x ${cpus()[0].model}, Node ${process.version}, load ${loadavg()[0].toFixed(2)}`,
);
let failed = false;
for (const name of names) {
  const file = ["ts", "mjs"]
    .map((ending) => `bench/${name}.${ending}`)
    .find((f) => existsSync(join(root, f)));
  if (file === undefined) {
    console.error(`No such measurement: ${name}. There are: ${all.join(", ")}.`);
    process.exit(2);
  }
  console.log(`\n== ${name}`);
  const { status } = spawnSync(process.execPath, ["--import", "tsx", file], { cwd: root, stdio: "inherit" });
  failed ||= status !== 0;
}
process.exit(failed ? 1 : 0);
