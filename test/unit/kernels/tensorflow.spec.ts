import { describe, it } from "vitest";
import { selectBackend } from "../../../src/kernels/backend_node.js";
import { gradientSuite } from "./gradient_suite.js";

const missing = await selectBackend("tensorflow").then(
  () => null,
  (error: Error) => error.message,
);
if (missing === null) {
  // TensorFlow's convolutions know "same" and "valid" only, and say so.
  gradientSuite("tensorflow", /padding 1/);
} else {
  console.log(`tensorflow kernels are not tested: ${missing}`);
  describe("gradients on tensorflow", () => it.skip(missing, () => {}));
}
