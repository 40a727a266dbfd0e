import { objectMesh } from "../src/mesh/object_mesh.js";
import type { ObjectMesh } from "../src/mesh/types.js";
import { measurePieces } from "../src/morphology/additive.js";
import { measureObject } from "../src/morphology/object_properties.js";
import type { MeasureFrame, PieceMeasures } from "../src/morphology/object_types.js";
import type { SliceAxis } from "../src/morphology/regions.js";
import { summariseRuns } from "../src/morphology/summary.js";
import type { MorphologySummary } from "../src/morphology/types.js";
import { labelRuns, thresholdByte } from "../src/segmentation/label.js";
import type { LabelRuns, LabelSettings, PlacedRuns } from "../src/segmentation/types.js";
import type { Vec3 } from "../src/volume/types.js";
import { keepLabels } from "./keep_labels.js";
import { largerElsewhere, type OpenFaces } from "./open_faces.js";

export interface AnalysisRequest {
  /** round(255 p) of each voxel, x fastest. */
  readonly probability: Uint8Array;
  readonly size: Vec3;
  readonly sliceAxis: SliceAxis;
  readonly settings: LabelSettings;
  /** Faces behind which there is another chunk; none when absent. */
  readonly open?: OpenFaces;
  /** Raw EM of the same voxels, where it is at hand. */
  readonly em?: Uint8Array | Uint16Array;
}

export interface AnalysisResult {
  /** All connected components, also the smallest: a small piece may belong to a large object. */
  readonly runs: LabelRuns;
  /** Sums of each label, with those of the intensity where EM was given. */
  readonly measures: PieceMeasures;
  /**
   * Of the chunk alone, without pieces of fewer voxels than `minimumVoxels` that no neighbour can add to. Pieces at a face towards another
   * chunk count whatever their size: so the figure does not depend on which neighbours are there.
   */
  readonly summary: MorphologySummary;
  readonly milliseconds: number;
}

export interface MeasureRequest {
  /** All pieces of the object. */
  readonly pieces: readonly PlacedRuns[];
  readonly frame: MeasureFrame;
}

export interface MeshRequest {
  readonly pieces: readonly PlacedRuns[];
  /** nm, x y z. */
  readonly voxelSize: Vec3;
}

/** What a port to the analysis worker offers. Ids belong to the port. */
export interface AnalysisApi {
  /**
   * Labels a chunk and measures it. A newer call with the same id takes the place of one that still waits, as when a
   * threshold is dragged: the older one is rejected with an AbortError.
   * @throws TypeError or RangeError when the request does not fit together.
   */
  label(id: string, request: AnalysisRequest): Promise<AnalysisResult>;
  /**
   * Measures a whole object: one value for each of OBJECT_COLUMN_IDS, NaN in those of the intensity.
   * @throws RangeError when it is too large or its pieces do not fit.
   */
  measure(id: string, request: MeasureRequest): Promise<Float64Array>;
  /** The surface of a whole object, in voxels of the volume. @throws RangeError when its pieces do not fit. */
  mesh(id: string, request: MeshRequest): Promise<ObjectMesh>;
  /** Rejects the call with this id, if it still waits, with an AbortError. */
  cancel(id: string): void;
}

/** Binarises, labels and measures one chunk. */
export function analyse({
  probability,
  size,
  sliceAxis,
  settings,
  open,
  em,
}: AnalysisRequest): AnalysisResult {
  const start = performance.now();
  if (!(probability instanceof Uint8Array))
    throw new TypeError("the probability of a chunk must be a Uint8Array");
  if (sliceAxis !== 0 && sliceAxis !== 1 && sliceAxis !== 2) {
    throw new RangeError(`slices are across axis 0, 1 or 2, not ${sliceAxis}`);
  }
  const { threshold, connectivity, minimumVoxels } = settings;
  if (Number.isNaN(minimumVoxels)) throw new RangeError("the smallest object is not a number");
  const runs = labelRuns(probability, size, thresholdByte(threshold), connectivity);
  const measures = measurePieces(runs, em && { data: em });
  const counted = keepLabels(runs, (label) => largerElsewhere(measures, label, size, minimumVoxels, open));
  const summary = summariseRuns(counted, { sliceAxis });
  return { runs, measures, summary, milliseconds: performance.now() - start };
}

/** Wraps a result on its way out: what is to be transferred and not copied. */
export type Deliver = <Result extends object>(result: Result, transfer: readonly ArrayBufferLike[]) => Result;

/**
 * An `AnalysisApi` for one port. Each call waits one turn of the event loop before it computes, so that messages
 * that have arrived already (a newer call, a cancel) are seen first.
 */
export function createAnalysis(deliver: Deliver): AnalysisApi {
  const waiting = new Map<string, symbol>();
  const turn = async (id: string) => {
    const call = Symbol(id);
    waiting.set(id, call);
    await nextTurn();
    if (waiting.get(id) !== call)
      throw new DOMException(`the analysis of ${id} is no longer wanted`, "AbortError");
    waiting.delete(id);
  };
  return {
    async label(id, request) {
      await turn(id);
      const result = analyse(request);
      const { rows, starts, ends, labels } = result.runs;
      const arrays = [rows, starts, ends, labels, result.measures.values];
      return deliver(
        result,
        arrays.map(({ buffer }) => buffer),
      );
    },
    async measure(id, { pieces, frame }) {
      await turn(id);
      const values = measureObject(pieces, frame);
      return deliver(values, [values.buffer]);
    },
    async mesh(id, { pieces, voxelSize }) {
      await turn(id);
      const mesh = objectMesh(pieces, { voxelSize });
      return deliver(mesh, [mesh.positions.buffer, mesh.indices.buffer]);
    },
    cancel(id) {
      waiting.delete(id);
    },
  };
}

/** Resolves after the messages that wait now; setTimeout would be held up to 4 ms. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}
