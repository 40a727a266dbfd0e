import type { ChunkComparison } from "../../src/evaluation/compare_chunk.js";
import type { LabelSettings } from "../../src/segmentation/types.js";
import type { Box, Vec3 } from "../../src/volume/types.js";

/** What the page and the chunk worker say to each other of a comparison of models; see `protocol.ts`. */

/** A source that compares: one for each data source of a layer, as its settings are its own. */
export class AgreementParameters {
  static RPC_ID = "chondria/Agreement";
  instance!: number;
  /** In the order of the categories. */
  models!: readonly string[];
  overviews!: readonly Vec3[];
}

/** A coarser scale that shows what was compared and never computes. */
export class AgreementOverviewParameters {
  static RPC_ID = "chondria/AgreementOverview";
  level!: number;
}

/** Page -> chunk worker: what each model's layer does with its probability. */
export const SET_COMPARED = "chondria/setCompared";
export interface SetCompared {
  readonly id: number;
  readonly settings: readonly LabelSettings[];
}

/** How voxels of the compared scale lie in a segmentation's chunks; axes of each are parallel. */
export interface ReferencePlacement {
  /** Chunk axis of the reference that runs along x, y, z. */
  readonly dims: Vec3;
  /** Reference voxel at the middle of voxel v: floor(scale * (v + 0.5) + offset). */
  readonly scale: Vec3;
  readonly offset: Vec3;
}

/** Page -> chunk worker: the segmentation that models are scored against, or none. */
export const SET_REFERENCE = "chondria/setReference";
export interface SetReference {
  readonly id: number;
  readonly reference?: ReferencePlacement & {
    /** Of its layer, for messages. */
    readonly name: string;
    readonly source: { readonly id: number; readonly gen: number };
  };
}

/** What came of comparing one chunk. */
export interface AgreementReport {
  /** As in a ChunkReport of the compared layers: they have the same chunks. */
  readonly key: string;
  readonly box: Box;
  /** Absent when the chunk could not be compared; `error` says why. */
  readonly comparison?: ChunkComparison;
  readonly error?: string;
  /** Why there is no reference in it although one is named. */
  readonly referenceError?: string;
}

/** Chunk worker -> page: reports, several at a time, and what is visible when that has changed. */
export const AGREEMENT_REPORTS = "chondria/agreementReports";
export interface AgreementReports {
  readonly id: number;
  readonly reports: readonly AgreementReport[];
  /** Chunks whose counts are of older settings and cannot be had without computing. */
  readonly gone: readonly string[];
  readonly visible?: readonly string[];
}
