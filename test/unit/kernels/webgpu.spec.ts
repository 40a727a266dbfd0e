import { afterAll, describe, expect, it } from "vitest";
import { startDawn } from "../../support/dawn.js";
import { gradientSuite } from "./gradient_suite.js";

const dawn = await startDawn();
if (typeof dawn !== "string") {
  gradientSuite("webgpu");
  afterAll(() => expect(dawn.gpuErrors).toEqual([]));
} else {
  console.log(`webgpu kernels are not tested: ${dawn}`);
  describe("gradients on webgpu", () => it.skip(dawn, () => {}));
}
