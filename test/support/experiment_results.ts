import { pickEpochs } from "../../src/adaptation/stopping.js";
import { CRITERIA, type StrategyId } from "../../src/adaptation/types.js";
import {
  asEpoch,
  type ExperimentResult,
  pickOf,
  type RunResult,
  type ScoredSnapshot,
} from "../../src/experiment/results.js";
import { Random } from "../../src/network/random.js";

const PRIOR = { solidity: 0.948, ara: 0.0046 };

interface RunOptions {
  readonly source: string;
  readonly target: string;
  readonly strategy: StrategyId;
  readonly title: string;
  readonly seed: number;
  /** Highest IoU. */
  readonly best: number;
  readonly labelled?: boolean;
  readonly epochs?: number;
}

/** A finished run as the runner writes it, with curves of a plausible shape. */
export function madeRun({
  source,
  target,
  strategy,
  title,
  seed,
  best,
  labelled = true,
  epochs = 10,
}: RunOptions): RunResult {
  const random = new Random(seed * 1000 + title.length + source.length * 7);
  const scored = Array.from({ length: epochs }, (_, i): ScoredSnapshot => {
    const iou = labelled
      ? Math.max(
          0,
          best * (1 - Math.exp(-(i + 1) / 2)) - 0.02 * Math.max(0, i - 5) + random.uniform(-0.03, 0.03),
        )
      : null;
    return {
      stage: "train",
      step: 60 * (i + 1),
      totalSteps: 60 * (i + 1),
      solidity: Math.min(1, 0.78 + 0.17 * (1 - Math.exp(-(i + 1) / 3)) + random.uniform(-0.01, 0.01)),
      ara: 0.002 + 0.0005 * i,
      distribution: 4 * Math.exp(-i / 3) + random.uniform(0, 0.3),
      validation: 0.85 * (1 - Math.exp(-(i + 1) / 2)),
      targetIou: iou,
      targetIouVolume: iou === null ? null : iou * 1.05,
      precision: iou === null ? null : 0.8,
      recall: iou === null ? null : 0.6,
      regions: 200 + i,
      nonFinite: 0,
      seconds: 4.2,
      prediction: null,
      snapshot: null,
    };
  });
  const indices = pickEpochs(scored.map(asEpoch), PRIOR);
  return {
    format: "chondria-run-1",
    id: `${source}-to-${target}/${strategy}/seed-${seed}`,
    source: { name: source, title: `${source} train`, slices: 165, size: [512, 384] },
    target: { name: target, title: `${target} test`, slices: 20, size: [256, 512] },
    region: "512:1024,0:1024,0:20",
    strategy,
    name: strategy,
    title,
    protocol: "reduced",
    seed,
    settings: { strategy, seed, patch: 192, network: { filters: [16, 32], seed } },
    sourceModel: null,
    modelVoxelSize: [10, 10, 5],
    gridVoxelSize: [9.2, 9.2, 50],
    threshold: 0.5,
    tta: "none",
    priors: PRIOR,
    scored,
    picks: Object.fromEntries(
      CRITERIA.map((criterion) => [criterion, pickOf(scored, indices[criterion])]),
    ) as RunResult["picks"],
    command: "chondria experiment experiments/made.yaml",
    machine: {
      cpu: "Some CPU",
      cores: 2,
      memoryGb: 8,
      system: "linux 6 x64",
      node: "v22.0.0",
      engine: "WebAssembly SIMD, one thread",
    },
    started: "2026-11-22T19:00:00.000Z",
    finished: "2026-11-22T19:30:00.000Z",
    trainingSeconds: 1500,
    scoringSeconds: 90,
  };
}

const STRATEGIES: readonly [StrategyId, string, number][] = [
  ["source-only", "Source only", 0.2],
  ["histogram-matching", "Histogram matching", 0.42],
  ["attention-y-net", "Attention Y-Net", 0.5],
  ["self-training", "Self-training", 0.66],
];

/** Four strategies, two pairs of the paper, two seeds. */
export function madeExperiment(): ExperimentResult {
  const pairs = [
    ["lucchi++", "vnc"],
    ["vnc", "lucchi++"],
  ];
  const runs = pairs.flatMap(([source, target]) =>
    STRATEGIES.flatMap(([strategy, title, best]) =>
      [1, 2].map((seed) => madeRun({ source, target, strategy, title, seed, best })),
    ),
  );
  return {
    format: "chondria-experiment-1",
    name: "made",
    file: "name: made\n",
    command: "chondria experiment experiments/made.yaml",
    updated: "2026-11-22T20:00:00.000Z",
    planned: 16,
    runs,
  };
}
