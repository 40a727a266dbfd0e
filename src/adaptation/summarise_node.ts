import { readPackageFolder } from "../model/read_node.js";
import { ModelError, type SourceStatistics } from "../model/types.js";
import { recordSourceSummary } from "../model/write_node.js";
import { measurePrior } from "../morphology/prior.js";
import type { MorphologyPrior } from "../morphology/types.js";
import { measureSource } from "../training/source_statistics.js";
import { loadTrainingData } from "../training/train_node.js";
import type { Vec3 } from "../volume/types.js";

export interface SummariseOptions {
  readonly images: string;
  readonly labels: string;
  readonly imagesDataset?: string;
  readonly labelsDataset?: string;
  /** nm; for data that does not say it. */
  readonly voxelSize?: Vec3;
  readonly region?: string;
  /** Label values that are not foreground. */
  readonly ignore: readonly number[];
}

/** A label fraction of half a pixel or more is foreground. */
const FOREGROUND = 128;

/**
 * Measures the data that a package was trained on, on the package's grid and in its intensity window, and puts the summary
 * into the package.
 * @throws ModelError when the labels are not those of the package's prior; VolumeError when the data cannot be read.
 */
export async function summarisePackage(
  folder: string,
  options: SummariseOptions,
): Promise<{ prior: MorphologyPrior; regions: SourceStatistics["regions"] }> {
  const { id, config } = await readPackageFolder(folder);
  const { all, voxelSize } = await loadTrainingData({
    ...options,
    trainVoxelSize: config.voxelSize[0],
    window: config.window,
    validation: 0,
    validationOrder: "last",
    validationSlices: 0,
    seed: config.training.seed,
  });
  const prior = measurePrior(all.labels, all.width, all.height, {
    voxelSize,
    source: config.source,
    foreground: FOREGROUND,
  });
  if (config.prior) checkSame(id, config.prior, prior);
  const summary = measureSource(all);
  await recordSourceSummary(folder, summary, prior);
  return { prior, regions: summary.regions };
}

/** A summary of other data than the prior's would be worse than none. */
function checkSame(id: string, known: MorphologyPrior, measured: MorphologyPrior): void {
  const text = ({ regions, solidity }: MorphologyPrior) =>
    `${regions} regions of mean solidity ${solidity.toFixed(6)}`;
  if (known.regions !== measured.regions || Math.abs(known.solidity - measured.solidity) > 1e-9) {
    throw new ModelError(
      id,
      `was trained on labels with ${text(known)} (${known.source}), but these have ${text(measured)}: give the same data and region`,
    );
  }
}
