/**
 * Imports a made-up volume and prints by how many bytes the memory of the process grew at its peak, for a test that
 * wants a process of its own: `tsx import_memory.ts <output> <x,y,z> <slab bytes>`.
 */
import { boxSize } from "../../src/volume/box.js";
import { importVolume } from "../../src/volume/import_node.js";
import type { Vec3, VolumeSource } from "../../src/volume/types.js";

const [output, sizeText, slabText] = process.argv.slice(2);
const size = sizeText.split(",").map(Number) as unknown as Vec3;

const source: VolumeSource = {
  name: "made up",
  dataType: "uint8",
  scales: [{ bounds: { lower: [0, 0, 0], upper: size }, voxelSize: [5, 5, 5], chunkSize: size }],
  async read(_scale, box) {
    const [sx, sy, sz] = boxSize(box);
    const voxels = new Uint8Array(sx * sy * sz);
    for (let z = 0; z < sz; ++z) voxels.fill((box.lower[2] + z) % 251, sx * sy * z, sx * sy * (z + 1));
    return voxels;
  },
};

// A first small import loads the code, the codec and the compiler's output: what grows after that is the import's own.
await importVolume({
  input: { ...source, scales: [{ ...source.scales[0], bounds: { lower: [0, 0, 0], upper: [64, 64, 64] } }] },
  output: `${output}.warm`,
});
const before = process.memoryUsage().rss;
await importVolume({ input: source, output, slabBytes: Number(slabText) });
process.stdout.write(`${process.resourceUsage().maxRSS * 1024 - before}\n`);
