import { RunLabeller } from "../segmentation/runs.js";
import { RegionMeter, SMALLEST_AREA } from "./regions.js";
import type { RegionSample } from "./types.js";

/** Smallest byte of a probability of at least 0.5 (the authors binarise at >= 0.5). */
const FOREGROUND = 128;

/**
 * Measures the regions of a stack that comes slice by slice, by the paper's definition: 26-connected objects of the whole
 * 3-D stack, one region for each object and slice, those of at most 10 px left out (`morphology_analysis` of
 * danifranco/EM_domain_adaptation; facts in docs/architecture.md). Memory: 16 bytes for each run of foreground.
 */
export class RegionSampler {
  private readonly stack = new RunLabeller();

  /**
   * @param width,height pixels of each slice.
   * @param minimum a pixel is foreground when its byte is at least this: 128 for probabilities and fractions 0..255, 1 for masks.
   * @throws RangeError for sizes that make no slice.
   */
  constructor(
    width: number,
    height: number,
    private readonly minimum = FOREGROUND,
  ) {
    this.stack.begin(width, height, 26);
  }

  /** Adds the next slice, row-major. @throws RangeError when it has too few pixels. */
  add(slice: Uint8Array): void {
    this.stack.addSlice(slice, this.minimum);
  }

  /** Ends the stack. Regions are in the order of their slices: the first `counts[0]` are of slice 0, and so on. */
  result(): RegionSample {
    const { stack } = this;
    stack.finish();
    const meter = new RegionMeter(stack.count);
    const area: number[] = [];
    const solidity: number[] = [];
    const eccentricity: number[] = [];
    const counts = new Float64Array(stack.depth);
    for (let z = 0; z < stack.depth; ++z) {
      stack.visitSlice(z, (label, row, start, end) => meter.add(label, row, start, end));
      meter.finish(z, (region) => {
        if (region.area <= SMALLEST_AREA) return;
        area.push(region.area);
        solidity.push(region.area / region.convexArea);
        eccentricity.push(region.eccentricity);
        counts[z] += 1;
      });
    }
    return {
      area: Float64Array.from(area),
      solidity: Float64Array.from(solidity),
      eccentricity: Float64Array.from(eccentricity),
      counts,
      sliceArea: stack.width * stack.height,
    };
  }
}

/** The sample of slices in memory; see `RegionSampler`. */
export function sampleRegions(
  slices: Iterable<Uint8Array>,
  width: number,
  height: number,
  minimum = FOREGROUND,
): RegionSample {
  const sampler = new RegionSampler(width, height, minimum);
  for (const slice of slices) sampler.add(slice);
  return sampler.result();
}

/** Mean solidity of the regions, s_t of the published criterion; 0 without a region. */
export function meanSolidity({ solidity }: RegionSample): number {
  return mean(solidity);
}

/**
 * Tissue of a stack whose slices are not all of it (Kasthuri++: what lies outside is raw value 0), for the first version's
 * ARA.
 */
export interface Tissue {
  /** Pixels of each slice that are not 0 in the EM. */
  readonly area: readonly number[];
  /**
   * (tissue of the last slice / tissue of the first) / (slices - 1): each slice's ratios are multiplied by 1 + delta z. So the
   * authors' code has it (`get_delta`), although constant tissue does not give 0.
   */
  readonly delta: number;
}

/**
 * Tissue of an EM stack.
 * @param em one array a slice, raw values.
 * @throws RangeError when the first slice is all zeros or there is but one slice: delta is then not a number.
 */
export function measureTissue(em: readonly ArrayLike<number>[]): Tissue {
  const area = em.map((slice) => {
    let pixels = 0;
    for (let i = 0; i < slice.length; ++i) if (slice[i] !== 0) ++pixels;
    return pixels;
  });
  const delta = area[area.length - 1] / area[0] / (area.length - 1);
  if (!Number.isFinite(delta)) {
    throw new RangeError(`the tissue of ${em.length} slices, ${area[0] ?? 0} px in the first, has no delta`);
  }
  return { area, delta };
}

/**
 * ARA, the first version's criterion: mean over the regions of area / slice area; 0 without a region. With `tissue` the slice
 * area is that of the tissue and the ratio is multiplied by 1 + delta z, as the authors do for Kasthuri++ (without it
 * delta is 0).
 * @throws RangeError when `tissue` is of another number of slices.
 */
export function meanAra(sample: RegionSample, tissue?: Tissue): number {
  const { area, counts, sliceArea } = sample;
  if (tissue && tissue.area.length !== counts.length) {
    throw new RangeError(`tissue of ${tissue.area.length} slices for a sample of ${counts.length}`);
  }
  const ratios = new Float64Array(area.length);
  let region = 0;
  for (let z = 0; z < counts.length; ++z) {
    const denominator = tissue ? tissue.area[z] : sliceArea;
    const factor = tissue ? 1 + tissue.delta * z : 1;
    for (const end = region + counts[z]; region < end; ++region) {
      // A slice without tissue has no share of it; foreground there is a prediction outside of the tissue.
      ratios[region] = denominator === 0 ? 0 : (area[region] / denominator) * factor;
    }
  }
  return mean(ratios);
}

function mean(values: Float64Array): number {
  let sum = 0;
  for (const value of values) sum += value;
  return values.length === 0 ? 0 : sum / values.length;
}
