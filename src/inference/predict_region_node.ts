import { selectBackend } from "../kernels/backend_node.js";
import type { ModelPackage } from "../model/types.js";
import { boxVolume } from "../volume/box.js";
import { inMemory } from "../volume/memory_volume.js";
import { VolumeError, type VolumeSource } from "../volume/types.js";
import { predictedVolume } from "./predicted_volume.js";
import { createPredictor } from "./predictor.js";
import type { BackendName, InferenceGeometry, IntensityWindow, TestTimeAugmentation } from "./types.js";

export interface PredictedInput {
  readonly em: VolumeSource;
  readonly geometry: InferenceGeometry;
  readonly window: IntensityWindow;
}

/** Predicts all of a volume into memory, on its finest scale. @throws VolumeError, AbortError, and what the network throws. */
export async function predictRegion(
  model: ModelPackage,
  { em, geometry, window }: PredictedInput,
  { tta, backend }: { readonly tta: TestTimeAugmentation; readonly backend: BackendName | "auto" },
  signal: AbortSignal,
  onProgress: (part: number) => void = () => undefined,
): Promise<VolumeSource> {
  if (geometry.scale !== 0)
    throw new VolumeError(
      em.name,
      "is predicted on a coarser scale than its finest one: give EM of about the model's voxel size",
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
