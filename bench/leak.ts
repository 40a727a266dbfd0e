/**
 * Ten thousand training steps of a tiny network with the whole loop of `chondria train` (patches, augmentation, gradients with
 * dropout, batch statistics and AdamW, validations): tensors, their bytes and the process's memory must stay as they are after
 * the first thousand. `CHONDRIA_BENCH_STEPS` (10000).
 */
import { selectBackend } from "../src/kernels/backend_node.js";
import { tf } from "../src/kernels/tf.js";
import { buildAttentionUNet, NORMALISED_NETWORK } from "../src/network/attention_unet.js";
import { Random } from "../src/network/random.js";
import { runTraining } from "../src/training/loop.js";
import { PRESETS } from "../src/training/settings.js";

const STEPS = Number(process.env.CHONDRIA_BENCH_STEPS ?? 10_000);
const EDGE = 32;
/** More than this since the first tenth is no noise of the garbage collector. */
const MOST_GROWTH_MB = 64;

const { description } = await selectBackend("wasm");
const random = new Random(1);
const em = Array.from({ length: 4 }, () =>
  Uint8Array.from({ length: EDGE * EDGE }, () => random.uniform(0, 256)),
);
const slices = {
  width: EDGE,
  height: EDGE,
  em,
  labels: em.map((slice) => slice.map((v) => (v > 150 ? 255 : 0))),
};
const { steps: _steps, epochs: _epochs, validateEvery: _every, ...preset } = PRESETS.small;
const settings = {
  ...preset,
  network: { ...NORMALISED_NETWORK, filters: [1, 2], dropoutRates: [0.1, 0.2] },
  steps: STEPS,
  validateEvery: Math.ceil(STEPS / 10),
  patch: 8,
  batch: 2,
  accumulate: 2,
};

interface Memory {
  readonly tensors: number;
  readonly bytes: number;
  readonly megabytes: number;
}
const memory = (): Memory => {
  const { numTensors, numBytes } = tf.memory();
  return { tensors: numTensors, bytes: numBytes, megabytes: process.memoryUsage().rss / 2 ** 20 };
};

let early: Memory | null = null;
let late: Memory | null = null;
const start = performance.now();
await runTraining(
  { network: buildAttentionUNet(settings.network), train: slices, validation: slices, settings },
  {
    onStep({ step }) {
      if (step === Math.ceil(STEPS / 10)) early = memory();
      if (step === STEPS) late = memory();
    },
  },
);
const milliseconds = (performance.now() - start) / STEPS;
const [before, after] = [early, late] as unknown as [Memory, Memory];
const growth = after.megabytes - before.megabytes;
console.log(
  `${STEPS.toLocaleString("en")} training steps of a tiny network, ${description}: ${milliseconds.toFixed(2)} ms each\n` +
    `  tensors ${before.tensors} -> ${after.tensors}, their bytes ${before.bytes} -> ${after.bytes}, ` +
    `process ${before.megabytes.toFixed(0)} -> ${after.megabytes.toFixed(0)} MB`,
);
if (after.tensors !== before.tensors || after.bytes !== before.bytes || growth > MOST_GROWTH_MB) {
  console.error("memory grows with the steps");
  process.exit(1);
}
process.exit(0);
