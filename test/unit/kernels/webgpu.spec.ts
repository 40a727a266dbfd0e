import { existsSync, realpathSync } from "node:fs";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { selectBackend } from "../../../src/kernels/backend_node.js";
import { tf } from "../../../src/kernels/tf.js";
import { findChromium } from "../../../tools/chromium.mjs";
import { gradientSuite } from "./gradient_suite.js";

/** dlopen's flag for "stays loaded when closed", which Node does not name. */
const RTLD_NODELETE = 0x1000;

/**
 * Chromium brings a Vulkan loader and a driver that runs on the CPU: Dawn takes them where the system has none. The
 * loader is no Node module, so Node refuses it, but it stays loaded, and Dawn finds it by its name.
 */
function useChromiumsVulkan(): void {
  const chromium = findChromium();
  if (!chromium || process.env.VK_ICD_FILENAMES || process.platform !== "linux") return;
  const folders = [dirname(realpathSync(chromium)), join(dirname(chromium), "..", "lib", "chromium")];
  const folder = folders.find((path) => existsSync(join(path, "vk_swiftshader_icd.json")));
  if (!folder) return;
  process.env.VK_ICD_FILENAMES = join(folder, "vk_swiftshader_icd.json");
  try {
    process.dlopen(
      { exports: {} },
      join(folder, "libvulkan.so.1"),
      constants.dlopen.RTLD_NOW | RTLD_NODELETE,
    );
  } catch {
    // As expected: see above. Whether it helped shows when Dawn asks for an adapter.
  }
}

useChromiumsVulkan();
let gpuErrors: readonly string[] = [];
const missing = await selectBackend("webgpu").then(
  (backend) => {
    gpuErrors = backend.gpuErrors;
    return null;
  },
  (error: Error) => error.message,
);
if (missing === null) {
  // Else tfjs computes tensors as small as these on the CPU.
  tf.env().set("WEBGPU_CPU_FORWARD", false);
  gradientSuite("webgpu");
  afterAll(() => expect(gpuErrors).toEqual([]));
} else {
  console.log(`webgpu kernels are not tested: ${missing}`);
  describe("gradients on webgpu", () => it.skip(missing, () => {}));
}
