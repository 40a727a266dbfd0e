import { type ConvAttributes, convolutionInfo } from "./convolution_attributes.js";
import { tf } from "./tf.js";
import { type WebgpuBackend, webgpuFilterGradient } from "./webgpu_filter_gradient.js";

let installed = false;

/** Replaces what the webgpu backend of tfjs 4.22.0 does with one thread a weight. Idempotent. */
export function installWebgpuKernels(): void {
  if (installed) return;
  installed = true;
  tf.unregisterKernel("Conv2DBackpropFilter", "webgpu");
  tf.registerKernel({
    kernelName: "Conv2DBackpropFilter",
    backendName: "webgpu",
    kernelFunc: ({ inputs, attrs, backend }) => {
      const attributes = attrs as unknown as ConvAttributes;
      const [x, dy] = [inputs.x as tf.TensorInfo, inputs.dy as tf.TensorInfo];
      const info = convolutionInfo(
        x.shape as ConvAttributes["inputShape"],
        attributes.filterShape,
        attributes,
      );
      return webgpuFilterGradient(backend as unknown as WebgpuBackend, x, dy, info);
    },
  });
}
