import { predictedVolume } from "../inference/predicted_volume.js";
import { createPredictor } from "../inference/predictor.js";
import type {
  BackendName,
  InferenceGeometry,
  IntensityWindow,
  TestTimeAugmentation,
} from "../inference/types.js";
import { selectBackend } from "../kernels/backend_node.js";
import type { ModelPackage } from "../model/types.js";
import { labelMask } from "../segmentation/label.js";
import { boxSize, boxVolume, contains } from "../volume/box.js";
import { copyBox } from "../volume/copy_box.js";
import { openVolume } from "../volume/open_node.js";
import { formatRegion } from "../volume/region.js";
import { type Vec3, VolumeError, type VolumeSource } from "../volume/types.js";
import { Truth } from "./simulate_score.js";

export interface SimulationInput {
  readonly em: VolumeSource;
  readonly geometry: InferenceGeometry;
  readonly window: IntensityWindow;
}

/** Predicts all of a volume into memory, on its finest scale. @throws VolumeError, AbortError, and what the network throws. */
export async function predictRegion(
  model: ModelPackage,
  { em, geometry, window }: SimulationInput,
  { tta, backend }: { readonly tta: TestTimeAugmentation; readonly backend: BackendName | "auto" },
  signal: AbortSignal,
  onProgress: (part: number) => void = () => undefined,
): Promise<VolumeSource> {
  if (geometry.scale !== 0)
    throw new VolumeError(
      em.name,
      "is predicted on a coarser scale than its truth: give EM of about the model's voxel size",
    );
  const { name } = await selectBackend(backend);
  const predictor = await createPredictor(model, name);
  const [{ bounds }] = em.scales;
  let done = 0;
  const predicted = predictedVolume(em, {
    name: `${em.name} predicted by ${model.id}`,
    geometry,
    field: model.config.field,
    window,
    tta,
    predict: (request, options) => predictor.predict(request, options),
    onPart: (voxels) => {
      done += voxels;
      onProgress(done / boxVolume(bounds));
    },
  });
  try {
    return inMemory(predicted, (await predicted.read(0, bounds, { signal })) as Uint8Array);
  } finally {
    predictor.dispose();
  }
}

/** A volume whose finest scale is at hand. @param values all of it. */
export function inMemory(source: VolumeSource, values: Uint8Array): VolumeSource {
  const [scale] = source.scales;
  const size = boxSize(scale.bounds);
  return {
    name: source.name,
    dataType: "uint8",
    scales: [scale],
    async read(_scale, box) {
      if (!contains(scale.bounds, box))
        throw new VolumeError(source.name, `has no voxels ${formatRegion(box)}`);
      const from = box.lower.map((lower, i) => lower - scale.bounds.lower[i]) as unknown as Vec3;
      return copyBox(values, size, from, new Uint8Array(boxVolume(box)), boxSize(box), [0, 0, 0]);
    },
  };
}

/** Truth of the voxels of a volume: its objects are the 26-connected parts of what is above 0. @throws VolumeError */
export async function readTruth(
  path: string,
  of: VolumeSource,
  dataset?: string,
  signal?: AbortSignal,
): Promise<Truth> {
  const [{ bounds, voxelSize }] = of.scales;
  const labels = await openVolume(path, { voxelSize, dataset });
  try {
    if (!contains(labels.scales[0].bounds, bounds))
      throw new VolumeError(
        path,
        `has voxels ${formatRegion(labels.scales[0].bounds)}, but ${formatRegion(bounds)} are predicted: give the labels of that EM`,
      );
    const values = await labels.read(0, bounds, { signal });
    const mask = new Uint8Array(values.length);
    for (let i = 0; i < mask.length; ++i) mask[i] = values[i] ? 1 : 0;
    return new Truth(labelMask(mask, boxSize(bounds), 26), bounds);
  } finally {
    await labels.close?.();
  }
}
