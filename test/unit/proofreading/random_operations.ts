import { correctedLabels } from "../../../src/proofreading/corrected_labels.js";
import type { Replay } from "../../../src/proofreading/replay.js";
import type { Action, CorrectedObject, KnownOperation } from "../../../src/proofreading/types.js";
import type { Vec3 } from "../../../src/volume/types.js";
import type { Blob, Scribe } from "./scene.js";

/** Numbers in [0, 1) that are the same for the same seed (a linear congruential generator, Numerical Recipes' constants). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** A proofreader who does anything, mostly to objects, sometimes to background, and takes back anything. */
export function randomAction(
  random: () => number,
  blobs: readonly Blob[],
  size: Vec3,
  earlier: readonly KnownOperation[],
): Action {
  const whole = (n: number) => Math.floor(random() * n);
  const voxel = (): Vec3 => {
    const { centre, radius } = blobs[whole(blobs.length)];
    const off = () => Math.round((random() - 0.5) * radius * 1.6);
    const at = centre.map((c, i) => Math.min(size[i] - 1, Math.max(0, c + off())));
    return [at[0], at[1], at[2]];
  };
  const reach = () =>
    random() < 0.5
      ? ({ dimensions: 3 } as const)
      : ({
          dimensions: 2,
          axis: whole(3) as 0 | 1 | 2,
          sections: random() < 0.5 ? "all" : "anchor",
        } as const);
  const kinds: (() => Action)[] = [
    () => ({ kind: "merge", anchors: Array.from({ length: 2 + whole(2) }, voxel) }),
    () => ({
      kind: "split",
      parts: Array.from({ length: 2 + whole(2) }, () => Array.from({ length: 1 + whole(2) }, voxel)),
      landscape: random() < 0.5 ? "probability" : "distance",
    }),
    () => ({ kind: "separate", anchor: voxel() }),
    () => {
      const at = voxel();
      const corner = (by: number): Vec3 => [at[0] + by, at[1] + by, at[2] + by];
      return { kind: "separate", anchor: at, within: { lower: corner(-3), upper: corner(4) } };
    },
    () => ({ kind: "delete", anchor: voxel() }),
    () => ({ kind: "restore", anchor: voxel() }),
    () => ({ kind: "add", seed: voxel(), threshold: 0.1 + 0.6 * random(), radius: [5, 5, 3] }),
    () => {
      const seed = voxel();
      const click = ([x, y]: Vec3) => [x, y, seed[2], 1 + whole(3)] as const;
      const lines = [[click(seed), click(voxel())]];
      return { kind: "add", seed, threshold: 0, radius: [9, 9, 3], strokes: { axis: 2, lines } };
    },
    () => ({ kind: "fill_holes", anchor: voxel(), reach: reach() }),
    () => ({ kind: "smooth", anchor: voxel(), voxels: 1, reach: reach() }),
    () => ({ kind: "grow", anchor: voxel(), voxels: 1, reach: reach() }),
    () => ({ kind: "shrink", anchor: voxel(), voxels: 1, reach: reach() }),
    () => ({
      kind: "verdict",
      anchor: voxel(),
      verdict: (["accept", "reject", "unsure", "expert", "none"] as const)[whole(5)],
    }),
    () => ({ kind: "tag", anchor: voxel(), tag: `tag ${whole(3)}`, remove: random() < 0.3 }),
    () => ({ kind: "comment", anchor: voxel(), text: `comment ${whole(100)}` }),
  ];
  if (earlier.length > 0 && random() < 0.3) {
    // Mostly the last ones, as people do.
    const target =
      earlier[random() < 0.7 ? Math.max(0, earlier.length - 1 - whole(3)) : whole(earlier.length)];
    return { kind: random() < 0.6 ? "undo" : "redo", target: target.id };
  }
  return kinds[whole(kinds.length)]();
}

export function writeRandom(
  scribe: Scribe,
  random: () => number,
  blobs: readonly Blob[],
  size: Vec3,
  count: number,
) {
  const made: KnownOperation[] = [];
  for (let i = 0; i < count; ++i) made.push(scribe.write(randomAction(random, blobs, size, made)));
  return made;
}

/** All that a replay came to, for comparison. */
export function outcome(replay: Replay): {
  objects: readonly CorrectedObject[];
  labels: Float64Array;
  conflicts: unknown;
} {
  const { corrections } = replay;
  return {
    objects: [...corrections.corrected()].sort((a, b) => a.id - b.id),
    labels: correctedLabels(corrections, corrections.view.bounds),
    conflicts: replay.conflicts(),
  };
}
