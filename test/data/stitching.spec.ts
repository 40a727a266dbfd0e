import { existsSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { labelMask, labelRuns } from "../../src/segmentation/label.js";
import { paintRuns } from "../../src/segmentation/label_runs.js";
import { ObjectGraph } from "../../src/segmentation/object_graph.js";
import { boxSize, boxVolume } from "../../src/volume/box.js";
import { openImageStack } from "../../src/volume/image_stack_node.js";
import type { Box, Vec3 } from "../../src/volume/types.js";
import { generator } from "../unit/segmentation/random.js";

const DATA = new URL("../../../shared/data/", import.meta.url).pathname;
const CASES = [
  {
    name: "Lucchi++ train, 512 x 512 x 60",
    path: "Lucchi++/Train_Out",
    size: [512, 512, 60] as Vec3,
    voxelSize: [5, 5, 5] as Vec3,
    chunk: [120, 256, 8] as Vec3,
    objects: undefined,
  },
  {
    name: "Lucchi++ train",
    path: "Lucchi++/Train_Out",
    size: [1024, 768, 165] as Vec3,
    voxelSize: [5, 5, 5] as Vec3,
    chunk: [256, 256, 16] as Vec3,
    objects: 43,
  },
  {
    name: "VNC",
    path: "VNC/stack1/mitochondria",
    size: [1024, 1024, 20] as Vec3,
    voxelSize: [4.6, 4.6, 45] as Vec3,
    chunk: [200, 100, 3] as Vec3,
    objects: undefined,
  },
];

describe("real masks, stitched from chunks", () => {
  for (const { name, path, size, voxelSize, chunk, objects } of CASES) {
    const present = existsSync(DATA + path);
    it.skipIf(!present)(
      present ? `equal the labelling of the whole: ${name}` : `${name}: ../shared/data/${path} is not there`,
      async () => {
        const source = await openImageStack(DATA + path, { voxelSize });
        const bounds: Box = { lower: [0, 0, 0], upper: size };
        const values = await source.read(0, bounds);
        const mask = new Uint8Array(values.length);
        for (let i = 0; i < mask.length; ++i) mask[i] = values[i] > 0 ? 1 : 0;
        const whole = labelMask(mask, size);
        if (objects !== undefined) expect(whole.count).toBe(objects);

        const graph = new ObjectGraph({ connectivity: 26, chunkSize: chunk, bounds, maximumBytes: 2 ** 20 });
        const random = generator(chunk[0]);
        const { end } = graph.grid;
        const positions = Array.from({ length: end[0] * end[1] * end[2] }, (_, i) =>
          graph.grid.positionOf(i),
        );
        for (let i = positions.length - 1; i > 0; --i) {
          const j = random.below(i + 1);
          [positions[i], positions[j]] = [positions[j], positions[i]];
        }
        const runsOf = (position: Vec3) => {
          const box = graph.grid.boxOf(position);
          const [width, height, depth] = boxSize(box);
          const part = new Uint8Array(width * height * depth);
          for (let row = 0; row < height * depth; ++row) {
            const [y, z] = [box.lower[1] + (row % height), box.lower[2] + Math.floor(row / height)];
            const from = box.lower[0] + size[0] * (y + size[1] * z);
            part.set(mask.subarray(from, from + width), row * width);
          }
          return labelRuns(part, [width, height, depth], 1, 26);
        };
        for (const position of positions) graph.put(position, runsOf(position));
        const forgotten = positions.filter(() => random.next() < 0.3);
        for (const position of forgotten) graph.remove(position);
        for (const position of forgotten) graph.put(position, runsOf(position));

        expect(graph.size).toBe(whole.count);
        const idOf = new Map<number, number>();
        const labelOf = new Map<number, number>();
        let differing = 0;
        for (const position of positions) {
          const box = graph.grid.boxOf(position);
          const [width, height] = boxSize(box);
          const ids = new Float64Array(boxVolume(box));
          paintRuns(runsOf(position), ids, graph.mappingOf(position));
          for (let i = 0; i < ids.length; ++i) {
            const x = box.lower[0] + (i % width);
            const y = box.lower[1] + (Math.floor(i / width) % height);
            const z = box.lower[2] + Math.floor(i / (width * height));
            const label = whole.labels[x + size[0] * (y + size[1] * z)];
            if (label === 0 || ids[i] === 0) {
              if (label !== ids[i]) ++differing;
              continue;
            }
            if (!idOf.has(label)) idOf.set(label, ids[i]);
            if (!labelOf.has(ids[i])) labelOf.set(ids[i], label);
            if (idOf.get(label) !== ids[i] || labelOf.get(ids[i]) !== label) ++differing;
          }
        }
        expect(differing).toBe(0);
        expect(idOf.size).toBe(whole.count);
        expect([...graph.objects()].every(({ partial }) => !partial)).toBe(true);
      },
      120_000,
    );
  }
});
