import { dirname, resolve } from "node:path";
import { writeIndex, writePackage } from "../../src/model/write_node.js";
import { QUANTILES, type QuantityDistribution } from "../../src/morphology/types.js";
import { tinyContents } from "./tiny_model.js";

/** Even from one value to another. */
function even(from: number, to: number): QuantityDistribution {
  const quantiles = Array.from({ length: QUANTILES }, (_, i) => from + ((i + 0.5) / QUANTILES) * (to - from));
  return { quantiles, spread: (to - from) / Math.sqrt(12) };
}

/** The tiny model as `<models>/<id>`, with distributions of an invented source's regions, and listed. */
export async function writeSourceModel(directory: string): Promise<void> {
  const contents = await tinyContents();
  await writePackage(directory, {
    ...contents,
    config: {
      ...contents.config,
      sourceSummary: {
        histogram: new Array<number>(256).fill(1),
        regions: {
          solidity: even(0.9, 0.99),
          logArea: even(Math.log(200), Math.log(4000)),
          eccentricity: even(0.3, 0.9),
          density: even(Math.log1p(50), Math.log1p(250)),
        },
      },
    },
  });
  await writeIndex(dirname(resolve(directory)));
}
