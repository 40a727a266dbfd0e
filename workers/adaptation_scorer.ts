import type { Images } from "../src/adaptation/types.js";
import type { Snapshot } from "../src/experiment/snapshot.js";
import { chooseGeometry } from "../src/inference/geometry.js";
import { predictBox } from "../src/inference/predict_box.js";
import { createNetwork, MAX_TILE_PIXELS } from "../src/inference/predictor.js";
import type { BackendName } from "../src/inference/types.js";
import { distributionDistance } from "../src/morphology/distribution.js";
import { meanAra, meanSolidity, RegionSampler } from "../src/morphology/region_sample.js";
import type { RegionDistribution, RegionSample } from "../src/morphology/types.js";
import type { Box, Vec3 } from "../src/volume/types.js";
import type { AdaptationScore } from "./adaptation_api.js";

/** Blocks that are scored are at most as large as the viewer's chunks, whose morphology the source's prior holds. */
const BLOCK = { edge: 256, slices: 8 } as const;

/** Part of a stack of images that is predicted to be scored. */
interface Block {
  readonly images: Images;
  /** Pixels of the stack. */
  readonly core: Box;
}

export interface Preview {
  readonly width: number;
  readonly height: number;
  /** 0..255 after the intensity window. */
  readonly em: Uint8Array;
  /** round(255 p). */
  readonly probability: Uint8Array;
}

export interface Scored extends AdaptationScore {
  readonly preview: Preview;
}

/** The middle of a stack, or of its quarters, as blocks of one size. */
function blocksOf(target: readonly Images[], most: number): Block[] {
  const least = (pick: (images: Images) => number, limit: number) =>
    Math.min(limit, ...target.map((images) => pick(images)));
  const size: Vec3 = [
    least(({ width }) => width, BLOCK.edge),
    least(({ height }) => height, BLOCK.edge),
    least(({ em }) => em.length, BLOCK.slices),
  ];
  const blocks = target.flatMap((images) => {
    const extent: Vec3 = [images.width, images.height, images.em.length];
    const fits = extent.map((length, axis) => Math.floor(length / size[axis]));
    // As many as fit, centred.
    const start = extent.map((length, axis) => Math.floor((length - fits[axis] * size[axis]) / 2));
    return Array.from({ length: fits[0] * fits[1] * fits[2] }, (_, i): Block => {
      const at = [i % fits[0], Math.floor(i / fits[0]) % fits[1], Math.floor(i / (fits[0] * fits[1]))];
      const lower = at.map((n, axis) => start[axis] + n * size[axis]) as unknown as Vec3;
      const upper = lower.map((l, axis) => l + size[axis]) as unknown as Vec3;
      return { images, core: { lower, upper } };
    });
  });
  // Evenly spread over what there is.
  const count = Math.min(most, blocks.length);
  return Array.from({ length: count }, (_, i) => blocks[Math.floor(((i + 0.5) * blocks.length) / count)]);
}

/** Samples of slices of one size, one after the other. */
function join(samples: readonly RegionSample[]): RegionSample {
  const all = (pick: (sample: RegionSample) => Float64Array) =>
    Float64Array.from(samples.flatMap((sample) => [...pick(sample)]));
  return {
    area: all(({ area }) => area),
    solidity: all(({ solidity }) => solidity),
    eccentricity: all(({ eccentricity }) => eccentricity),
    counts: all(({ counts }) => counts),
    sliceArea: samples[0].sliceArea,
  };
}

/**
 * Predicts some blocks of the target and measures the morphology of what is predicted, always the same blocks. The first
 * one's middle slice is shown.
 */
export class TargetScorer {
  private readonly blocks: readonly Block[];

  /**
   * @param target Unlabelled stacks on the model's grid.
   * @param most Blocks that are scored; each costs a chunk's forward passes.
   * @param source Region morphology of the source, on the same grid; null where it is not known.
   */
  constructor(
    target: readonly Images[],
    most: number,
    private readonly source: RegionDistribution | null,
    private readonly backend: BackendName,
  ) {
    this.blocks = blocksOf(target, most);
  }

  /** Slices that go through the network for one score. */
  get slices(): number {
    return this.blocks.reduce((sum, { core }) => sum + core.upper[2] - core.lower[2], 0);
  }

  /** @throws AbortError between slices; what the network throws. */
  async score(
    snapshot: Pick<Snapshot, "id" | "topology" | "weightSpecs" | "weightData" | "field">,
    signal: AbortSignal,
  ): Promise<Scored> {
    const network = await createNetwork(snapshot, this.backend);
    try {
      const samples: RegionSample[] = [];
      let preview: Preview | undefined;
      let foreground = 0;
      let pixels = 0;
      for (const { images, core } of this.blocks) {
        const [width, height] = [core.upper[0] - core.lower[0], core.upper[1] - core.lower[1]];
        const sampler = new RegionSampler(width, height);
        const middle = (core.lower[2] + core.upper[2]) >> 1;
        for (let z = core.lower[2]; z < core.upper[2]; z++) {
          const probability = await this.predict(images, core, z, snapshot, network.run, signal);
          sampler.add(probability);
          for (const p of probability) if (p >= 128) foreground++;
          pixels += probability.length;
          if (z === middle) preview ??= { width, height, em: crop(images, core, z), probability };
        }
        samples.push(sampler.result());
      }
      const sample = join(samples);
      return {
        solidity: meanSolidity(sample),
        ara: meanAra(sample),
        distribution: this.source && distributionDistance(sample, this.source).distance,
        regions: sample.area.length,
        fraction: foreground / pixels,
        preview: preview!,
      };
    } finally {
      network.dispose();
    }
  }

  /** One slice of a block: with the EM around it that the stack has, reflected at the stack's border. */
  private async predict(
    { width, height, em }: Images,
    { lower, upper }: Box,
    z: number,
    { field }: Pick<Snapshot, "field">,
    run: Parameters<typeof predictBox>[2],
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    const bounds: Box = { lower: [0, 0, 0], upper: [width, height, 1] };
    const { probability } = await predictBox(
      {
        em: em[z],
        gather: bounds,
        core: { lower: [lower[0], lower[1], 0], upper: [upper[0], upper[1], 1] },
        geometry: chooseGeometry([{ bounds, voxelSize: [1, 1, 1] }], [1, 1, 1]),
        window: [0, 255],
        tta: "none",
      },
      field,
      run,
      { maxTilePixels: MAX_TILE_PIXELS, batch: 1, signal },
    );
    return probability;
  }
}

function crop({ width, em }: Images, { lower, upper }: Box, z: number): Uint8Array {
  const columns = upper[0] - lower[0];
  const out = new Uint8Array(columns * (upper[1] - lower[1]));
  for (let y = lower[1]; y < upper[1]; y++)
    out.set(em[z].subarray(y * width + lower[0], y * width + upper[0]), (y - lower[1]) * columns);
  return out;
}
