import { join } from "node:path";
import { writeWhole } from "../volume/ome_zarr_write_node.js";
import type { Bytes, ExportSink } from "./types.js";

/** Files below a folder; folders are made as needed. Each is written under a temporary name and renamed. */
export class FolderSink implements ExportSink {
  constructor(readonly name: string) {}

  async write(path: string, parts: readonly Bytes[]): Promise<void> {
    await writeWhole(
      join(this.name, ...path.split("/")),
      parts.length === 1 ? parts[0] : Buffer.concat(parts),
    );
  }
}
