import type { SliceAxis } from "../src/morphology/regions.js";
import { summarise } from "../src/morphology/summary.js";
import type { MorphologySummary } from "../src/morphology/types.js";
import { labelProbability } from "../src/segmentation/label.js";
import type { LabelSettings } from "../src/segmentation/types.js";
import type { Vec3 } from "../src/volume/types.js";

export interface AnalysisRequest {
  /** round(255 p) of each voxel, x fastest. */
  readonly probability: Uint8Array;
  readonly size: Vec3;
  readonly sliceAxis: SliceAxis;
  readonly settings: LabelSettings;
}

export interface AnalysisResult {
  /** 0 = background, 1..count = objects, x fastest. */
  readonly labels: Uint32Array;
  readonly count: number;
  readonly summary: MorphologySummary;
  readonly milliseconds: number;
}

/** What a port to the analysis worker offers. */
export interface AnalysisApi {
  /**
   * Labels a chunk and measures it. A newer call with the same id takes the place of one that still waits, as when a
   * threshold is dragged: the older one is rejected with an AbortError. Ids belong to the port.
   * @throws TypeError or RangeError when the request does not fit together.
   */
  label(id: string, request: AnalysisRequest): Promise<AnalysisResult>;
  /** Rejects the call with this id, if it still waits, with an AbortError. */
  cancel(id: string): void;
}

/** Binarises, labels and measures one chunk. */
export function analyse({ probability, size, sliceAxis, settings }: AnalysisRequest): AnalysisResult {
  const start = performance.now();
  if (!(probability instanceof Uint8Array))
    throw new TypeError("the probability of a chunk must be a Uint8Array");
  if (sliceAxis !== 0 && sliceAxis !== 1 && sliceAxis !== 2) {
    throw new RangeError(`slices are across axis 0, 1 or 2, not ${sliceAxis}`);
  }
  const labelling = labelProbability(probability, size, settings);
  const summary = summarise(labelling, { sliceAxis });
  return {
    labels: labelling.labels,
    count: labelling.count,
    summary,
    milliseconds: performance.now() - start,
  };
}

/**
 * An `AnalysisApi` for one port. Each call waits one turn of the event loop before it computes, so that messages
 * that have arrived already (a newer call, a cancel) are seen first.
 * @param deliver wraps a result on its way out (transfer of its buffer).
 */
export function createAnalysis(deliver: (result: AnalysisResult) => AnalysisResult): AnalysisApi {
  const waiting = new Map<string, symbol>();
  return {
    async label(id, request) {
      const call = Symbol(id);
      waiting.set(id, call);
      await nextTurn();
      if (waiting.get(id) !== call) {
        throw new DOMException(`the analysis of ${id} is no longer wanted`, "AbortError");
      }
      waiting.delete(id);
      return deliver(analyse(request));
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
