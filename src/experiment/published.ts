import type { StrategyId } from "../adaptation/types.js";
import type { Statistic } from "./results.js";

/**
 * Target-test IoU that the authors published, as far as it could be found: Attention Y-Net alone, 10 repetitions, model chosen by ARA
 * (the criterion of the first version, arXiv 2202.10773v1), from the output kept in `Attention_Y-Net/json2mat.ipynb` of
 * danifranco/EM_domain_adaptation.
 */
const ATTENTION_Y_NET: Readonly<Record<string, readonly [mean: number, deviation: number]>> = {
  "lucchi++ vnc": [0.4024, 0.0401],
  "lucchi++ kasthuri++": [0.6676, 0.0203],
  "vnc lucchi++": [0.536, 0.0221],
  "vnc kasthuri++": [0.3891, 0.0415],
  "kasthuri++ lucchi++": [0.7036, 0.0454],
  "kasthuri++ vnc": [0.252, 0.0475],
};

/** null where no published value is known. */
export function publishedIou(strategy: StrategyId, source: string, target: string): Statistic | null {
  const key = `${source} ${target}`;
  if (strategy !== "attention-y-net" || !Object.hasOwn(ATTENTION_Y_NET, key)) return null;
  const [mean, deviation] = ATTENTION_Y_NET[key];
  return { mean, deviation, n: 10 };
}
