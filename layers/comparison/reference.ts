import type { ManagedUserLayer } from "neuroglancer/unstable/layer/index.js";
import { getRenderLayerTransform } from "neuroglancer/unstable/render_coordinate_transform.js";
import { DataType } from "neuroglancer/unstable/sliceview/volume/base.js";
import {
  MultiscaleVolumeChunkSource,
  type VolumeChunkSource,
} from "neuroglancer/unstable/sliceview/volume/frontend.js";
import type { Viewer } from "neuroglancer/unstable/viewer.js";
import type { Vec3 } from "../../src/volume/types.js";
import type { Reference } from "../mito/agreement.js";
import { canonicalOptions } from "../mito/frontend.js";
import { MitoUserLayer } from "../mito_layer/layer.js";
import { affineOf, type Placement } from "../mito_layer/region.js";
import { alignAxes } from "./align.js";

/** A layer that cannot be the reference; says why. */
export class UnusableReference extends Error {
  override name = "UnusableReference";
}

const LABELS = new Set([DataType.UINT8, DataType.UINT16, DataType.UINT32, DataType.UINT64]);

/** Layers that models can be scored against: segmentations that are no prediction. */
export function referenceLayers(viewer: Viewer): ManagedUserLayer[] {
  return viewer.layerManager.managedLayers.filter(
    ({ layer }) => layer !== null && layer.type === "segmentation" && !(layer instanceof MitoUserLayer),
  );
}

/** A reference with the chunk sources that it holds. */
export interface PlacedReference {
  readonly reference: Reference;
  /** Of everything that the placement depends on: another one is needed when it changes. */
  readonly key: string;
  dispose(): void;
}

/**
 * Places a segmentation layer's voxels over those of a prediction. Of its scales, the one is read whose voxels are nearest in size.
 * @returns undefined while it loads.
 * @throws UnusableReference when it has no volume of labels, or does not lie along the prediction's axes.
 */
export function placeReference(managed: ManagedUserLayer, predicted: Placement): PlacedReference | undefined {
  const { layer, name } = managed;
  if (layer === null) return undefined;
  const loaded = layer.dataSources.flatMap(({ loadState }) =>
    loadState === undefined || loadState.error !== undefined ? [] : [loadState],
  );
  if (loaded.length === 0) return undefined;
  for (const source of loaded)
    for (const { subsourceEntry } of source.subsources) {
      const { volume } = subsourceEntry.subsource;
      if (!(volume instanceof MultiscaleVolumeChunkSource)) continue;
      const transform = getRenderLayerTransform(
        layer.manager.root.coordinateSpace.value,
        layer.localPosition.coordinateSpace.value,
        source.transform.value,
        undefined,
      );
      if (transform.error !== undefined) throw new UnusableReference(`“${name}”: ${transform.error}`);
      return chooseScale(
        name,
        volume,
        {
          modelToLayer: transform.modelToRenderLayerTransform,
          rank: transform.rank,
          viewToLayer: transform.globalToRenderLayerDimensions,
          names: predicted.names,
        },
        predicted,
      );
    }
  throw new UnusableReference(`“${name}” has no volume of labels: choose another layer`);
}

function chooseScale(
  name: string,
  volume: MultiscaleVolumeChunkSource,
  place: Omit<Placement, "voxelToModel">,
  predicted: Placement,
): PlacedReference {
  if (volume.rank !== 3 || !LABELS.has(volume.dataType))
    throw new UnusableReference(`“${name}” must be labels of whole numbers along three axes`);
  const [scales, ...others] = volume.getSources(canonicalOptions(3));
  for (const list of others) for (const { chunkSource } of list) chunkSource.dispose();
  let best: { source: VolumeChunkSource; aligned: ReturnType<typeof alignAxes>; off: number } | undefined;
  try {
    const ours = affineOf(predicted);
    for (const { chunkSource, chunkToMultiscaleTransform } of scales) {
      const theirs = affineOf({ ...place, voxelToModel: Array.from(chunkToMultiscaleTransform) });
      const aligned = alignAxes(ours, theirs);
      const off = aligned.scale.reduce((sum, scale) => sum + Math.abs(Math.log(Math.abs(scale))), 0);
      if (best === undefined || off < best.off - 1e-6) best = { source: chunkSource, aligned, off };
    }
  } catch (error) {
    for (const { chunkSource } of scales) chunkSource.dispose();
    throw new UnusableReference(`“${name}”: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (best === undefined) throw new UnusableReference(`“${name}” has no scale`);
  const { source, aligned } = best;
  for (const { chunkSource } of scales) if (chunkSource !== source) chunkSource.dispose();
  const { dims, scale, offset } = aligned;
  return {
    reference: { name, source, dims: dims as Vec3, scale: scale as Vec3, offset: offset as Vec3 },
    key: JSON.stringify([name, source.rpcId, aligned]),
    dispose: () => source.dispose(),
  };
}
