/**
 * One forward pass of the segmentation network, one thread, the same weights and the same input on every engine: tfjs on
 * WASM (ours), onnxruntime-web on WASM, and PyTorch where `CHONDRIA_PYTHON` (or python3) has it. Rounds are interleaved, so
 * that a change of the machine's speed hits all alike; the outputs are compared before anything is timed.
 */
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import * as ort from "onnxruntime-web";
import { selectBackend } from "../src/kernels/backend_node.js";
import { tf } from "../src/kernels/tf.js";
import { buildAttentionUNet, NORMALISED_NETWORK } from "../src/network/attention_unet.js";
import { toOnnx } from "./onnx.js";

const SIZE = 448; // a display chunk of 256 with its halo of 96
const ROUNDS = 7;

interface Engine {
  readonly name: string;
  run(input: Float32Array): Promise<Float32Array>;
  close(): void;
}

async function tfjs(model: tf.LayersModel): Promise<Engine> {
  return {
    name: "tfjs WASM (ours)",
    async run(input) {
      const output = tf.tidy(() => model.predict(tf.tensor4d(input, [1, SIZE, SIZE, 1])) as tf.Tensor);
      const data = (await output.data()) as Float32Array;
      output.dispose();
      return data;
    },
    close() {},
  };
}

async function onnxruntime(onnx: Uint8Array): Promise<Engine> {
  ort.env.wasm.numThreads = 1;
  const session = await ort.InferenceSession.create(onnx, { executionProviders: ["wasm"] });
  return {
    name: "onnxruntime-web WASM",
    async run(input) {
      const { y } = await session.run({ x: new ort.Tensor("float32", input, [1, 1, SIZE, SIZE]) });
      return y.data as Float32Array;
    },
    close: () => void session.release(),
  };
}

/** PyTorch reads the very ONNX weights through a dump of (kind, tensors) in execution order. */
async function pytorch(model: tf.LayersModel, folder: string): Promise<Engine | string> {
  const python = process.env.CHONDRIA_PYTHON ?? "python3";
  try {
    execFileSync(python, ["-c", "import torch, numpy"], { stdio: "pipe" });
  } catch {
    return `PyTorch: not in ${python} (set CHONDRIA_PYTHON to a Python that has torch)`;
  }
  const layers = await Promise.all(
    model.layers.map(async (layer, index) => ({
      kind: layer.getClassName(),
      inputs: layer.inboundNodes[0].inboundLayers.map((l) => l.name),
      name: layer.name,
      activation: (layer.getConfig() as { activation?: string }).activation ?? "linear",
      weights: await Promise.all(
        layer.getWeights().map(async (t, i) => {
          const file = join(folder, `${index}_${i}.bin`);
          writeFileSync(file, new Uint8Array((await t.data()).buffer));
          return { file, shape: t.shape };
        }),
      ),
    })),
  );
  writeFileSync(join(folder, "model.json"), JSON.stringify(layers));
  const child = spawn(python, [join(import.meta.dirname, "forward_pytorch.py"), folder, String(SIZE)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  await lines.next(); // "ready"
  return {
    name: "PyTorch",
    async run(input) {
      writeFileSync(join(folder, "x.bin"), new Uint8Array(input.buffer));
      child.stdin.write("run\n");
      const { value } = await lines.next();
      const { milliseconds, y } = JSON.parse(value as string) as { milliseconds: number; y: string };
      pytorchMilliseconds = milliseconds;
      const bytes = Buffer.from(y, "base64");
      return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
    },
    close: () => void child.kill(),
  };
}
/** Its own clock: without the file and the base64 on the way. */
let pytorchMilliseconds = 0;

const median = (values: number[]) => [...values].sort((a, b) => a - b)[values.length >> 1];

await selectBackend("wasm");
const { model } = buildAttentionUNet({ ...NORMALISED_NETWORK, seed: 7 });
const input = Float32Array.from(
  { length: SIZE * SIZE },
  (_, i) => 0.5 + 0.5 * Math.sin(i * 0.37) * Math.cos(i * 0.011),
);
const folder = mkdtempSync(join(tmpdir(), "chondria-bench-"));
try {
  const engines: Engine[] = [await tfjs(model), await onnxruntime(await toOnnx(model, SIZE))];
  const torch = await pytorch(model, folder);
  if (typeof torch === "string") console.log(torch);
  else engines.push(torch);
  const reference = await engines[0].run(input);
  for (const engine of engines.slice(1)) {
    const output = await engine.run(input);
    const difference = output.reduce((max, v, i) => Math.max(max, Math.abs(v - reference[i])), 0);
    if (!(difference < 1e-4))
      throw new Error(`${engine.name} computes something else: differs by ${difference}`);
  }
  const times = engines.map((): number[] => []);
  for (let round = 0; round < ROUNDS; round++)
    for (const [i, engine] of engines.entries()) {
      const start = performance.now();
      await engine.run(input);
      times[i].push(engine.name === "PyTorch" ? pytorchMilliseconds : performance.now() - start);
    }
  console.log(`forward pass, ${SIZE} x ${SIZE}, 1 thread, median of ${ROUNDS} interleaved rounds`);
  const ours = median(times[0]);
  for (const [i, { name }] of engines.entries()) {
    const ms = median(times[i]);
    console.log(
      `  ${name.padEnd(24)} ${ms.toFixed(0).padStart(6)} ms   ours / it = ${(ours / ms).toFixed(2)}`,
    );
  }
  for (const engine of engines) engine.close();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.exit(0);
