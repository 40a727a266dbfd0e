/** Whether this browser can show Neuroglancer at all. */
export function hasWebGL2(): boolean {
  return document.createElement("canvas").getContext("webgl2") !== null;
}

export const NO_WEBGL2 =
  "This browser does not offer WebGL 2, which Neuroglancer draws with. Use a current Chrome, Edge, Firefox or Safari with " +
  "hardware acceleration on (chrome://gpu or about:support say why it is off).";

/** One sentence on what the models will run on here. Never throws. */
export async function describeEngine(): Promise<string> {
  const slower = "models run on WebAssembly here, which is slower";
  if (!("gpu" in navigator)) return `This browser has no WebGPU: ${slower}.`;
  try {
    const adapter = await navigator.gpu.requestAdapter();
    if (adapter === null) return `This browser has WebGPU but no graphics adapter for it: ${slower}.`;
    const { vendor, architecture } = adapter.info;
    const name = [vendor, architecture].filter((part) => part !== "").join(" ");
    return `Models run on WebGPU${name === "" ? "" : ` (${name})`}.`;
  } catch (error) {
    return `WebGPU could not be started (${error instanceof Error ? error.message : error}): ${slower}.`;
  }
}
