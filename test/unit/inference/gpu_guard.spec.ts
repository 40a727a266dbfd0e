import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { DeviceLostError, guardGpu } from "../../../src/inference/gpu_guard.js";
import { tf } from "../../../src/kernels/tf.js";

/** What guardGpu uses of a GPUDevice. */
class FakeDevice {
  readonly scopes: string[] = [];
  /** Errors to be found by the scopes, by filter. */
  readonly errors = new Map<string, { message: string }>();
  lose!: (info: { reason: string; message: string }) => void;
  readonly lost = new Promise((resolve) => {
    this.lose = resolve;
  });
  pushErrorScope(filter: string): void {
    this.scopes.push(filter);
  }
  async popErrorScope(): Promise<{ message: string } | null> {
    return this.errors.get(this.scopes.pop() as string) ?? null;
  }
}

let backend: { device?: unknown };
let device: FakeDevice;
beforeAll(async () => {
  await tf.ready();
  backend = tf.backend() as { device?: unknown };
});
beforeEach(() => {
  device = new FakeDevice();
  backend.device = device;
});
afterEach(() => {
  delete backend.device;
});

describe("guardGpu", () => {
  it("passes a result on, with and without a GPU", async () => {
    expect(await guardGpu(async () => 7)).toBe(7);
    expect(device.scopes).toEqual([]);
    delete backend.device;
    expect(await guardGpu(async () => 8)).toBe(8);
  });

  it.each(["validation", "out-of-memory", "internal"])(
    "fails a job that caused an error (%s)",
    async (filter) => {
      device.errors.set(filter, { message: "Buffer size (3 GB) exceeds the max buffer size" });
      await expect(guardGpu(async () => 7)).rejects.toThrow(
        "GPU: Buffer size (3 GB) exceeds the max buffer size",
      );
      expect(device.scopes).toEqual([]);
      device.errors.clear();
      expect(await guardGpu(async () => 7)).toBe(7);
    },
  );

  it("passes a job's own error on and closes its scopes", async () => {
    await expect(guardGpu(() => Promise.reject(new Error("mine")))).rejects.toThrow("mine");
    expect(device.scopes).toEqual([]);
  });

  it("fails at once when the device is lost under a job that would never end, and after it", async () => {
    const job = guardGpu(() => new Promise(() => {}));
    device.lose({ reason: "destroyed", message: "on purpose" });
    await expect(job).rejects.toThrow(DeviceLostError);
    await expect(job).rejects.toThrow("the GPU device was lost (destroyed): on purpose");
    await expect(guardGpu(async () => 7)).rejects.toThrow(DeviceLostError);
    backend.device = new FakeDevice();
    expect(await guardGpu(async () => 7)).toBe(7);
  });
});
