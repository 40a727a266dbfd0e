import type { LabelSettings } from "../../src/segmentation/types.js";

/** Page -> chunk worker: serve `ExportSourceApi` of a source on the port, whose other end an export worker has. */
export const SERVE_EXPORT = "chondria/serveExport";
export interface ServeExport {
  readonly id: number;
  readonly port: MessagePort;
  /** The labels' settings while the export runs. */
  readonly settings: LabelSettings;
}
