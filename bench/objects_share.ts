import { existsSync } from "node:fs";
import { join } from "node:path";
import { chooseGeometry } from "../src/inference/geometry.js";
import { planPrediction } from "../src/inference/plan.js";
import { createPredictor } from "../src/inference/predictor.js";
import { selectBackend } from "../src/kernels/backend_node.js";
import { readPackageFolder } from "../src/model/read_node.js";
import { openImageStack } from "../src/volume/image_stack_node.js";
import type { Box } from "../src/volume/types.js";
import { analyse } from "../workers/analyse.js";

const MODEL = "models/lucchi-source-only";
/** Share of the forward pass that objects may cost. */
const MOST = 0.15;

/**
 * What labelling, sums with intensity and the morphology of a chunk cost, as the analysis worker does it, as a share of the chunk's
 * forward pass on WASM in one thread. Real EM of 5 nm: the model works at 10 nm, so that a chunk has four voxels to label for each that
 * the network computes, the dearest case.
 */
export async function printShare(): Promise<void> {
  const path = join(import.meta.dirname, "../../shared/data/Lucchi++/Test_In");
  if (!existsSync(path)) {
    console.log("share of a forward pass: skipped, no Lucchi++ in ../shared/data");
    return;
  }
  const source = await openImageStack(path, { voxelSize: [5, 5, 5] });
  const model = await readPackageFolder(join(import.meta.dirname, "..", MODEL));
  const { name } = await selectBackend("wasm");
  const predictor = await createPredictor(model, name);
  try {
    const geometry = chooseGeometry(source.scales, predictor.voxelSize);
    const core: Box = { lower: [384, 256, 16], upper: [640, 512, 24] };
    const { gather } = planPrediction(geometry, predictor.field, core);
    const em = (await source.read(0, gather)) as Uint8Array;
    const inside = (await source.read(0, core)) as Uint8Array;
    const { window } = model.config;
    const forward: number[] = [];
    const objects: number[] = [];
    let found = 0;
    for (let round = 0; round < 3; ++round) {
      const { probability, milliseconds } = await predictor.predict({
        em,
        gather,
        core,
        geometry,
        window,
        tta: "none",
      });
      forward.push(milliseconds);
      for (let again = 0; again < 10; ++again) {
        const start = performance.now();
        const { runs } = analyse({
          probability,
          size: [256, 256, 8],
          sliceAxis: geometry.sliceAxis,
          settings: { threshold: 0.5, minimumVoxels: 0, connectivity: 26 },
          em: inside,
        });
        objects.push(performance.now() - start);
        found = runs.count;
      }
    }
    const median = (values: number[]) => [...values].sort((a, b) => a - b)[values.length >> 1];
    const [ours, theirs, first] = [median(objects), median(forward), objects[0]];
    const share = (ms: number) => `${((100 * ms) / theirs).toFixed(2)} %`;
    console.log(`objects of a chunk of 256 x 256 x 8 of Lucchi++ test, ${found} objects`);
    console.log(`  forward pass, ${name}            ${theirs.toFixed(1).padStart(9)} ms`);
    console.log(
      `  label, sums, morphology      ${ours.toFixed(1).padStart(9)} ms   ${share(ours)} of the forward pass`,
    );
    console.log(`  the first time               ${first.toFixed(1).padStart(9)} ms   ${share(first)}`);
    if (ours > MOST * theirs) throw new Error(`objects cost more than ${100 * MOST} % of a forward pass`);
  } finally {
    predictor.dispose();
    await source.close?.();
  }
}
