import { chooseGeometry } from "../inference/geometry.js";
import { predictRegion } from "../inference/predict_region_node.js";
import type { BackendName } from "../inference/types.js";
import { defaultWindow } from "../inference/window.js";
import { selectBackend } from "../kernels/backend_node.js";
import { ModelError, type ModelPackage } from "../model/types.js";
import { buildAttentionUNet } from "../network/attention_unet.js";
import { receptiveField } from "../network/receptive_field.js";
import { readLogFile } from "../proofreading/log_file_node.js";
import { Replay } from "../proofreading/replay.js";
import { EditLogError, type Operation } from "../proofreading/types.js";
import { openVolumeView } from "../proofreading/volume_view.js";
import { writeWeights } from "../training/loop.js";
import { packageNetwork } from "../training/package_node.js";
import { loadSlices, type Slices } from "../training/slices.js";
import { averagingFactor, type TrainingData, type TrainingStart } from "../training/train_node.js";
import { boxVolume } from "../volume/box.js";
import { inMemory } from "../volume/memory_volume.js";
import { openVolume } from "../volume/open_node.js";
import { cutRegion, formatRegion, parseRegion } from "../volume/region.js";
import { type Vec3, VolumeError } from "../volume/types.js";
import { editLabels } from "./edits_labels.js";
import { sourceModelOf } from "./source_model.js";

export interface FineTuneOptions {
  /** Goes on being trained. */
  readonly model: ModelPackage;
  /** Whose predictions were corrected. */
  readonly edited: ModelPackage;
  readonly edits: string;
  readonly images: string;
  readonly imagesDataset?: string;
  readonly voxelSize?: Vec3;
  /** Part that was predicted for the log, as if the volume ended there. */
  readonly region?: string;
  readonly window?: readonly [number, number];
  /** Parts in which all was looked at, as regions, or "all". */
  readonly reviewed: readonly string[];
  /** nm around reviewed objects. */
  readonly margin: number;
  /** Smaller predicted objects that nobody corrected are left out. */
  readonly minimumVoxels: number;
  readonly backend: BackendName | "auto";
  /** What to say of labels and conflicts. */
  readonly tell: (line: string) => void;
}

/** A prediction, its labels and what is known of them are in memory at once. */
const MAX_VOXELS = 2 ** 29;

/**
 * Where a fine-tuning starts: the package's network, and labels from a log of corrections over predictions that are made again here. The new package
 * keeps what the old one says of its source.
 * @throws EditLogError, VolumeError, ModelError, or Error when the package cannot be trained on.
 */
export async function fineTuningOf(options: FineTuneOptions): Promise<TrainingStart> {
  const { model } = options;
  const { prior, sourceSummary } = model.config;
  if (prior === null || sourceSummary === undefined)
    throw new ModelError(
      model.id,
      "does not say what its source looks like: add it with `chondria model summarise`",
    );
  const { name } = await selectBackend(options.backend);
  const { weights } = await sourceModelOf(model);
  return {
    weights,
    load: () => loadEdits({ ...options, backend: name }),
    package: async (description, outcome, settings, selected) => {
      const built = buildAttentionUNet({ ...settings.network, dropout: "none" }).model;
      try {
        writeWeights(built, outcome.weights);
        await packageNetwork(
          { ...description, source: model.config.source, strategy: "fine-tuned", target: options.images },
          {
            topology: built.toJSON(null, false) as object,
            weights: built.weights.map((weight, i) => ({
              name: weight.originalName,
              shape: weight.shape as number[],
              data: outcome.weights[i],
            })),
            field: receptiveField(built),
          },
          {
            voxelSize: model.config.voxelSize,
            window: options.window ?? model.config.window,
            prior,
            statistics: sourceSummary,
          },
          { seed: settings.seed, settings: { ...settings, from: model.digest } },
          selected,
        );
      } finally {
        built.dispose();
      }
    },
  };
}

async function loadEdits(options: FineTuneOptions): Promise<TrainingData> {
  const { model, edited, edits, tell } = options;
  const { operations } = await readLogFile(edits);
  const last = lastOf(operations, edits);
  if (last.model !== edited.digest)
    throw new EditLogError(
      `${edits}: corrects the predictions of another model than ${edited.id}: name it with --edits-model`,
    );
  const whole = await openVolume(options.images, {
    voxelSize: options.voxelSize,
    dataset: options.imagesDataset,
  });
  try {
    // Readers give 1 nm to what states nothing, a size that no EM of tissue has.
    if (!options.voxelSize && whole.scales[0].voxelSize.every((edge) => edge === 1))
      throw new VolumeError(
        whole.name,
        "does not say how large a voxel is: give --voxel-size, as in 5,5,5nm",
      );
    const { bounds } = whole.scales[0];
    const box = options.region ? parseRegion(options.region, bounds) : bounds;
    if (boxVolume(box) > MAX_VOXELS)
      throw new VolumeError(
        whole.name,
        `${formatRegion(box)} is too much to learn from at once: give --region`,
      );
    const em = options.region ? cutRegion(whole, box) : whole;
    const geometry = chooseGeometry(em.scales, edited.config.voxelSize);
    const window = options.window ?? defaultWindow(edited.config.window, em.dataType);
    const predicted = await predictRegion(
      edited,
      { em, geometry, window: [window[0], window[1]] },
      { tta: "none", backend: options.backend },
      new AbortController().signal,
    );
    const view = await openVolumeView(predicted, {
      kind: "probability",
      settings: { ...last.settings, minimumVoxels: options.minimumVoxels },
    });
    const replay = await Replay.of(view, operations);
    for (const { message } of replay.conflicts()) tell(`conflict: ${message}`);
    const { labels, known } = editLabels(replay.corrections, view, box, {
      margin: options.margin,
      reviewed: options.reviewed.map((text) => (text === "all" ? box : parseRegion(text, bounds))),
    });
    const [found, sure] = [labels, known].map((values) => values.reduce((sum, value) => sum + value, 0));
    const share = (part: number) => `${((100 * part) / labels.length).toFixed(1)} %`;
    tell(
      `${operations.length} edits: ${share(sure)} of the voxels are known, ${share(found)} are mitochondria`,
    );
    if (sure === 0)
      throw new EditLogError(`${edits}: nothing in ${formatRegion(box)} was accepted, corrected or deleted`);
    const size = em.scales[0].voxelSize;
    const factor = averagingFactor(size, model.config.voxelSize[0]);
    const all = await loadSlices(em, inMemory(predicted, labels), {
      box,
      factor,
      window: [window[0], window[1]],
      known: inMemory(predicted, known),
    });
    return {
      all,
      train: withKnown(all),
      validation: { ...all, em: [], labels: [], known: [] },
      voxelSize: [size[0] * factor[0], size[1] * factor[1], size[2]],
    };
  } finally {
    await whole.close?.();
  }
}

/** Only slices in which something is known. */
function withKnown(slices: Slices): Slices {
  const chosen = slices.em.flatMap((_, i) => (slices.known?.[i].includes(255) ? [i] : []));
  const pick = (images: readonly Uint8Array[]) => chosen.map((i) => images[i]);
  return {
    ...slices,
    em: pick(slices.em),
    labels: pick(slices.labels),
    known: slices.known && pick(slices.known),
  };
}

function lastOf(operations: readonly Operation[], path: string): Operation {
  const last = operations.at(-1);
  if (last === undefined) throw new EditLogError(`${path}: has no edits to learn from`);
  return last;
}
