import { type Neurite, segmentFloats } from "./growth.js";
import { type Mitochondrion, unevenness, wallGap } from "./mitochondria.js";
import { type Bucket, gliaDistance, runMayBeWithin, surfaceDistance } from "./neurites.js";
import { addVectorNoise } from "./noise.js";
import type { Tissue } from "./tissue.js";

/** How one scale is cut into blocks; blocks are aligned to the volume's origin, so a voxel never depends on the box read. */
export interface BlockLayout {
  /** Voxel size in nm. */
  readonly voxel: readonly [number, number, number];
  /** Lattice cells per block edge in plane, and voxels per lattice cell: distances are exact on the lattice, linear between. */
  readonly cells: number;
  readonly step: number;
  /** Voxels per block along z. */
  readonly depth: number;
  /** Sections: planes averaged over the thickness of a slice; 0 for an isotropic volume. */
  readonly planes: number;
  /** Base slices per voxel in z. */
  readonly zFactor: number;
}

/** Neighbouring points may differ by this times their distance: tapering and the warp stretch a little. */
const stretch = 1.4;
/** Corners between a mitochondrion and the wall are rounded over this distance, nm. */
const rounding = 40;
/** Walls of a myelinated cell are looked at this far inside it, nm. */
const myelinDepth = 80;

export interface BlockCell {
  /** undefined: glia. */
  readonly neurite: Neurite | undefined;
  /** Distance to its surface at the lattice points, x fastest. */
  readonly field: Float32Array;
}

export interface BlockMito {
  readonly mito: Mitochondrion;
  /** Distance to its surface, coordinate across the cristae, and their local presence, at the lattice points. */
  readonly field: Float32Array;
  readonly lamella: Float32Array;
  readonly presence: Float32Array;
}

/** The anatomy of one block on its lattice. Made anew for each block; arrays are reused. */
export class Block {
  readonly nx: number;
  readonly nz: number;
  readonly points: number;
  cells: BlockCell[] = [];
  mitos: BlockMito[] = [];
  /** Deepest wall distance that matters here, nm. */
  window = 0;
  private readonly position: Float32Array;
  private readonly pool: Float32Array[] = [];
  private used = 0;
  private readonly q = new Float64Array(3);
  private distance = new Float32Array(0);
  private nearest = new Float32Array(0);

  constructor(
    private readonly tissue: Tissue,
    private readonly layout: BlockLayout,
    private readonly reach: number,
  ) {
    this.nx = layout.cells + 1;
    this.nz = layout.planes > 0 ? layout.planes : layout.depth / layout.step + 1;
    this.points = this.nx * this.nx * this.nz;
    this.position = new Float32Array(3 * this.points);
  }

  /** Evaluates block (bx, by, bz). */
  place(bx: number, by: number, bz: number): void {
    const { tissue, layout, q } = this;
    const { voxel, cells, step, depth, planes, zFactor } = layout;
    const width = cells * step;
    this.used = 0;
    const half = 0.5 * Math.sqrt(2 * (width * voxel[0]) ** 2 + (depth * voxel[2]) ** 2);
    const zMiddle = (bz + 0.5) * depth;
    tissue.warp.toTissue(
      q,
      (bx + 0.5) * width * voxel[0] + tissue.drift(0, zMiddle * zFactor),
      (by + 0.5) * width * voxel[1] + tissue.drift(1, zMiddle * zFactor),
      zMiddle * voxel[2],
    );
    const centre = [q[0], q[1], q[2]] as const;
    const bucket = tissue.neurites.near(...centre);
    // Lattice positions in tissue space.
    let at = 0;
    for (let k = 0; k < this.nz; ++k) {
      const slice = planes > 0 ? bz * depth + (k + 0.5) / planes : bz * depth + k * step + 0.5;
      const dx = tissue.drift(0, slice * zFactor);
      const dy = tissue.drift(1, slice * zFactor);
      for (let j = 0; j < this.nx; ++j) {
        const y = (by * width + j * step + 0.5) * voxel[1] + dy;
        for (let i = 0; i < this.nx; ++i) {
          const x = (bx * width + i * step + 0.5) * voxel[0] + dx;
          tissue.warp.toTissue(q, x, y, slice * voxel[2]);
          this.position[at++] = q[0];
          this.position[at++] = q[1];
          this.position[at++] = q[2];
        }
      }
    }
    this.selectCells(bucket, centre, half);
    this.selectMitos(centre, half);
  }

  private scratch(): Float32Array {
    if (this.used === this.pool.length) this.pool.push(new Float32Array(this.points));
    return this.pool[this.used++];
  }

  private selectCells(bucket: Bucket, centre: readonly [number, number, number], half: number): void {
    const { segments, neurites, starts } = bucket;
    const slack = 2 * stretch * half;
    const widest = slack + 2 * Math.max(this.reach, myelinDepth);
    if (this.distance.length < starts[neurites.length])
      this.distance = new Float32Array(starts[neurites.length]);
    if (this.nearest.length < neurites.length) this.nearest = new Float32Array(neurites.length);
    const { distance, nearest } = this;
    let least = gliaDistance;
    for (let run = 0; run < neurites.length; ++run) {
      nearest[run] = Number.POSITIVE_INFINITY;
      if (!runMayBeWithin(bucket, run, least + widest, ...centre)) continue;
      let own = Number.POSITIVE_INFINITY;
      for (let s = starts[run]; s < starts[run + 1]; ++s) {
        const g = surfaceDistance(segments, s * segmentFloats, centre[0], centre[1], centre[2]);
        distance[s] = g;
        if (g < own) own = g;
      }
      nearest[run] = own;
      if (own < least) least = own;
    }
    this.cells = [];
    this.window = this.reach;
    let limit = least + slack + 2 * this.window;
    if (neurites.some(({ kind }, run) => kind === "myelinated" && nearest[run] <= limit)) {
      this.window = Math.max(this.reach, myelinDepth);
      limit = least + slack + 2 * this.window;
    }
    for (let run = 0; run < neurites.length; ++run) {
      if (nearest[run] > limit) continue;
      const field = this.scratch();
      field.fill(Number.POSITIVE_INFINITY);
      for (let s = starts[run]; s < starts[run + 1]; ++s) {
        if (distance[s] <= limit && distance[s] <= nearest[run] + slack)
          this.lower(field, segments, s * segmentFloats);
      }
      this.cells.push({ neurite: neurites[run], field });
    }
    if (gliaDistance <= limit)
      this.cells.push({ neurite: undefined, field: this.scratch().fill(gliaDistance) });
  }

  /** field = min(field, distance to one segment). */
  private lower(field: Float32Array, s: Float32Array, at: number): void {
    const { position, points } = this;
    const ax = s[at];
    const ay = s[at + 1];
    const az = s[at + 2];
    const dx = s[at + 3] - ax;
    const dy = s[at + 4] - ay;
    const dz = s[at + 5] - az;
    const inverse = 1 / (dx * dx + dy * dy + dz * dz);
    const radius = s[at + 6];
    const taper = s[at + 7] - radius;
    for (let k = 0, n = 0; k < points; ++k, n += 3) {
      const px = position[n] - ax;
      const py = position[n + 1] - ay;
      const pz = position[n + 2] - az;
      let t = (px * dx + py * dy + pz * dz) * inverse;
      t = t < 0 ? 0 : Math.min(t, 1);
      const ex = px - t * dx;
      const ey = py - t * dy;
      const ez = pz - t * dz;
      const g = Math.sqrt(ex * ex + ey * ey + ez * ez) - radius - t * taper;
      if (g < field[k]) field[k] = g;
    }
  }

  private selectMitos(centre: readonly [number, number, number], half: number): void {
    this.mitos = [];
    const near = stretch * half + this.reach;
    for (const { neurite } of this.cells) {
      if (neurite === undefined) continue;
      for (const mito of this.tissue.organelles.mitochondria(neurite)) {
        const { bound, segments } = mito;
        const away = near + bound[3];
        const x = centre[0] - bound[0];
        const y = centre[1] - bound[1];
        const z = centre[2] - bound[2];
        if (x * x + y * y + z * z > away * away) continue;
        let chosen: Float32Array | undefined;
        const margin = near + unevenness * mito.radius;
        for (let at = 0; at < segments.length; at += segmentFloats) {
          if (surfaceDistance(segments, at, ...centre) > margin) continue;
          if (chosen === undefined) chosen = this.scratch().fill(1e4);
          this.lower(chosen, segments, at);
        }
        if (chosen === undefined) continue;
        const made = this.texture(mito, chosen);
        this.keepInside(made.field, neurite);
        this.mitos.push(made);
      }
    }
  }

  /** field = smooth maximum of it and of how much nearer than `wallGap` the wall of the cell is. */
  private keepInside(field: Float32Array, neurite: Neurite): void {
    const { cells, points } = this;
    const own = cells.find((cell) => cell.neurite === neurite)!.field;
    for (let k = 0; k < points; ++k) {
      let other = Number.POSITIVE_INFINITY;
      for (const cell of cells) if (cell.field !== own && cell.field[k] < other) other = cell.field[k];
      const outside = wallGap - (other - own[k]) / 2;
      const overlap = Math.max(0, 1 - Math.abs(field[k] - outside) / rounding);
      field[k] = Math.max(field[k], outside) + (rounding / 4) * overlap * overlap;
    }
  }

  /** Unevenness of the surface, and the coordinates in which cristae are drawn. */
  private texture(mito: Mitochondrion, field: Float32Array): BlockMito {
    const lamella = this.scratch();
    const presence = this.scratch();
    const { position, tissue } = this;
    const [nx, ny, nz] = mito.normal;
    const three = new Float64Array(3);
    const seed = (tissue.seed ^ 0xc4157a) + (mito.id & 0xffff);
    const inverse = 1 / 130;
    for (let k = 0, n = 0; k < this.points; ++k, n += 3) {
      const x = position[n];
      const y = position[n + 1];
      const z = position[n + 2];
      three[0] = 0;
      three[1] = 0;
      three[2] = 0;
      addVectorNoise(three, seed, x * inverse, y * inverse, z * inverse, 1);
      field[k] += unevenness * mito.radius * three[0];
      lamella[k] = (x * nx + y * ny + z * nz + 34 * three[1]) / mito.spacing;
      presence[k] = three[2];
    }
    return { mito, field, lamella, presence };
  }
}
