// `npm test`: every lane, or the ones named (unit, browser, data). The last line reads "N passed, N failed, N skipped".
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const lanes = process.argv.slice(2);
if (lanes.length === 0) lanes.push("unit", "browser", "data");
const unknown = lanes.filter((lane) => !existsSync(join(root, "test", lane)));
if (unknown.length > 0) {
  console.error(`No such test lane: ${unknown.join(", ")}. There are: unit, browser, data.`);
  process.exit(2);
}
if (!existsSync(join(root, "node_modules/vitest"))) {
  console.error("Packages are missing. Run: npm ci");
  process.exit(2);
}

let passed = 0;
let failed = 0;
let skipped = 0;

/** Runs one check that is no vitest lane; it counts as one test. */
function check(title, command, args) {
  console.log(`\n== ${title}`);
  const { status } = spawnSync(command, args, { cwd: root, stdio: "inherit" });
  if (status === 0) passed++;
  else failed++;
}

if (lanes.includes("unit")) {
  check("types", process.execPath, ["node_modules/typescript/bin/tsc", "--noEmit"]);
  check("lint", process.execPath, ["node_modules/@biomejs/biome/bin/biome", "check", "."]);
}

for (const lane of lanes) {
  console.log(`\n== ${lane}`);
  const folder = mkdtempSync(join(tmpdir(), "chondria-test-"));
  const report = join(folder, "report.json");
  // Browser specs each start a Chromium and measure it: one file at a time.
  const serial = lane === "browser" ? ["--no-file-parallelism"] : [];
  const { status } = spawnSync(
    process.execPath,
    [
      "node_modules/vitest/vitest.mjs",
      "run",
      `test/${lane}`,
      "--passWithNoTests",
      ...serial,
      "--reporter=default",
      "--reporter=json",
      `--outputFile=${report}`,
    ],
    { cwd: root, stdio: "inherit" },
  );
  if (existsSync(report)) {
    const { numPassedTests, numFailedTests, numPendingTests, testResults } = JSON.parse(
      readFileSync(report, "utf8"),
    );
    passed += numPassedTests;
    failed += numFailedTests;
    skipped += numPendingTests;
    // A file that fails before its first test has no failed test of its own.
    const broken = testResults.filter((f) => f.status === "failed" && f.assertionResults.length === 0).length;
    failed += broken;
    if (status !== 0 && numFailedTests === 0 && broken === 0) failed++;
  } else failed++;
  rmSync(folder, { recursive: true, force: true });
}

console.log(`\n${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exit(failed === 0 ? 0 : 1);
