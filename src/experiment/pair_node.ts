import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Images } from "../adaptation/types.js";
import { formatRegion, parseRegion } from "../volume/region.js";
import type { Box } from "../volume/types.js";
import type { DataSet } from "./datasets.js";
import { type DataSetContext, openDataSet } from "./datasets_node.js";
import { type Experiment, ExperimentError } from "./experiment_file.js";
import { dataSizes, loadImages, loadSource, type Source } from "./load.js";
import { writeGrey } from "./predictions_node.js";
import { TargetScorer } from "./score.js";

/** Slices of a target shown in the report. */
const PICTURES = 3;
export const PICTURES_FOLDER = "pictures";

/** A source and a target in memory. */
export interface Pair {
  readonly source: Source;
  readonly targetName: string;
  /** Of the scored half. */
  readonly targetTitle: string;
  /** Unlabelled stacks of the target on the source's model grid. */
  readonly images: readonly Images[];
  readonly scorer: TargetScorer;
  readonly region: Box;
  readonly sizes: ReturnType<typeof dataSizes>;
}

/** Where data sets are, and what the experiment asks of them. */
export type PairContext = DataSetContext & { readonly experiment: Experiment };

/**
 * Reads the data of a pair.
 * @throws ExperimentError, VolumeError naming what is wrong with it.
 */
export async function loadPair(
  pair: { readonly source: string; readonly target: string },
  context: PairContext,
  signal?: AbortSignal,
): Promise<Pair> {
  const { experiment, file } = context;
  const sourceSet = await openDataSet(pair.source, context);
  let targetSet: DataSet | undefined;
  try {
    targetSet = await openDataSet(pair.target, context);
    const source = await loadSource(sourceSet, experiment.validation, signal);
    const { bounds } = targetSet.test.em.scales[0];
    const scored = Object.hasOwn(experiment.scored, pair.target) ? experiment.scored[pair.target] : undefined;
    const region = scored === undefined ? bounds : scoredRegion(scored, bounds, file, pair.target);
    const parts = experiment.transductive ? [targetSet.train, targetSet.test] : [targetSet.train];
    const images: Images[] = [];
    // Data without a test half of its own is one stack, not the same one twice.
    for (const em of new Set(parts.map((part) => part.em)))
      images.push(await loadImages(em, source.voxelSize, targetSet.window, signal));
    const { regions } = source.statistics;
    const scorer = await TargetScorer.load(targetSet, region, source.voxelSize, regions, signal);
    return {
      source,
      targetName: targetSet.name,
      targetTitle: targetSet.test.title,
      images,
      scorer,
      region,
      sizes: dataSizes(source, images),
    };
  } finally {
    await sourceSet.close();
    await targetSet?.close();
  }
}

function scoredRegion(text: string, bounds: Box, file: string, name: string): Box {
  try {
    return parseRegion(text, bounds);
  } catch (cause) {
    throw new ExperimentError(file, `scored.${name}: ${(cause as Error).message}`, { cause });
  }
}

/** Names of the pictures of scored slice `index`, in the folder of a pair. */
export const pictureFiles = (index: number) => ({
  em: join(PICTURES_FOLDER, `${index}-em.png`),
  labels: join(PICTURES_FOLDER, `${index}-labels.png`),
});

/** Scored slices that are shown, evenly spread. */
export function picturedSlices(slices: number): number[] {
  const n = Math.min(PICTURES, slices);
  return Array.from({ length: n }, (_, i) => Math.floor(((i + 0.5) * slices) / n));
}

/** Keeps a few slices of the target for the report, which is made without the data sets. */
export async function writePictures(folder: string, scorer: TargetScorer): Promise<void> {
  for (const index of picturedSlices(scorer.slices)) {
    const files = pictureFiles(index);
    if (existsSync(join(folder, files.labels))) continue;
    const { width, height, em, labels } = scorer.picture(index);
    await writeGrey(join(folder, files.em), width, height, em);
    if (labels) await writeGrey(join(folder, files.labels), width, height, labels);
  }
}

/** "512:1024,0:1024,0:20" */
export const regionText = (pair: Pair): string => formatRegion(pair.region);
