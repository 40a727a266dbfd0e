import { Block, type BlockLayout } from "./blocks.js";
import { type Canvas, farFromWall } from "./canvas.js";
import type { Neurite } from "./growth.js";
import type { Mitochondrion } from "./mitochondria.js";
import type { Profiles } from "./profiles.js";
import type { PhantomStyle } from "./style.js";
import type { Tissue } from "./tissue.js";

/** More cells than this never meet in one patch; the nearest are kept. */
const most = 24;

/** Cells, walls and mitochondria: everything that is drawn from distance fields. */
export class BasePass {
  private readonly block: Block;
  private readonly style: PhantomStyle;
  private readonly labelIndex = new Map<Mitochondrion, number>();
  private planeFields: Float32Array[] = [];
  // State of one patch: the cells that meet in it, with their four corners and gradient.
  private readonly corners = new Float32Array(4 * most);
  private readonly gradients = new Float32Array(3 * most);
  private readonly chosen = new Int32Array(most);
  private readonly inverse = new Float32Array(most * most);
  private readonly values = new Float32Array(most);
  private readonly shades = new Float32Array(1024);
  private readonly numbers = new Uint16Array(1024);
  private readonly lamellaContrast: number;

  constructor(
    tissue: Tissue,
    private readonly layout: BlockLayout,
    private readonly profiles: Profiles,
  ) {
    this.style = tissue.style;
    this.block = new Block(tissue, layout, profiles.reach);
    // Lamellae 45 nm apart lose contrast under the point spread: the transform of a normal distribution.
    const phase = (2 * Math.PI * profiles.sigma) / 45;
    this.lamellaContrast = Math.round(4096 * Math.exp((-phase * phase) / 2)) / 4096;
  }

  draw(canvas: Canvas): void {
    const { layout, block } = this;
    const width = layout.cells * layout.step;
    const { lower, upper } = canvas.box;
    this.labelIndex.clear();
    for (let bz = Math.floor(lower[2] / layout.depth); bz * layout.depth < upper[2]; ++bz) {
      for (let by = Math.floor(lower[1] / width); by * width < upper[1]; ++by) {
        for (let bx = Math.floor(lower[0] / width); bx * width < upper[0]; ++bx) {
          block.place(bx, by, bz);
          block.cells.forEach(({ neurite }, i) => {
            this.numbers[i] = neurite === undefined ? 0 : numberOf(canvas.neurites, neurite);
          });
          this.drawBlock(canvas, bx, by, bz);
        }
      }
    }
  }

  private drawBlock(canvas: Canvas, bx: number, by: number, bz: number): void {
    const { layout, block, style } = this;
    const { planes, depth, step } = layout;
    const z0 = bz * depth;
    const { lower, upper } = canvas.box;
    block.cells.forEach(({ neurite }, i) => {
      this.shades[i] =
        style.cytoplasm + style.cytoplasmSpread * (neurite === undefined ? -0.6 : shadeOf(neurite));
    });
    const spacing = planes > 0 ? (layout.voxel[2] * 1) / planes : step * layout.voxel[2];
    if (planes > 0) {
      for (let k = 0; k < planes; ++k) {
        const next = k + 1 < planes ? k + 1 : k - 1;
        this.slicePlane(k, next, 0, (next - k) * spacing);
        this.drawPlane(canvas, bx, by, z0 - lower[2], 1 / planes, k === planes >> 1);
      }
      return;
    }
    for (let z = Math.max(z0, lower[2]); z < Math.min(z0 + depth, upper[2]); ++z) {
      const k = Math.floor((z - z0) / step);
      this.slicePlane(k, k + 1, (z - z0 - k * step) / step, spacing);
      this.drawPlane(canvas, bx, by, z - lower[2], 1, true);
    }
  }

  /** Fields of all cells, their z derivatives, and the mitochondria's fields, on the plane between lattice planes. */
  private slicePlane(k: number, next: number, fraction: number, spacing: number): void {
    const { block, planeFields } = this;
    const area = block.nx * block.nx;
    const fields = block.cells.length * 2 + block.mitos.length * 3;
    while (planeFields.length < fields) planeFields.push(new Float32Array(area));
    let at = 0;
    const low = k * area;
    const high = next * area;
    const slice = (source: Float32Array) => {
      const out = planeFields[at++];
      for (let i = 0; i < area; ++i)
        out[i] = source[low + i] + fraction * (source[high + i] - source[low + i]);
    };
    for (const { field } of block.cells) {
      slice(field);
      const slope = planeFields[at++];
      const inverse = 1 / spacing;
      for (let i = 0; i < area; ++i) slope[i] = (field[high + i] - field[low + i]) * inverse;
    }
    for (const { field, lamella, presence } of block.mitos) {
      slice(field);
      slice(lamella);
      slice(presence);
    }
  }

  private drawPlane(canvas: Canvas, bx: number, by: number, z: number, weight: number, marks: boolean): void {
    const { layout, block } = this;
    const { cells, step } = layout;
    const { lower, upper } = canvas.box;
    const x0 = bx * cells * step;
    const y0 = by * cells * step;
    for (let j = 0; j < cells; ++j) {
      const top = y0 + j * step;
      if (top + step <= lower[1] || top >= upper[1]) continue;
      for (let i = 0; i < cells; ++i) {
        const left = x0 + i * step;
        if (left + step <= lower[0] || left >= upper[0]) continue;
        this.drawPatch(canvas, j * block.nx + i, left, top, z, weight, marks);
      }
    }
  }

  /** Picks the cells that can be nearest, or whose wall can be seen, in the patch; fills corners and inverse slopes. */
  private meet(node: number): number {
    const { block, planeFields, corners, gradients, chosen, inverse, layout } = this;
    const { nx, cells } = block;
    const inverseStep = 1 / (2 * layout.step * layout.voxel[0]);
    let bound = Number.POSITIVE_INFINITY;
    for (let c = 0; c < cells.length; ++c) {
      const f = planeFields[2 * c];
      const high = Math.max(f[node], f[node + 1], f[node + nx], f[node + nx + 1]);
      if (high < bound) bound = high;
    }
    bound += 2 * block.window;
    let count = 0;
    for (let c = 0; c < cells.length && count < most; ++c) {
      const f = planeFields[2 * c];
      const a = f[node];
      const b = f[node + 1];
      const d = f[node + nx];
      const e = f[node + nx + 1];
      if (Math.min(a, b, d, e) > bound) continue;
      corners[4 * count] = a;
      corners[4 * count + 1] = b;
      corners[4 * count + 2] = d;
      corners[4 * count + 3] = e;
      const slope = planeFields[2 * c + 1];
      gradients[3 * count] = (b + e - a - d) * inverseStep;
      gradients[3 * count + 1] = (d + e - a - b) * inverseStep;
      gradients[3 * count + 2] =
        (slope[node] + slope[node + 1] + slope[node + nx] + slope[node + nx + 1]) / 4;
      chosen[count++] = c;
    }
    for (let p = 0; p < count; ++p) {
      for (let q = 0; q < p; ++q) {
        const x = gradients[3 * p] - gradients[3 * q];
        const y = gradients[3 * p + 1] - gradients[3 * q + 1];
        const w = gradients[3 * p + 2] - gradients[3 * q + 2];
        const value = 1 / Math.max(0.45, Math.sqrt(x * x + y * y + w * w));
        inverse[p * most + q] = value;
        inverse[q * most + p] = value;
      }
    }
    return count;
  }

  private drawPatch(
    canvas: Canvas,
    node: number,
    left: number,
    top: number,
    z: number,
    weight: number,
    marks: boolean,
  ): void {
    const { block, planeFields, corners, chosen, inverse, values, shades, numbers, profiles, style } = this;
    const { step } = this.layout;
    const { lower, upper } = canvas.box;
    const { nx, cells, mitos, window } = block;
    const count = this.meet(node);
    // The one mitochondrion that can be in the patch: they are farther apart than a patch is wide.
    let mito = -1;
    let nearest = profiles.reach;
    for (let m = 0; m < mitos.length; ++m) {
      const f = planeFields[2 * cells.length + 3 * m];
      const low = Math.min(f[node], f[node + 1], f[node + nx], f[node + nx + 1]);
      if (low < nearest) {
        nearest = low;
        mito = m;
      }
    }
    const base = 2 * cells.length + 3 * mito;
    const fromY = Math.max(top, lower[1]);
    const toY = Math.min(top + step, upper[1]);
    const fromX = Math.max(left, lower[0]);
    const toX = Math.min(left + step, upper[0]);
    for (let y = fromY; y < toY; ++y) {
      const v = (y - top) / step;
      let at = fromX - lower[0] + canvas.size[0] * (y - lower[1] + canvas.size[1] * z);
      for (let x = fromX; x < toX; ++x, ++at) {
        const u = (x - left) / step;
        let cell = 0;
        let wall = farFromWall;
        let other = 0;
        if (count > 1) {
          let best = Number.POSITIVE_INFINITY;
          for (let c = 0; c < count; ++c) {
            const k = 4 * c;
            const low = corners[k] + u * (corners[k + 1] - corners[k]);
            const value = low + v * (corners[k + 2] + u * (corners[k + 3] - corners[k + 2]) - low);
            values[c] = value;
            if (value < best) {
              best = value;
              cell = c;
            }
          }
          for (let c = 0; c < count; ++c) {
            if (c === cell) continue;
            const d = (values[c] - best) * inverse[cell * most + c];
            if (d < wall) {
              wall = d;
              other = c;
            }
          }
        }
        const own = chosen[cell];
        let grey = shades[own];
        let texture = 1;
        if (wall < window) {
          const outside = profiles.inside.at(wall);
          grey += (shades[chosen[other]] - grey) * outside;
          const dark = profiles.membrane.at(wall);
          grey -= dark * (grey - 12);
          texture -= 0.6 * dark;
          if (cells[own].neurite?.kind === "myelinated") {
            const sheath = profiles.inside.at(wall - 48) * Math.min(1, 1.45 * style.membraneDarkness);
            grey -= sheath * (grey - 20);
          }
        }
        if (mito >= 0) {
          const m = bilinear(planeFields[base], node, nx, u, v);
          if (m < profiles.reach) {
            const inside = profiles.inside.at(m);
            texture -= 0.5 * inside * texture;
            const { cristae, shade } = mitos[mito].mito;
            let matrix = (grey - 12) * (1 - style.matrixDarkness) + 12 + 4 * shade;
            const core = profiles.core.at(m);
            if (core > 0.01) {
              const position = bilinear(planeFields[base + 1], node, nx, u, v);
              const presence = bilinear(planeFields[base + 2], node, nx, u, v);
              const t = 1 - 4 * Math.abs(position - Math.floor(position) - 0.5);
              const shown = presence < -0.35 ? 0 : presence > 0.25 ? 1 : (presence + 0.35) / 0.6;
              matrix +=
                40 * style.cristae * cristae * this.lamellaContrast * core * shown * t * (1.5 - 0.5 * t * t);
            }
            grey += inside * (matrix - grey);
            grey -= profiles.envelope.at(m) * (grey - 12);
            if (marks && m < 0) canvas.label[at] = this.indexOf(canvas, mitos[mito].mito);
          }
        }
        canvas.grey[at] += weight * grey;
        canvas.texture[at] += weight * texture;
        if (marks && wall < window) {
          canvas.wall[at] = wall;
          canvas.owner[at] = numbers[own];
          canvas.beyond[at] = numbers[chosen[other]];
        }
      }
    }
  }

  private indexOf(canvas: Canvas, mito: Mitochondrion): number {
    let index = this.labelIndex.get(mito);
    if (index === undefined) {
      index = canvas.mitos.push(mito);
      this.labelIndex.set(mito, index);
    }
    return index;
  }
}

function numberOf(numbers: Map<Neurite, number>, neurite: Neurite): number {
  let number = numbers.get(neurite);
  if (number === undefined) {
    number = numbers.size + 1;
    numbers.set(neurite, number);
  }
  return number;
}

function bilinear(f: Float32Array, node: number, nx: number, u: number, v: number): number {
  const low = f[node] + u * (f[node + 1] - f[node]);
  return low + v * (f[node + nx] + u * (f[node + nx + 1] - f[node + nx]) - low);
}

/** Dendrites are light, thin axons a little darker, a few cells dark altogether. */
function shadeOf({ kind, shade }: Neurite): number {
  if (kind === "dendrite") return 0.6 + 0.4 * shade;
  return shade < -1.75 ? shade - 2.2 : shade;
}
