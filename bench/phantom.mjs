// Milliseconds for a chunk of the phantom at each drawn scale: `node bench/phantom.mjs`. A walk along a row of chunks in
// a fresh volume, so that growing the tissue at its front is counted in; "warm" reads the same chunks again.
import { register } from "tsx/esm/api";

register();
const { Phantom } = await import("../src/phantom/phantom.ts");
const { phantomPresets, phantomStyle } = await import("../src/phantom/style.ts");

const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];

for (const preset of Object.keys(phantomPresets)) {
  const style = phantomStyle(preset);
  for (let scale = 0; scale < 4; ++scale) {
    const phantom = new Phantom(style, 1);
    const { chunkSize } = phantom.scales[scale];
    const start = chunkSize.map((edge) => Math.floor(4096 / 2 ** scale / edge) * edge);
    const pass = () => {
      const times = [];
      for (let i = 0; i < (scale < 2 ? 12 : 3); ++i) {
        const lower = [start[0] + i * chunkSize[0], start[1], start[2]];
        const began = process.cpuUsage();
        phantom.em(scale, { lower, upper: lower.map((v, a) => v + chunkSize[a]) });
        const { user, system } = process.cpuUsage(began);
        times.push((user + system) / 1000);
      }
      return median(times);
    };
    const first = pass();
    const warm = pass();
    console.log(
      `phantom ${preset} scale ${scale} chunk ${chunkSize.join("x")}: ${first.toFixed(0)} ms first (median, CPU), ${warm.toFixed(0)} ms warm`,
    );
  }
}
