import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { BackendName } from "../inference/types.js";
import { tf } from "../kernels/tf.js";
import type { AttentionUNetOptions, Network } from "../network/attention_unet.js";
import { averageParts, type GradientPart, type GradientSource, type Gradients } from "./gradients.js";
import { readWeights } from "./loop.js";
import type { LossName } from "./losses.js";
import type { Batch } from "./sampler.js";

/** To a gradient process: first what to build, then one micro-batch at a time. */
export type GradientRequest =
  | { kind: "start"; network: AttentionUNetOptions; loss: LossName; backend: BackendName }
  | { kind: "compute"; weights: Float32Array[]; batch: Batch; dropoutSeed: number };

export type GradientReply =
  | { kind: "ready" }
  | { kind: "computed"; loss: number; gradients: Float32Array[]; moving: Float32Array[] }
  | { kind: "failed"; message: string };

/** A child process that answers one request at a time. */
class GradientProcess {
  private waiting: { resolve(reply: GradientReply): void; reject(error: Error): void } | null = null;
  private ended: Error | null = null;
  private readonly child: ChildProcess;

  constructor() {
    this.child = fork(fileURLToPath(new URL("./gradient_process_node.ts", import.meta.url)), [], {
      serialization: "advanced",
      execArgv: ["--import", import.meta.resolve("tsx")],
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    this.child.on("message", (reply: GradientReply) => this.settle((waiting) => waiting.resolve(reply)));
    this.child.on("error", (error) => this.end(error));
    this.child.on("exit", (code, signal) =>
      this.end(new Error(`a training process ended (${signal ?? `exit status ${code}`}): --resume goes on`)),
    );
  }

  async ask(request: GradientRequest): Promise<Exclude<GradientReply, { kind: "failed" }>> {
    if (this.ended) throw this.ended;
    const reply = await new Promise<GradientReply>((resolve, reject) => {
      this.waiting = { resolve, reject };
      this.child.send(request, (error) => error && this.end(error));
    });
    if (reply.kind === "failed") throw new Error(`in a training process: ${reply.message}`);
    return reply;
  }

  async stop(): Promise<void> {
    if (this.ended) return;
    const exited = new Promise((resolve) => this.child.once("exit", resolve));
    this.child.disconnect();
    await exited;
  }

  private settle(how: (waiting: NonNullable<GradientProcess["waiting"]>) => void): void {
    const { waiting } = this;
    this.waiting = null;
    if (waiting) how(waiting);
  }

  private end(error: Error): void {
    this.ended ??= error;
    this.settle((waiting) => waiting.reject(error));
  }
}

/**
 * Computes the micro-batches of a step in child processes, since WebAssembly in Node has one thread. The number of
 * processes changes the time, not the result: micro-batches are averaged in their order, as in one process.
 */
export class ProcessGradients implements GradientSource {
  private constructor(
    private readonly network: Network,
    private readonly processes: readonly GradientProcess[],
  ) {}

  static async start(
    count: number,
    network: Network,
    start: Omit<Extract<GradientRequest, { kind: "start" }>, "kind">,
  ): Promise<ProcessGradients> {
    const source = new ProcessGradients(
      network,
      Array.from({ length: count }, () => new GradientProcess()),
    );
    try {
      await Promise.all(source.processes.map((process) => process.ask({ kind: "start", ...start })));
    } catch (error) {
      await source.dispose();
      throw error;
    }
    return source;
  }

  async compute(batches: readonly Batch[], dropoutSeed: number): Promise<Gradients> {
    const weights = await readWeights(this.network.model);
    const parts: GradientPart[] = [];
    await Promise.all(
      this.processes.map(async (process, first) => {
        for (let i = first; i < batches.length; i += this.processes.length) {
          const reply = await process.ask({
            kind: "compute",
            weights,
            batch: batches[i],
            dropoutSeed: dropoutSeed + i,
          });
          if (reply.kind !== "computed") throw new Error("a training process answered out of turn");
          parts[i] = this.toTensors(reply);
        }
      }),
    );
    return averageParts(this.network.logits, parts);
  }

  private toTensors(reply: Extract<GradientReply, { kind: "computed" }>): GradientPart {
    const { trainableWeights, nonTrainableWeights } = this.network.logits;
    const shaped = (arrays: Float32Array[], weights: typeof trainableWeights) =>
      arrays.map((array, i) => tf.tensor(array, weights[i].shape as number[]));
    return {
      loss: reply.loss,
      gradients: shaped(reply.gradients, trainableWeights),
      moving: shaped(reply.moving, nonTrainableWeights),
    };
  }

  async dispose(): Promise<void> {
    await Promise.all(this.processes.map((process) => process.stop()));
  }
}
