import type { BackendName } from "../inference/types.js";
import { installBatchNormTraining } from "./batch_norm.js";
import { watchGpuErrors } from "./gpu_errors.js";
import { tf } from "./tf.js";
import { installWasmKernels } from "./wasm_kernels.js";
import { installWebgpuKernels } from "./webgpu_kernels.js";

export interface WorkerBackendOptions {
  /** Folder of the tfjs-backend-wasm binaries, with a slash at the end; relative to the page's address. */
  readonly wasmPath?: string;
  /** Whether "auto" may take a GPU that is emulated on the CPU: slower than WebAssembly, but useful in tests. */
  readonly software?: boolean;
}

export interface WorkerBackend {
  readonly name: Exclude<BackendName, "tensorflow">;
  /** For people: which hardware or library. */
  readonly description: string;
  /** WebGPU only: resolves when the device is gone; a new worker is then the way on. */
  readonly lost?: Promise<GPUDeviceLostInfo>;
  /** WebGPU only: messages of errors that no scope caught, oldest first; tfjs itself goes on with zeros after them. */
  readonly gpuErrors: readonly string[];
}

async function startWebgpu(software: boolean): Promise<WorkerBackend | null> {
  const adapter = await globalThis.navigator?.gpu?.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) return null;
  const { info } = adapter;
  const emulated =
    info.isFallbackAdapter ||
    /swiftshader|llvmpipe/i.test(`${info.vendor} ${info.architecture} ${info.description}`);
  if (emulated && !software) return null;
  await import("@tensorflow/tfjs-backend-webgpu");
  if (!(await tf.setBackend("webgpu"))) return null;
  await tf.ready();
  installWebgpuKernels();
  const { device, errors } = watchGpuErrors();
  const hardware = [info.vendor, info.architecture, info.description].filter((part) => part !== "").join(" ");
  return {
    name: "webgpu",
    description: `WebGPU (${hardware || "unnamed adapter"})`,
    lost: device.lost,
    gpuErrors: errors,
  };
}

async function startWasm(wasmPath: string): Promise<WorkerBackend> {
  const { setWasmPaths } = await import("@tensorflow/tfjs-backend-wasm");
  setWasmPaths(wasmPath);
  // Several workers of one thread each do more than one worker with as many threads, and need no isolated page.
  tf.env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
  if (!(await tf.setBackend("wasm")))
    throw new Error(`the WebAssembly backend did not start from ${wasmPath}`);
  await tf.ready();
  installWasmKernels();
  return { name: "wasm", description: "WebAssembly, one thread", gpuErrors: [] };
}

/**
 * Makes a compute engine current in a browser worker, with the kernels that tfjs lacks or has wrong replaced. "auto"
 * takes a hardware GPU, else WebAssembly; "webgpu" takes any adapter, emulated ones too.
 * @throws Error when the wanted engine is not to be had here.
 */
export async function selectBackend(
  wanted: "webgpu" | "wasm" | "auto",
  { wasmPath = "wasm/", software = false }: WorkerBackendOptions = {},
): Promise<WorkerBackend> {
  installBatchNormTraining();
  if (wanted !== "wasm") {
    try {
      const webgpu = await startWebgpu(software || wanted === "webgpu");
      if (webgpu) return webgpu;
    } catch (cause) {
      if (wanted === "webgpu") throw new Error("WebGPU does not start in this browser", { cause });
    }
    if (wanted === "webgpu") throw new Error("this browser offers no WebGPU adapter; use backend wasm");
  }
  return startWasm(wasmPath);
}
