import { existsSync, realpathSync } from "node:fs";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { type SelectedBackend, selectBackend } from "../../src/kernels/backend_node.js";
import { tf } from "../../src/kernels/tf.js";
import { findChromium } from "../../tools/chromium.mjs";

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

/**
 * Starts WebGPU in Node, on a GPU or on Chromium's software driver, with every tensor computed there.
 * @returns why not, where there is none.
 */
export async function startDawn(): Promise<SelectedBackend | string> {
  useChromiumsVulkan();
  try {
    const backend = await selectBackend("webgpu");
    // Else tfjs computes small tensors on the CPU.
    tf.env().set("WEBGPU_CPU_FORWARD", false);
    return backend;
  } catch (error) {
    return (error as Error).message;
  }
}
