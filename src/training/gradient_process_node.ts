/** Entry of a child process of `ProcessGradients`: gradients of one micro-batch after another. */
import { selectBackend } from "../kernels/backend_node.js";
import type { tf } from "../kernels/tf.js";
import { buildAttentionUNet } from "../network/attention_unet.js";
import { LocalGradients } from "./gradients.js";
import { writeWeights } from "./loop.js";
import type { GradientReply, GradientRequest } from "./processes_node.js";

// Ctrl-C reaches the whole group: the parent finishes its step, saves, and then ends this process.
process.on("SIGINT", () => {}).on("SIGTERM", () => {});
process.on("disconnect", () => process.exit(0));

let network: ReturnType<typeof buildAttentionUNet> | null = null;
let source: LocalGradients | null = null;

async function answer(request: GradientRequest): Promise<GradientReply> {
  if (request.kind === "start") {
    await selectBackend(request.backend);
    network = buildAttentionUNet(request.network);
    source = new LocalGradients(network, request.loss);
    return { kind: "ready" };
  }
  if (!network || !source) throw new Error("asked to compute before the start");
  writeWeights(network.model, request.weights);
  const { loss, gradients, moving } = await source.part(request.batch, request.dropoutSeed);
  return { kind: "computed", loss, gradients: await take(gradients), moving: await take(moving) };
}

async function take(tensors: readonly tf.Tensor[]): Promise<Float32Array[]> {
  const arrays: Float32Array[] = [];
  for (const tensor of tensors) {
    arrays.push((await tensor.data()) as Float32Array);
    tensor.dispose();
  }
  return arrays;
}

process.on("message", (request: GradientRequest) => {
  answer(request)
    .catch(
      (error: unknown): GradientReply => ({
        kind: "failed",
        message: error instanceof Error ? error.message : String(error),
      }),
    )
    .then((reply) => process.send?.(reply));
});
