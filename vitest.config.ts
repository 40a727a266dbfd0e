import { defineConfig } from "vitest/config";

// One lane a folder: unit (fast, hermetic), browser (real Chromium), data (real EM in ../shared/data).
export default defineConfig({
  test: {
    include: ["test/**/*.spec.ts"],
    testTimeout: 30_000,
    // Two cores: more processes than that only slow each other down.
    maxWorkers: 2,
  },
});
