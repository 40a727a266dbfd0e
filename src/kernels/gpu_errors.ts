import { tf } from "./tf.js";

/** Errors repeat with every dispatch: the first ones say it. */
const KEPT = 20;

/**
 * Collects messages of the errors that no error scope caught on the current WebGPU backend, oldest first. tfjs goes on
 * with zeros after them, so whoever computes must look here.
 */
export function watchGpuErrors(): { device: GPUDevice; errors: readonly string[] } {
  const { device } = tf.backend() as unknown as { device: GPUDevice };
  const errors: string[] = [];
  device.addEventListener("uncapturederror", (event) => {
    if (errors.length < KEPT) errors.push(event.error.message);
    console.error(`WebGPU: ${event.error.message}`);
  });
  return { device, errors };
}
