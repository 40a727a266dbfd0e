/**
 * A training step of the Attention U-Net (normalised; batch 4; BCE + Dice; AdamW), from the same weights on the same patches:
 * our code on WASM and, where it is installed, on the TensorFlow addon (and on a GPU by WebGPU, if there is one), against
 * PyTorch on the CPU with as many threads, where `CHONDRIA_PYTHON` (or python3) has it. Rounds are interleaved, so that a change
 * of the machine's speed hits all alike; the losses are compared before anything is printed. Beside samples per second it
 * prints the CPU time of a step: on a machine that does other things as well it is the fairer number.
 *
 * `CHONDRIA_BENCH_SIZES` (192,256) are the edges of the patches, `CHONDRIA_BENCH_ROUNDS` (3) the rounds after a warm-up.
 */
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { selectBackend } from "../src/kernels/backend_node.js";
import { buildAttentionUNet, type Network } from "../src/network/attention_unet.js";
import { BATCH, LEARNING_RATE, NETWORK, OPTIMISER } from "./training_task.js";

const numbers = (text: string) => text.split(",").map(Number);
const SIZES = numbers(process.env.CHONDRIA_BENCH_SIZES ?? "192,256");
const ROUNDS = Number(process.env.CHONDRIA_BENCH_ROUNDS ?? 3);
const PYTHON = process.env.CHONDRIA_PYTHON ?? "python3";
/** Micro-batches must be of one size. */
const THREADS = [...new Set([1, Math.min(BATCH, 2 ** Math.floor(Math.log2(availableParallelism())))])];

interface Step {
  readonly milliseconds: number;
  /** Of all threads; null where it is not known. */
  readonly cpuMilliseconds: number | null;
  readonly loss: number;
}

interface Engine {
  readonly name: string;
  readonly threads: number;
  /** Of each size, the warm-up first. */
  readonly steps: Map<number, Step[]>;
  run(size: number): Promise<Step>;
  close(): void;
}

/** Starts a process that answers a line with a step. @returns why not, where it cannot. */
async function start(
  name: string,
  threads: number,
  command: string,
  args: readonly string[],
): Promise<Engine | string> {
  const env = {
    ...process.env,
    OMP_NUM_THREADS: `${threads}`,
    TF_NUM_INTRAOP_THREADS: `${threads}`,
    TF_NUM_INTEROP_THREADS: "1",
    TF_CPP_MIN_LOG_LEVEL: "2",
  };
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "ignore"], env });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<Record<string, unknown>> => {
    while (true) {
      const { value, done } = await lines.next();
      if (done) return { unavailable: "ended without a word" };
      // Libraries greet on the same stream.
      if (value.startsWith("{")) return JSON.parse(value);
    }
  };
  const first = await next();
  if (first.unavailable !== undefined) return String(first.unavailable);
  return {
    name: `${name}`,
    threads,
    steps: new Map(),
    async run(size) {
      child.stdin.write(`${size}\n`);
      const answer = await next();
      if (answer.unavailable !== undefined) throw new Error(`${name}: ${answer.unavailable}`);
      return answer as unknown as Step;
    },
    close: () => void child.kill(),
  };
}

const ours = (backend: string, name: string, threads: number, folder: string) =>
  start(name, threads, process.execPath, [
    "--import",
    "tsx",
    join(import.meta.dirname, "training_engine.ts"),
    backend,
    `${threads}`,
    folder,
  ]);

/** The layers with their first weights, for PyTorch to build the same network. */
async function dump({ logits }: Network, folder: string): Promise<void> {
  const layers = [];
  for (const [index, layer] of logits.layers.entries()) {
    const weights = [];
    for (const [i, tensor] of layer.getWeights().entries()) {
      const file = join(folder, `${index}_${i}.bin`);
      writeFileSync(file, new Uint8Array((await tensor.data()).slice().buffer));
      weights.push({ file, shape: tensor.shape });
    }
    layers.push({
      kind: layer.getClassName(),
      inputs: layer.inboundNodes[0].inboundLayers.map(({ name }) => name),
      name: layer.name,
      activation: (layer.getConfig() as { activation?: string }).activation ?? "linear",
      weights,
    });
  }
  const training = {
    layers,
    batch: BATCH,
    learningRate: LEARNING_RATE,
    weightDecay: OPTIMISER.weightDecay,
  };
  writeFileSync(join(folder, "model.json"), JSON.stringify(training));
}

/** Dark discs on a noisy ground, and where they are. */
function writePatches(size: number, folder: string): void {
  const length = BATCH * size * size;
  const x = new Float32Array(length);
  const y = new Float32Array(length);
  let noise = 1;
  for (let i = 0; i < length; i++) {
    noise = (Math.imul(noise, 1664525) + 1013904223) >>> 0;
    const [column, row] = [i % size, Math.floor(i / size) % size];
    y[i] = Math.hypot((column % 64) - 32, (row % 64) - 32) < 18 ? 1 : 0;
    x[i] = 0.7 - 0.35 * y[i] + 0.3 * (noise / 2 ** 32 - 0.5);
  }
  writeFileSync(join(folder, `x${size}.bin`), new Uint8Array(x.buffer));
  writeFileSync(join(folder, `y${size}.bin`), new Uint8Array(y.buffer));
}

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1];
/** Medians after the warm-up: samples a second, and seconds of CPU time a step (NaN where it is not known). */
function speedOf(engine: Engine, size: number): { rate: number; cpu: number } {
  const steps = engine.steps.get(size)?.slice(1) ?? [];
  return {
    rate: (1000 * BATCH) / median(steps.map(({ milliseconds }) => milliseconds)),
    cpu: median(steps.map(({ cpuMilliseconds }) => cpuMilliseconds ?? Number.NaN)) / 1000,
  };
}

/** The first loss is that of the same weights; later ones drift apart as floating point does. */
function compare(engine: Engine, reference: Engine, size: number, fresh: boolean): void {
  const [mine, theirs] = [engine, reference].map((e) => e.steps.get(size)?.[0].loss ?? Number.NaN);
  if (!(Math.abs(mine - theirs) < (fresh ? 2e-3 : 5e-2)))
    throw new Error(
      `${engine.name} computes something else: loss ${mine} at ${size}, ${reference.name} ${theirs}`,
    );
}

const folder = mkdtempSync(join(tmpdir(), "chondria-bench-"));
const engines: Engine[] = [];
try {
  await selectBackend("wasm");
  const network = buildAttentionUNet(NETWORK);
  await dump(network, folder);
  for (const size of SIZES) writePatches(size, folder);
  const add = (name: string, engine: Engine | string) => {
    if (typeof engine === "string") console.log(`${name}: skipped, ${engine}`);
    else engines.push(engine);
  };
  let torch = "";
  try {
    execFileSync(PYTHON, ["-c", "import torch, numpy"], { stdio: "pipe" });
  } catch {
    torch = `no torch in ${PYTHON} (set CHONDRIA_PYTHON to a Python that has it)`;
    console.log(`PyTorch: skipped, ${torch}`);
  }
  for (const threads of THREADS) {
    const script = join(import.meta.dirname, "training_pytorch.py");
    if (torch === "") add("PyTorch", await start("PyTorch", threads, PYTHON, [script, folder, `${threads}`]));
    add("tfjs WASM", await ours("wasm", "ours, tfjs WASM", threads, folder));
    add("TensorFlow", await ours("tensorflow", "ours, TensorFlow", threads, folder));
  }
  const gpu = await ours("webgpu", "ours, WebGPU", 1, folder);
  if (typeof gpu === "string") console.log(`WebGPU: skipped, ${gpu}`);
  else engines.push(gpu);

  for (let round = 0; round <= ROUNDS; round++)
    for (const size of SIZES)
      for (const engine of engines) {
        const steps = engine.steps.get(size) ?? [];
        steps.push(await engine.run(size));
        engine.steps.set(size, steps);
      }
  for (const [i, size] of SIZES.entries()) {
    // Processes take their statistics and Dice from micro-batches: another loss, the same work.
    const whole = engines.filter(({ name, threads }) => !(name.includes("WASM") && threads > 1));
    for (const engine of whole.slice(1)) compare(engine, whole[0], size, i === 0);
    const parameters = network.model.countParams().toLocaleString("en");
    console.log(
      `training step, Attention U-Net (${parameters} parameters), ${BATCH} x ${size} x ${size}, median of ${ROUNDS}`,
    );
    for (const engine of engines) {
      const { rate, cpu } = speedOf(engine, size);
      const rival = engines.find(({ name, threads }) => name === "PyTorch" && threads === engine.threads);
      const theirs = rival && rival !== engine ? speedOf(rival, size) : null;
      const ratio = theirs ? `ours / PyTorch = ${(rate / theirs.rate).toFixed(2)}` : "";
      const byCpu = theirs && cpu > 0 ? `, by CPU time ${(theirs.cpu / cpu).toFixed(2)}` : "";
      const how = engine.name.includes("WebGPU") ? "GPU" : `${engine.threads} x CPU`;
      const used = cpu > 0 ? `${cpu.toFixed(2).padStart(6)} s CPU` : " ".repeat(12);
      console.log(
        `  ${engine.name.padEnd(18)} ${how.padEnd(8)} ${rate.toFixed(2).padStart(7)} samples/s ${used}   ${ratio}${byCpu}`.trimEnd(),
      );
    }
  }
} finally {
  for (const engine of engines) engine.close();
  rmSync(folder, { recursive: true, force: true });
}
process.exit(0);
