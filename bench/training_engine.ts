/**
 * Our side of bench/training.ts, a process of its own: `training_engine.ts <backend> <threads> <folder>`. Says what it is, then
 * answers each line, the edge of the patches, with one training step: gradients and AdamW update, as `chondria train` makes them.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { BackendName } from "../src/inference/types.js";
import { selectBackend } from "../src/kernels/backend_node.js";
import { tf } from "../src/kernels/tf.js";
import { buildAttentionUNet } from "../src/network/attention_unet.js";
import { type GradientSource, LocalGradients, trainableVariables } from "../src/training/gradients.js";
import { Optimiser } from "../src/training/optimisers.js";
import { ProcessGradients } from "../src/training/processes_node.js";
import type { Batch } from "../src/training/sampler.js";
import { BATCH, LEARNING_RATE, NETWORK, OPTIMISER } from "./training_task.js";

const [backend, threads, folder] = [process.argv[2] as BackendName, Number(process.argv[3]), process.argv[4]];

/** Our engines have threads of their own, or none: WebAssembly takes processes, TensorFlow reads the environment. */
const processes = backend === "wasm" ? threads : 1;

const read = (name: string) => new Float32Array(new Uint8Array(readFileSync(join(folder, name))).buffer);

/** The patches of a step in as many micro-batches as there are processes. */
function batches(size: number): Batch[] {
  const [em, labels] = [read(`x${size}.bin`), read(`y${size}.bin`)];
  const count = BATCH / processes;
  const part = count * size * size;
  return Array.from({ length: processes }, (_, i) => ({
    count,
    size,
    em: em.slice(i * part, (i + 1) * part),
    labels: labels.slice(i * part, (i + 1) * part),
  }));
}

const say = (message: object) => process.stdout.write(`${JSON.stringify(message)}\n`);

async function serve(): Promise<void> {
  const { description } = await selectBackend(backend);
  if (backend === "webgpu" && /swiftshader|llvmpipe/i.test(description))
    throw new Error(`${description} runs on the CPU`);
  const network = buildAttentionUNet(NETWORK);
  const variables = trainableVariables(network.logits);
  const optimiser = new Optimiser(variables, OPTIMISER);
  const source: GradientSource =
    processes === 1
      ? new LocalGradients(network, "bce+dice")
      : await ProcessGradients.start(processes, network, { network: NETWORK, loss: "bce+dice", backend });
  say({ ready: description });
  let step = 0;
  for await (const line of createInterface({ input: process.stdin })) {
    const parts = batches(Number(line));
    const start = performance.now();
    const before = process.cpuUsage();
    const { loss, gradients } = await source.compute(parts, step);
    optimiser.apply(gradients, LEARNING_RATE, step);
    tf.dispose(gradients);
    // The update may still be under way: it is done once a weight can be read.
    await variables[0].data();
    const milliseconds = performance.now() - start;
    const { user, system } = process.cpuUsage(before);
    // What other processes and a GPU did is not in it.
    const cpuMilliseconds = processes === 1 && backend !== "webgpu" ? (user + system) / 1000 : null;
    say({ milliseconds, cpuMilliseconds, loss });
    step++;
  }
  await source.dispose();
}

try {
  await serve();
} catch (error) {
  say({ unavailable: error instanceof Error ? error.message : String(error) });
}
process.exit(0);
