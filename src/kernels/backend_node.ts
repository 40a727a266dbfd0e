import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { BackendName } from "../inference/types.js";
import { installBatchNormTraining } from "./batch_norm.js";
import { watchGpuErrors } from "./gpu_errors.js";
import { installReluGradient } from "./relu_gradient.js";
import { tf } from "./tf.js";
import { installWasmKernels } from "./wasm_kernels.js";
import { installWebgpuKernels } from "./webgpu_kernels.js";

export interface SelectedBackend {
  readonly name: BackendName;
  /** For people: which hardware or library. */
  readonly description: string;
  /** WebGPU only: messages of errors that no scope caught; tfjs itself goes on with zeros after them. */
  readonly gpuErrors: readonly string[];
}

interface Loaded {
  readonly name: BackendName;
  readonly description: string;
}

const require = createRequire(import.meta.url);

function loadTensorflow(): Loaded | null {
  try {
    require("@tensorflow/tfjs-node");
    return { name: "tensorflow", description: "TensorFlow (native addon @tensorflow/tfjs-node)" };
  } catch {
    return null;
  }
}

/** Dawn for Node; null without an adapter, and (unless `software`) with one that runs on the CPU. */
async function loadWebgpu(software: boolean): Promise<Loaded | null> {
  const { create, globals } = await import("webgpu");
  Object.assign(globalThis, globals);
  const gpu = create([]);
  const adapter = await gpu.requestAdapter();
  if (!adapter) return null;
  const { info } = adapter;
  const fallback =
    info.isFallbackAdapter || /swiftshader|llvmpipe|software/i.test(`${info.vendor} ${info.description}`);
  if (fallback && !software) return null;
  // Dawn polls with setImmediate; on few cores that busy loop halves the speed.
  globalThis.setImmediate = ((run: (...args: unknown[]) => void, ...args: unknown[]) =>
    setTimeout(run, 1, ...args)) as unknown as typeof setImmediate;
  Object.defineProperty(globalThis, "navigator", { value: { gpu, userAgent: "node" }, configurable: true });
  await import("@tensorflow/tfjs-backend-webgpu");
  return { name: "webgpu", description: `WebGPU (${info.description || info.vendor || "unknown adapter"})` };
}

async function loadWasm(): Promise<Loaded> {
  const { setWasmPaths } = await import("@tensorflow/tfjs-backend-wasm");
  setWasmPaths(`${join(dirname(require.resolve("@tensorflow/tfjs-backend-wasm")))}/`);
  return { name: "wasm", description: "WebAssembly SIMD, one thread" };
}

/**
 * Makes a compute engine current, with the kernels that tfjs lacks or has wrong replaced. "auto" takes the native
 * TensorFlow addon if it is installed, else a GPU through Dawn, else WebAssembly.
 * @throws Error when the wanted engine is not to be had here.
 */
export async function selectBackend(wanted: BackendName | "auto"): Promise<SelectedBackend> {
  let selected: Loaded | null = null;
  if (wanted === "auto" || wanted === "tensorflow") selected = loadTensorflow();
  if (!selected && (wanted === "auto" || wanted === "webgpu")) {
    selected = await loadWebgpu(wanted === "webgpu").catch((cause) => {
      if (wanted === "webgpu") throw new Error("backend webgpu: Dawn does not load here", { cause });
      return null;
    });
  }
  if (!selected && (wanted === "auto" || wanted === "wasm")) selected = await loadWasm();
  if (!selected) {
    const remedy =
      wanted === "webgpu" ? "no WebGPU adapter was found" : "@tensorflow/tfjs-node does not load";
    throw new Error(`backend ${wanted} is not available here: ${remedy}; use --backend wasm`);
  }
  if (!(await tf.setBackend(selected.name))) throw new Error(`backend ${selected.name} did not start`);
  await tf.ready();
  if (selected.name === "wasm") installWasmKernels();
  if (selected.name === "webgpu") installWebgpuKernels();
  if (selected.name === "tensorflow") installReluGradient();
  installBatchNormTraining();
  return { ...selected, gpuErrors: selected.name === "webgpu" ? watchGpuErrors().errors : [] };
}
