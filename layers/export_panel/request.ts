import { objectExport } from "../../src/export/object_columns.js";
import type { TableFormat } from "../../src/export/types.js";
import { OBJECT_COLUMNS } from "../../src/morphology/object_columns.js";
import { filterRows, parseObjectFilter } from "../../src/morphology/object_query.js";
import type { ExportPart, ExportRequest } from "../../workers/export_api.js";
import type { MitoUserLayer } from "../mito_layer/layer.js";
import { chunkExport } from "./chunk_table.js";
import { typedBox } from "./region.js";

/** Which objects tables and meshes are of. */
export type ObjectScope = "all" | "filtered" | "selected";

/** What the form says. */
export interface ExportChoice {
  readonly name: string;
  readonly objects?: TableFormat;
  readonly chunks?: TableFormat;
  readonly meshes?: "precomputed" | "ply";
  readonly labels?: "uint64" | "uint32";
  readonly probability: boolean;
  readonly scope: ObjectScope;
  /** The object table's filter, for "filtered". */
  readonly filter: string;
  /** Ranges as typed. */
  readonly box: string;
}

/** A choice that cannot be exported; says why. */
export class ChoiceError extends Error {
  override name = "ChoiceError";
}

/** Rows of the layer's object table that a scope means. @throws ObjectFilterError. */
export function scopeRows(layer: MitoUserLayer, scope: ObjectScope, filter: string): number[] {
  const table = layer.mito.value?.objects.table;
  if (table === undefined) return [];
  const all = Array.from({ length: table.size }, (_, row) => row);
  if (scope === "filtered") {
    const parsed = parseObjectFilter(filter);
    return parsed === undefined ? all : Array.from(filterRows(table, parsed));
  }
  if (scope === "all") return all;
  const { visibleSegments } = layer.displayState.segmentationGroupState.value;
  return Array.from(visibleSegments, (id) => table.indexOf(Number(id))).filter((row) => row !== -1);
}

/** Where the numbers came from. */
function aboutOf(layer: MitoUserLayer): Record<string, string> {
  const mito = layer.mito.value!;
  const { threshold, minimumVoxels, connectivity } = mito.settings.value;
  return {
    volume: mito.innerUrl,
    source: mito.url,
    model: mito.model.id,
    modelDigest: mito.model.digest,
    threshold: String(threshold),
    minimumVoxels: String(minimumVoxels),
    connectivity: String(connectivity),
    voxelSize: `${mito.voxelSize.join(" x ")} nm`,
    exported: new Date().toISOString(),
  };
}

/** A name that every file system takes. */
const NAME = /^[A-Za-z0-9_][A-Za-z0-9_. -]{0,79}$/;

/**
 * The export that the form asks for.
 * @throws ChoiceError, RegionError, ObjectFilterError.
 */
export function makeRequest(layer: MitoUserLayer, choice: ExportChoice): ExportRequest {
  const mito = layer.mito.value;
  if (mito === undefined) throw new ChoiceError("the layer's source is not loaded yet");
  if (!NAME.test(choice.name) || choice.name.endsWith("."))
    throw new ChoiceError("the name must be letters, digits, spaces, points, - and _, 80 at most");
  const about = aboutOf(layer);
  const parts: ExportPart[] = [];
  const { table } = mito.objects;
  if (choice.objects !== undefined || choice.meshes !== undefined) {
    const rows = scopeRows(layer, choice.scope, choice.filter);
    if (rows.length === 0)
      throw new ChoiceError(
        choice.scope === "selected" ? "no object is selected" : "there is no such object yet",
      );
    if (choice.objects !== undefined)
      parts.push({
        kind: "objects",
        table: objectExport(table, OBJECT_COLUMNS, about, rows),
        format: choice.objects,
      });
    if (choice.meshes !== undefined)
      parts.push({
        kind: "meshes",
        ids: Float64Array.from(rows, (row) => table.id(row)),
        format: choice.meshes,
      });
  }
  if (choice.chunks !== undefined)
    parts.push({ kind: "chunks", table: chunkExport(mito.results.all(), about), format: choice.chunks });
  if (choice.labels !== undefined || choice.probability) {
    const box = typedBox(layer, choice.box);
    if (choice.labels !== undefined) parts.push({ kind: "labels", box, dataType: choice.labels });
    if (choice.probability) parts.push({ kind: "probability", box });
  }
  if (parts.length === 0) throw new ChoiceError("choose at least one thing to export");
  return { name: choice.name, parts, voxelSize: mito.voxelSize, about };
}

/** "mito-20261122-233105". */
export function defaultName(layer: MitoUserLayer, now = new Date()): string {
  const words = layer.managedLayer.name.replace(/[^A-Za-z0-9_]+/g, "-").replace(/^-+|-+$/g, "");
  const stamp = now.toISOString().replace(/[-:]/g, "").replace("T", "-").slice(0, 15);
  return `${(words || "mito").slice(0, 40)}-${stamp}`;
}
