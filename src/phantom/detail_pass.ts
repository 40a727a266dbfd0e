import type { BlockLayout } from "./blocks.js";
import type { Canvas } from "./canvas.js";
import { bodyFloats, type Synapse } from "./details.js";
import type { Profiles } from "./profiles.js";
import type { PhantomStyle } from "./style.js";
import type { Tissue } from "./tissue.js";

/**
 * Vesicles, tubules, dense bodies and synaptic densities, drawn one by one into the canvas. Where they overlap the
 * darkest counts: the order, which depends on the box, does not matter.
 */
export class DetailPass {
  private readonly style: PhantomStyle;

  constructor(
    private readonly tissue: Tissue,
    private readonly layout: BlockLayout,
    private readonly profiles: Profiles,
  ) {
    this.style = tissue.style;
  }

  draw(canvas: Canvas): void {
    const dark = new Float32Array(canvas.grey.length);
    for (const [neurite, number] of canvas.neurites) {
      const { bodies, synapses } = this.tissue.organelles.detailsOf(neurite);
      for (let at = 0; at < bodies.length; at += bodyFloats) this.drawBody(canvas, dark, bodies, at);
      for (const synapse of synapses) this.drawSynapse(canvas, dark, synapse, number);
    }
    for (let i = 0; i < dark.length; ++i) canvas.grey[i] -= dark[i] * (canvas.grey[i] - 12);
  }

  /** Calls back for each z of the canvas within reach of a box in nm, with its real-space depths and drift. */
  private *slices(
    canvas: Canvas,
    low: number,
    high: number,
  ): Generator<{ z: number; depths: number[]; drift: [number, number] }> {
    const { voxel, planes, zFactor } = this.layout;
    const { lower, upper } = canvas.box;
    const from = Math.max(lower[2], Math.floor(low / voxel[2] - 0.5));
    const to = Math.min(upper[2], Math.ceil(high / voxel[2] + 0.5));
    for (let z = from; z < to; ++z) {
      const depths =
        planes > 0
          ? Array.from({ length: planes }, (_, k) => (z + (k + 0.5) / planes) * voxel[2])
          : [(z + 0.5) * voxel[2]];
      const slice = (z + 0.5) * zFactor;
      yield { z: z - lower[2], depths, drift: [this.tissue.drift(0, slice), this.tissue.drift(1, slice)] };
    }
  }

  private drawBody(canvas: Canvas, dark: Float32Array, b: Float32Array, at: number): void {
    const { voxel } = this.layout;
    const { shell, inside, sigma } = this.profiles;
    const { lower, upper } = canvas.box;
    const radius = b[at + 6];
    const hollow = b[at + 7] > 0;
    const strength = b[at + 8] * Math.min(1, 1.45 * this.style.envelopeDarkness);
    const reach = radius + 2 * sigma;
    const low = [0, 1, 2].map((a) => Math.min(b[at + a], b[at + 3 + a]) - reach);
    const high = [0, 1, 2].map((a) => Math.max(b[at + a], b[at + 3 + a]) + reach);
    // Drift is less than 100 nm: a quick test before the slices are looked at.
    for (let a = 0; a < 3; ++a) {
      if (high[a] < lower[a] * voxel[a] - 200 || low[a] > upper[a] * voxel[a] + 200) return;
    }
    const d = [0, 1, 2].map((a) => b[at + 3 + a] - b[at + a]);
    const square = d[0] * d[0] + d[1] * d[1] + d[2] * d[2];
    const inverse = square > 0 ? 1 / square : 0;
    for (const { z, depths, drift } of this.slices(canvas, low[2], high[2])) {
      const x0 = Math.max(lower[0], Math.ceil((low[0] - drift[0]) / voxel[0] - 0.5));
      const x1 = Math.min(upper[0], Math.floor((high[0] - drift[0]) / voxel[0] + 0.5));
      const y0 = Math.max(lower[1], Math.ceil((low[1] - drift[1]) / voxel[1] - 0.5));
      const y1 = Math.min(upper[1], Math.floor((high[1] - drift[1]) / voxel[1] + 0.5));
      for (let y = y0; y < y1; ++y) {
        const py = (y + 0.5) * voxel[1] + drift[1] - b[at + 1];
        let k = x0 - lower[0] + canvas.size[0] * (y - lower[1] + canvas.size[1] * z);
        for (let x = x0; x < x1; ++x, ++k) {
          const px = (x + 0.5) * voxel[0] + drift[0] - b[at];
          let sum = 0;
          for (let n = 0; n < depths.length; ++n) {
            const pz = depths[n] - b[at + 2];
            let t = (px * d[0] + py * d[1] + pz * d[2]) * inverse;
            t = t < 0 ? 0 : Math.min(t, 1);
            const ex = px - t * d[0];
            const ey = py - t * d[1];
            const ez = pz - t * d[2];
            const g = Math.sqrt(ex * ex + ey * ey + ez * ez) - radius;
            sum += hollow ? shell.at(g) + 0.3 * inside.at(g + 9) : inside.at(g);
          }
          const value = (sum * strength) / depths.length;
          if (value > dark[k]) dark[k] = value;
        }
      }
    }
  }

  private drawSynapse(canvas: Canvas, dark: Float32Array, synapse: Synapse, presynaptic: number): void {
    const { voxel } = this.layout;
    const { lower, upper } = canvas.box;
    const { centre, radius } = synapse;
    const reach = radius + 40;
    for (let a = 0; a < 3; ++a) {
      if (centre[a] + reach < lower[a] * voxel[a] - 200 || centre[a] - reach > upper[a] * voxel[a] + 200)
        return;
    }
    const strength = 0.9 * this.style.membraneDarkness;
    for (const { z, depths, drift } of this.slices(canvas, centre[2] - reach, centre[2] + reach)) {
      const pz = depths[depths.length >> 1] - centre[2];
      for (let y = 0; y < canvas.size[1]; ++y) {
        const py = (y + lower[1] + 0.5) * voxel[1] + drift[1] - centre[1];
        if (py < -reach || py > reach) continue;
        let k = canvas.size[0] * (y + canvas.size[1] * z);
        for (let x = 0; x < canvas.size[0]; ++x, ++k) {
          const px = (x + lower[0] + 0.5) * voxel[0] + drift[0] - centre[0];
          const wall = canvas.wall[k];
          if (wall > 40 || px < -reach || px > reach) continue;
          const square = px * px + py * py + pz * pz;
          if (square > radius * radius) continue;
          // Thick on the postsynaptic side, thin on the other.
          const before = canvas.owner[k] === presynaptic;
          if (!before && canvas.beyond[k] !== presynaptic) continue;
          const depth = before ? 15 : 34;
          const fade = 1 - square / (radius * radius);
          const edge = 1 - wall / depth;
          if (edge <= 0) continue;
          const value = strength * Math.min(1, 2 * fade) * Math.min(1, 1.8 * edge);
          if (value > dark[k]) dark[k] = value;
        }
      }
    }
  }
}
