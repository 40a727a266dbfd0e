import { tf } from "../kernels/tf.js";

/** The GPU went away (driver reset, tab in the background, `device.destroy()`): make a new worker and try again. */
export class DeviceLostError extends Error {
  override name = "DeviceLostError";
}

interface DeviceState {
  lost: DeviceLostError | null;
  /** Jobs to fail when the device is lost. A set, and not `device.lost.then` a job, which would never be freed. */
  readonly jobs: Set<(error: DeviceLostError) => void>;
}

const states = new WeakMap<GPUDevice, DeviceState>();

function stateOf(device: GPUDevice): DeviceState {
  let state = states.get(device);
  if (state === undefined) {
    const made: DeviceState = { lost: null, jobs: new Set() };
    state = made;
    states.set(device, made);
    void device.lost.then(({ reason, message }) => {
      made.lost = new DeviceLostError(`the GPU device was lost (${reason || "unknown"}): ${message}`);
      for (const fail of made.jobs) fail(made.lost);
      made.jobs.clear();
    });
  }
  return state;
}

const FILTERS = ["out-of-memory", "validation", "internal"] as const;

/**
 * Runs one job on the current backend. On WebGPU every error that the job causes fails it (tfjs itself goes on with
 * zeros), and a lost device fails it at once. Jobs must not overlap: error scopes are a stack.
 * @throws DeviceLostError, or Error with the GPU's message.
 */
export async function guardGpu<T>(job: () => Promise<T>): Promise<T> {
  const device = (tf.backend() as { device?: GPUDevice }).device;
  if (device === undefined) return job();
  const state = stateOf(device);
  if (state.lost !== null) throw state.lost;
  let fail!: (error: DeviceLostError) => void;
  const lost = new Promise<never>((_, reject) => {
    fail = reject;
  });
  lost.catch(() => {});
  state.jobs.add(fail);
  try {
    for (const filter of FILTERS) device.pushErrorScope(filter);
    const outcome = job().then(
      (value) => ({ value }),
      (error: unknown) => ({ error }),
    );
    const finished = await Promise.race([outcome, lost]);
    const scopes = await Promise.race([Promise.all(FILTERS.map(() => device.popErrorScope())), lost]);
    const gpuError = scopes.find((error) => error !== null);
    if (gpuError) throw new Error(`GPU: ${gpuError.message.slice(0, 500)}`);
    if ("error" in finished) throw finished.error;
    return finished.value;
  } finally {
    state.jobs.delete(fail);
  }
}
