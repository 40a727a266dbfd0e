import { makeDataBoundsBoundingBoxAnnotationSet } from "neuroglancer/unstable/annotation/index.js";
import {
  type CoordinateSpace,
  type CoordinateSpaceTransform,
  emptyValidCoordinateSpace,
  makeCoordinateSpace,
  makeIdentityTransform,
} from "neuroglancer/unstable/coordinate_transform.js";
import type { DataSource, DataSourceRegistry } from "neuroglancer/unstable/datasource/index.js";
import { DataType } from "neuroglancer/unstable/sliceview/volume/base.js";
import type { MultiscaleVolumeChunkSource } from "neuroglancer/unstable/sliceview/volume/frontend.js";
import { WatchableValue } from "neuroglancer/unstable/trackable_value.js";
import type { ProgressOptions } from "neuroglancer/unstable/util/progress_listener.js";
import { chooseGeometry } from "../../src/inference/geometry.js";
import type { InferenceGeometry, IntensityWindow } from "../../src/inference/types.js";
import { sha256 } from "../../src/model/limits.js";
import { type Vec3, VolumeError } from "../../src/volume/types.js";
import type { MitoModel, MitoQuery } from "./base.js";
import { emScales, MitoState } from "./frontend.js";
import { inferenceService } from "./inference_service.js";
import { layOut, overviewFactors, type SourceLayout } from "./layout.js";
import { ObjectMeshSource } from "./meshes.js";
import { findModel } from "./models.js";
import { LabelsParameters, MeshParameters } from "./protocol.js";
import { MitoUrlError } from "./url.js";

/** Display chunk, in voxels of the predicted scale: in the plane of the slices, and across. */
const CHUNK_PLANE = 256;
const CHUNK_SLICES = 8;
/** There are ids for the objects of so many chunks (see ChunkGrid). */
const MOST_CHUNKS = 2 ** 33;

let instances = 0;

/**
 * Opens a prediction over any source that Neuroglancer reads.
 * @param innerUrl The EM volume, as one would open it by itself.
 * @param url The whole URL, for the state.
 * @throws Error that names the input: no volume, wrong type or axes, no such model, voxel sizes that do not fit.
 */
export async function openMito(
  registry: DataSourceRegistry,
  innerUrl: string,
  query: MitoQuery,
  url: string,
  options: Partial<ProgressOptions>,
): Promise<DataSource> {
  const [inner, { model, url: modelUrl }] = await Promise.all([
    registry.get({
      url: innerUrl,
      transform: undefined,
      globalCoordinateSpace: new WatchableValue(emptyValidCoordinateSpace),
      ...options,
    }),
    findModel(query.model, options.signal),
  ]);
  const entry = inner.subsources.find(({ subsource }) => subsource.volume !== undefined);
  const em = entry?.subsource.volume;
  if (entry === undefined || em === undefined)
    throw new VolumeError(innerUrl, "has no volume to segment: give the source of an EM image");
  if (
    entry.subsourceToModelSubspaceTransform !== undefined ||
    entry.modelSubspaceDimensionIndices !== undefined
  )
    throw new VolumeError(
      innerUrl,
      "lies in a part of its model space only: not supported as input of a prediction",
    );
  const bytesPerVoxel = bytesOf(em, innerUrl);
  const { inputSpace } = inner.modelTransform;
  let layout: SourceLayout;
  let geometry: InferenceGeometry;
  try {
    layout = layOutVolume(em, inputSpace, query.channel);
    geometry = chooseGeometry(layout.scales, model.config.voxelSize);
  } catch (error) {
    throw new VolumeError(innerUrl, error instanceof Error ? error.message : String(error), { cause: error });
  }
  const scale = layout.scales[geometry.scale];
  const window = chooseWindow(query, model, bytesPerVoxel);
  const modelTransform = keepDims(inner.modelTransform, layout.keptDims);
  const space = modelTransform.inputSpace;
  const chunkSize = chooseChunk(query, geometry);
  const identity = {
    model: model.digest,
    volume: inner.canonicalUrl ?? innerUrl,
    channel: query.channel ?? null,
    geometry,
    voxelSize: scale.voxelSize,
    window,
    tta: query.tta,
  };
  const instance = instances++;
  const parameters = Object.assign(new LabelsParameters(), {
    instance,
    model: { id: model.id, url: modelUrl, digest: model.digest },
    field: model.config.field,
    geometry,
    window,
    tta: query.tta,
    storeKey: await sha256(new TextEncoder().encode(JSON.stringify(identity))),
    innerUrl,
    chunkDims: scale.chunkDims,
    fixed: scale.fixed,
    bytesPerVoxel,
    overviews: overviewFactors(scale.voxelSize, scale.bounds),
    voxelSize: scale.voxelSize,
  });
  const service = inferenceService(registry.chunkManager.rpc!);
  const mito = new MitoState({
    url,
    innerUrl,
    query,
    model,
    geometry,
    voxelSize: scale.voxelSize,
    modelNames: space.names,
    modelScales: Array.from(space.scales),
    modelUnits: space.units,
    window,
    em,
    layout: scale,
    parameters,
    chunkSize,
    status: service.status,
    restart: () => service.supervisor.retry(),
  });
  const mesh = registry.chunkManager.getChunkSource(ObjectMeshSource, {
    parameters: Object.assign(new MeshParameters(), { instance }),
  });
  return {
    modelTransform,
    canonicalUrl: url,
    subsources: [
      { id: "default", default: true, subsource: { volume: mito.segmentation } },
      {
        id: "mesh",
        default: true,
        subsource: { mesh },
        subsourceToModelSubspaceTransform: Float32Array.from(scale.transform),
      },
      {
        id: "bounds",
        default: true,
        subsource: { staticAnnotations: makeDataBoundsBoundingBoxAnnotationSet(space.bounds) },
      },
    ],
  };
}

function bytesOf(em: MultiscaleVolumeChunkSource, innerUrl: string): 1 | 2 {
  if (em.dataType === DataType.UINT8) return 1;
  if (em.dataType === DataType.UINT16) return 2;
  throw new VolumeError(
    innerUrl,
    `has ${DataType[em.dataType].toLowerCase()} voxels: a prediction needs EM of uint8 or uint16; convert it, or choose another volume`,
  );
}

function layOutVolume(em: MultiscaleVolumeChunkSource, space: CoordinateSpace, channel: number | undefined) {
  const sources = emScales(em);
  try {
    const scales = sources.map(({ chunkSource: { spec }, chunkToMultiscaleTransform }) => ({
      transform: chunkToMultiscaleTransform,
      lower: spec.lowerVoxelBound,
      upper: spec.upperVoxelBound,
    }));
    return layOut(space, scales, channel);
  } finally {
    for (const { chunkSource } of sources) chunkSource.dispose();
  }
}

function chooseWindow({ window }: MitoQuery, { config }: MitoModel, bytesPerVoxel: 1 | 2): IntensityWindow {
  return window ?? (bytesPerVoxel === 1 ? config.window : [0, 65535]);
}

/** 256 x 256 x 8 in the orientation of the slices, or what the URL asks for, no larger than the volume. */
function chooseChunk({ chunk }: MitoQuery, { sliceAxis, bounds }: InferenceGeometry): Vec3 {
  const wanted = chunk ?? [0, 1, 2].map((axis) => (axis === sliceAxis ? CHUNK_SLICES : CHUNK_PLANE));
  const size = wanted.map((w, axis) => Math.min(w, bounds.upper[axis]));
  if (size.some((s) => s < 1)) throw new MitoUrlError("the volume is empty");
  const count = size.reduce((product, s, axis) => product * Math.ceil(bounds.upper[axis] / s), 1);
  if (count > MOST_CHUNKS)
    throw new MitoUrlError(
      `chunks of ${size.join(" x ")} voxels are too small for this volume: leave chunk out, or enlarge it`,
    );
  return size as unknown as Vec3;
}

/** The three spatial dimensions of a transform; the others are the channel that was chosen. */
function keepDims(transform: CoordinateSpaceTransform, dims: readonly number[]): CoordinateSpaceTransform {
  if (transform.inputSpace.rank === dims.length) return transform;
  const keep = ({ names, units, scales, bounds }: CoordinateSpace): CoordinateSpace => {
    const pick = (values: ArrayLike<number>) => Float64Array.from(dims, (dim) => values[dim]);
    const box = { lowerBounds: pick(bounds.lowerBounds), upperBounds: pick(bounds.upperBounds) };
    const identity = new Float64Array(12);
    for (let i = 0; i < 3; i++) identity[i * 3 + i] = 1;
    return makeCoordinateSpace({
      names: dims.map((dim) => names[dim]),
      units: dims.map((dim) => units[dim]),
      scales: pick(scales),
      boundingBoxes: [{ box, transform: identity }],
    });
  };
  const { rank } = transform.inputSpace;
  const matrix = new Float64Array(16);
  matrix[15] = 1;
  const rowOf = (dim: number) => (dim === dims.length ? rank : dims[dim]);
  for (let column = 0; column <= 3; column++)
    for (let row = 0; row < 3; row++)
      matrix[column * 4 + row] = transform.transform[rowOf(column) * (rank + 1) + rowOf(row)];
  return {
    ...makeIdentityTransform(keep(transform.inputSpace)),
    outputSpace: keep(transform.outputSpace),
    transform: matrix,
  };
}
