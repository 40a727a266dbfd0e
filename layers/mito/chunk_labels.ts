import type { LabelSettings } from "../../src/segmentation/types.js";
import { boxSize } from "../../src/volume/box.js";
import type { Box } from "../../src/volume/types.js";
import type { AnalysisResult } from "../../workers/analyse.js";
import { openFaces } from "../../workers/open_faces.js";
import type { PredictedChunk, PredictedChunks } from "./predicted_chunks.js";
import type { LabelsParameters } from "./protocol.js";
import { analysis } from "./services.js";

/** How long labels wait for the EM under them, ms: EM that was just predicted on is at hand, that of a stored chunk need not be. */
const EM_PATIENCE = { computed: 2_000, stored: 500 };

/** Has the chunks of a source labelled, with the EM under them where that can be had: nothing but the objects' intensity needs it. */
export class ChunkLabels {
  constructor(
    private readonly predicted: PredictedChunks,
    private readonly parameters: LabelsParameters,
  ) {}

  /**
   * @param id Of the call; a newer one takes its place.
   * @param wantEm Whether the intensity is not known yet.
   * @throws what the analysis throws; AbortError.
   */
  async ofPredicted(
    id: string,
    box: Box,
    { probability, origin }: PredictedChunk,
    settings: () => LabelSettings,
    wantEm: boolean,
    signal: AbortSignal,
  ): Promise<{ result: AnalysisResult; settings: LabelSettings }> {
    const patience = origin === "computed" ? EM_PATIENCE.computed : EM_PATIENCE.stored;
    const em = wantEm
      ? await this.em(box, AbortSignal.any([signal, AbortSignal.timeout(patience)]))
      : undefined;
    signal.throwIfAborted();
    const now = settings();
    return { result: await this.label(id, box, probability, now, em, signal), settings: now };
  }

  /**
   * Labels from the stored probability; undefined when that is gone.
   * @throws as `ofPredicted`.
   */
  async ofStored(
    id: string,
    box: Box,
    settings: LabelSettings,
    signal: AbortSignal,
  ): Promise<AnalysisResult | undefined> {
    const probability = await this.predicted.known(box);
    if (probability === undefined) return undefined;
    // Only when that costs nothing: there may be thousands of chunks.
    const em = this.predicted.isGathered(box) ? await this.em(box, signal) : undefined;
    return this.label(id, box, probability, settings, em, signal);
  }

  private async label(
    id: string,
    box: Box,
    probability: Uint8Array,
    settings: LabelSettings,
    em: Uint8Array | Uint16Array | undefined,
    signal: AbortSignal,
  ): Promise<AnalysisResult> {
    const { sliceAxis, bounds } = this.parameters.geometry;
    const open = openFaces(box, bounds);
    const request = { probability, size: boxSize(box), sliceAxis, settings, open, ...(em && { em }) };
    const result = await analysis().label(id, request);
    signal.throwIfAborted();
    return result;
  }

  private em(box: Box, signal: AbortSignal): Promise<Uint8Array | Uint16Array | undefined> {
    return this.predicted.gather(box, signal).catch(() => undefined);
  }
}
