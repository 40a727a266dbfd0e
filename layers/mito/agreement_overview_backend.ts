import { WithParameters } from "neuroglancer/unstable/chunk_manager/backend.js";
import { type VolumeChunk, VolumeChunkSource } from "neuroglancer/unstable/sliceview/volume/backend.js";
import { type RPC, registerSharedObject } from "neuroglancer/unstable/worker_rpc.js";
import { boxVolume } from "../../src/volume/box.js";
import type { Box, Vec3 } from "../../src/volume/types.js";
import type { AgreementSource } from "./agreement_backend.js";
import { AgreementOverviewParameters } from "./agreement_protocol.js";
import { isFinished, replaceData } from "./chunk_state.js";
import { sampledBox } from "./thumbnails.js";

/** How long finished chunks are collected before overviews are drawn again, ms. */
const REFRESH_INTERVAL = 300;

/** A coarser scale of an agreement volume: draws what was compared, and computes nothing. */
export class AgreementOverviewSource extends WithParameters(VolumeChunkSource, AgreementOverviewParameters) {
  private readonly agreement: AgreementSource;
  /** A box of the overview that has changed, not drawn yet. */
  private stale: Box[] = [];
  private timer: ReturnType<typeof setTimeout> | undefined;

  // biome-ignore lint/suspicious/noExplicitAny: the base class takes what the frontend sent.
  constructor(rpc: RPC, options: any) {
    super(rpc, options);
    const { agreement } = options as { agreement: { id: number; gen: number } };
    this.agreement = this.registerDisposer(rpc.getRef<AgreementSource>(agreement));
    this.agreement.overviews.add(this);
    this.registerDisposer(() => {
      this.agreement.overviews.delete(this);
      clearTimeout(this.timer);
    });
  }

  override async download(chunk: VolumeChunk): Promise<void> {
    chunk.data = this.draw(this.boxOf(chunk));
  }

  /** A box of the compared scale changed: draws the chunks that show it again, soon. */
  touch(box: Box): void {
    if (this.chunks.size === 0) return;
    const mine = sampledBox(box, this.agreement.parameters.overviews[this.parameters.level]);
    if (mine === undefined) return;
    this.stale.push(mine);
    this.timer ??= setTimeout(() => this.refresh(), REFRESH_INTERVAL);
  }

  private refresh(): void {
    const { stale } = this;
    this.stale = [];
    this.timer = undefined;
    for (const chunk of this.chunks.values() as Iterable<VolumeChunk>) {
      if (!isFinished(chunk)) continue;
      const box = this.boxOf(chunk);
      const meets = ({ lower, upper }: Box) =>
        lower.every((l, i) => l < box.upper[i] && upper[i] > box.lower[i]);
      if (stale.some(meets)) replaceData(this, chunk, this.draw(box));
    }
  }

  private boxOf(chunk: VolumeChunk): Box {
    const lower = Array.from(this.computeChunkBounds(chunk)) as unknown as Vec3;
    const size = chunk.chunkDataSize!;
    return { lower, upper: lower.map((l, i) => l + size[i]) as unknown as Vec3 };
  }

  private draw(box: Box): Uint8Array<ArrayBuffer> | null {
    const values = new Uint8Array(boxVolume(box));
    const { level } = this.parameters;
    return this.agreement.thumbnails.draw(level, box, values, (_, category) => category) ? values : null;
  }
}
registerSharedObject()(AgreementOverviewSource);
