import { opendir, realpath, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { boxSize } from "../volume/box.js";
import { FileStore } from "../volume/fs_store_node.js";
import { openVolume } from "../volume/open_node.js";
import { readJson } from "../volume/store.js";
import type { Vec3 } from "../volume/types.js";
import { formatVoxelSize } from "../volume/voxel_size.js";
import { isInside } from "./request_path.js";

export interface ListedVolume {
  /** Path below the data folder, with "/". */
  readonly name: string;
  /** What Neuroglancer opens, with "{origin}" for the address of this server: "{origin}/data/x.ome.zarr/|zarr2:". */
  readonly source: string;
  /** One line for a person: "512 x 512 x 20 voxels of 4.6,4.6,50nm, uint8, OME-Zarr". */
  readonly description: string;
  readonly format: "ome-zarr" | "precomputed";
  /** Labels when the metadata says so, or voxels are wider than 16 bits. */
  readonly kind: "image" | "labels";
  readonly dataType: string;
  /** First voxel of the finest scale; not 0 for a cut-out with an offset. */
  readonly lower: Vec3;
  readonly size: Vec3;
  readonly voxelSize: Vec3;
  readonly scales: number;
}

export interface VolumeList {
  readonly volumes: readonly ListedVolume[];
  /** Folders that look like a volume but cannot be opened, with the reason. */
  readonly problems: readonly { readonly name: string; readonly error: string }[];
  /** The limits were reached: there may be more. */
  readonly truncated: boolean;
}

/** A folder deeper than this, further than this, or with more children is not looked at. */
const LIMITS = { depth: 5, folders: 2000, children: 2000, volumes: 200 };

/**
 * Finds the OME-Zarr and precomputed volumes below a folder. Chunk folders are not walked; links are followed only
 * inside of the folder; hidden folders are left out. Every call looks anew.
 * @param root an absolute path without links.
 */
export async function listVolumes(root: string): Promise<VolumeList> {
  const volumes: ListedVolume[] = [];
  const problems: { name: string; error: string }[] = [];
  const seen = new Set<string>();
  let truncated = false;
  const queue: { path: string; name: string; depth: number }[] = [{ path: root, name: "", depth: 0 }];
  for (let next = queue.shift(); next; next = queue.shift()) {
    const { path, name, depth } = next;
    const real = await realpath(path).catch(() => undefined);
    if (real === undefined || seen.has(real)) continue;
    if (!isInside(root, real)) {
      problems.push({
        name,
        error: "is a link that leads out of the folder: serve the folder that it points to",
      });
      continue;
    }
    if (seen.size >= LIMITS.folders || volumes.length + problems.length >= LIMITS.volumes) {
      truncated = true;
      break;
    }
    seen.add(real);
    const found = await recognise(real).catch((error: Error) => {
      problems.push({ name: name || basename(root), error: withoutPath(error.message, root) });
      return "unreadable" as const;
    });
    if (found === "unreadable") continue;
    if (found !== undefined) {
      try {
        volumes.push(await describe(real, name, found));
      } catch (error) {
        problems.push({ name: name || basename(root), error: withoutPath((error as Error).message, root) });
      }
      // Labels lie inside of their image.
      if (found.format !== "precomputed")
        queue.push({ path: join(path, "labels"), name: join(name, "labels"), depth: depth + 1 });
      continue;
    }
    if (depth >= LIMITS.depth) {
      truncated = true;
      continue;
    }
    const children = await childFolders(real);
    truncated ||= children.more;
    for (const child of children.names)
      queue.push({ path: join(path, child), name: join(name, child), depth: depth + 1 });
  }
  volumes.sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));
  return { volumes, problems, truncated };
}

interface Found {
  readonly format: "zarr2" | "zarr3" | "precomputed";
  readonly labels: boolean;
}

/** undefined for a folder that is no volume, also for a Zarr group that only holds others. @throws VolumeError */
async function recognise(path: string): Promise<Found | undefined> {
  const store = new FileStore(path);
  const [v3, v2, array, info] = await Promise.all(
    ["zarr.json", ".zattrs", ".zarray", "info"].map((key) => readJson(store, key)),
  );
  const attributes = (v3 ? v3.attributes : v2) as Record<string, unknown> | undefined;
  // OME-NGFF 0.5 puts its metadata one level deeper.
  const ome = (attributes?.ome as Record<string, unknown> | undefined) ?? attributes;
  const labels = ome?.["image-label"] !== undefined;
  if (v3) return v3.node_type === "array" || ome?.multiscales ? { format: "zarr3", labels } : undefined;
  if (ome?.multiscales || array) return { format: "zarr2", labels };
  return info && "scales" in info
    ? { format: "precomputed", labels: info.type === "segmentation" }
    : undefined;
}

async function describe(path: string, name: string, found: Found): Promise<ListedVolume> {
  const volume = await openVolume(path);
  try {
    const { dataType, scales } = volume;
    const [finest] = scales;
    const size = boxSize(finest.bounds);
    const isPrecomputed = found.format === "precomputed";
    const names = name === "" ? [] : name.split(/[/\\]/);
    const address = ["{origin}/data", ...names.map(encodeURIComponent)].join("/");
    const wide = dataType !== "uint8" && dataType !== "uint16";
    const label = isPrecomputed ? "precomputed" : "OME-Zarr";
    return {
      name: names.length === 0 ? basename(path) : names.join("/"),
      source: `${address}/|${isPrecomputed ? "neuroglancer-precomputed" : found.format}:`,
      description: `${size.join(" × ")} voxels of ${formatVoxelSize(finest.voxelSize)}, ${dataType}, ${label}`,
      format: isPrecomputed ? "precomputed" : "ome-zarr",
      kind: found.labels || wide ? "labels" : "image",
      dataType,
      lower: finest.bounds.lower,
      size,
      voxelSize: finest.voxelSize,
      scales: scales.length,
    };
  } finally {
    await volume.close?.();
  }
}

async function childFolders(path: string): Promise<{ names: string[]; more: boolean }> {
  const names: string[] = [];
  let count = 0;
  try {
    for await (const entry of await opendir(path)) {
      if (++count > LIMITS.children) return { names: names.sort(), more: true };
      if (entry.name.startsWith(".")) continue;
      if (entry.isDirectory()) names.push(entry.name);
      else if (entry.isSymbolicLink()) {
        const target = await stat(join(path, entry.name)).catch(() => undefined);
        if (target?.isDirectory()) names.push(entry.name);
      }
    }
  } catch {
    // No permission, or gone meanwhile: nothing to list there.
  }
  return { names: names.sort(), more: false };
}

/** Messages name files by their path; where the data folder lies is nobody's business on the page. */
function withoutPath(message: string, root: string): string {
  return message.replaceAll(`${root}/`, "").replaceAll(root, basename(root));
}
