import { describe, expect, it } from "vitest";
import { labelRuns } from "../../../src/segmentation/label.js";
import { paintRuns, visitRuns } from "../../../src/segmentation/label_runs.js";
import { ObjectGraph } from "../../../src/segmentation/object_graph.js";
import type { GraphObject } from "../../../src/segmentation/object_graph_types.js";
import type { Connectivity, LabelRuns } from "../../../src/segmentation/types.js";
import { boxSize } from "../../../src/volume/box.js";
import type { Box, Vec3 } from "../../../src/volume/types.js";
import { generator } from "./random.js";

const CASES = 1000;
const ID_STEP = 2 ** 20;
const ORIGIN: Vec3 = [0, 0, 0];

type Random = ReturnType<typeof generator>;

const index = ([x, y, z]: Vec3, [sx, sy]: Vec3) => x + sx * (y + sy * z);
const volumeOf = (size: Vec3) => size[0] * size[1] * size[2];

/** Noise of some density, or ellipsoids longer along one axis than another with a soft edge, so that thresholds matter. */
function probability(size: Vec3, random: Random): Uint8Array {
  const values = new Uint8Array(volumeOf(size));
  const noise = random.next() < 0.4;
  const density = 40 + random.below(200);
  if (noise) return values.map(() => random.below(256) * (random.below(256) < density ? 1 : 0));
  for (let blob = 0; blob < 1 + random.below(7); ++blob) {
    const centre = size.map((extent) => random.next() * extent);
    const radius = size.map((extent) => 0.4 + random.next() * Math.max(1, extent / 2.5));
    for (let i = 0; i < values.length; ++i) {
      const at = [i % size[0], Math.floor(i / size[0]) % size[1], Math.floor(i / (size[0] * size[1]))];
      const distance = Math.hypot(...at.map((a, axis) => (a - centre[axis]) / radius[axis]));
      values[i] = Math.max(values[i], Math.round(255 * Math.max(0, 1.3 - distance)) & 255);
    }
  }
  return values;
}

function cut(values: Uint8Array, size: Vec3, { lower, upper }: Box): Uint8Array {
  const part: number[] = [];
  for (let z = lower[2]; z < upper[2]; ++z)
    for (let y = lower[1]; y < upper[1]; ++y)
      for (let x = lower[0]; x < upper[0]; ++x) part.push(values[index([x, y, z], size)]);
  return Uint8Array.from(part);
}

/**
 * What a network of this receptive field might say: the weighted mean over the voxels that are at most `reach` away and in the volume.
 * @returns of the box `inner` of `values`, whose size is `size`.
 */
function predict(values: Uint8Array, size: Vec3, inner: Box, reach: number): Uint8Array {
  const out: number[] = [];
  for (let z = inner.lower[2]; z < inner.upper[2]; ++z)
    for (let y = inner.lower[1]; y < inner.upper[1]; ++y)
      for (let x = inner.lower[0]; x < inner.upper[0]; ++x) {
        let sum = 0;
        let weight = 0;
        for (let w = Math.max(0, z - reach); w <= Math.min(size[2] - 1, z + reach); ++w)
          for (let v = Math.max(0, y - reach); v <= Math.min(size[1] - 1, y + reach); ++v)
            for (let u = Math.max(0, x - reach); u <= Math.min(size[0] - 1, x + reach); ++u) {
              const near = u === x && v === y && w === z ? 40 : 1 + (u > x ? 1 : 0);
              sum += near * values[index([u, v, w], size)];
              weight += near;
            }
        out.push(Math.round(sum / weight));
      }
  return Uint8Array.from(out);
}

interface Expected {
  /** Object id of every voxel of the volume; 0 is background. */
  readonly ids: Float64Array;
  readonly objects: Map<number, Omit<GraphObject, "pieces"> & { pieces: string[] }>;
}

/** A volume, its chunks, and what was put where. */
class World {
  readonly graph: ObjectGraph;
  readonly thresholds = new Map<string, number>();
  readonly runs = new Map<string, LabelRuns>();
  readonly positions: Vec3[] = [];
  /** Of the whole volume at once. */
  readonly values: Uint8Array;
  private readonly predicted = new Map<string, Uint8Array>();

  constructor(
    readonly size: Vec3,
    private readonly em: Uint8Array,
    private readonly halo: number,
    readonly connectivity: Connectivity,
    chunkSize: Vec3,
    maximumBytes: number,
  ) {
    this.values = predict(em, size, { lower: ORIGIN, upper: size }, halo);
    this.graph = new ObjectGraph({
      connectivity,
      chunkSize,
      bounds: { lower: ORIGIN, upper: size },
      maximumBytes,
    });
    const { end } = this.graph.grid;
    for (let z = 0; z < end[2]; ++z)
      for (let y = 0; y < end[1]; ++y) for (let x = 0; x < end[0]; ++x) this.positions.push([x, y, z]);
  }

  private at(i: number): Vec3 {
    const [sx, sy] = this.size;
    return [i % sx, Math.floor(i / sx) % sy, Math.floor(i / (sx * sy))];
  }

  runsOf(position: Vec3, threshold: number): LabelRuns {
    const box = this.graph.grid.boxOf(position);
    let predicted = this.predicted.get(`${position}`);
    if (predicted === undefined) {
      // From the chunk and its halo alone.
      const lower = box.lower.map((l) => Math.max(0, l - this.halo)) as unknown as Vec3;
      const upper = box.upper.map((u, i) => Math.min(this.size[i], u + this.halo)) as unknown as Vec3;
      const from = (corner: Vec3) => corner.map((c, i) => c - lower[i]) as unknown as Vec3;
      const em = cut(this.em, this.size, { lower, upper });
      const inner = { lower: from(box.lower), upper: from(box.upper) };
      predicted = predict(em, boxSize({ lower, upper }), inner, this.halo);
      this.predicted.set(`${position}`, predicted);
    }
    return labelRuns(predicted, boxSize(box), threshold, this.connectivity);
  }

  put(position: Vec3, threshold: number): void {
    const runs = this.runsOf(position, threshold);
    this.graph.put(position, runs);
    this.thresholds.set(`${position}`, threshold);
    this.runs.set(`${position}`, runs);
  }

  remove(position: Vec3): void {
    this.graph.remove(position);
    this.thresholds.delete(`${position}`);
    this.runs.delete(`${position}`);
  }

  /** Paints the chunks into the volume, as label or as what `value` gives for it. */
  painted(value: (position: Vec3, runs: LabelRuns) => ArrayLike<number>): Float64Array {
    const whole = new Float64Array(this.values.length);
    for (const position of this.positions) {
      const runs = this.runs.get(`${position}`);
      if (runs === undefined) continue;
      const { lower } = this.graph.grid.boxOf(position);
      const part = new Float64Array(volumeOf(runs.size));
      paintRuns(runs, part, value(position, runs));
      for (let i = 0; i < part.length; ++i) {
        if (part[i] === 0) continue;
        const x = i % runs.size[0];
        const y = Math.floor(i / runs.size[0]) % runs.size[1];
        const z = Math.floor(i / (runs.size[0] * runs.size[1]));
        whole[index([lower[0] + x, lower[1] + y, lower[2] + z], this.size)] = part[i];
      }
    }
    return whole;
  }

  /** By labelling the whole volume at once, the voxels of absent chunks being background. */
  expected(): Expected {
    const { size, graph } = this;
    const pieces = this.painted((position, { count }) =>
      Float64Array.from(
        { length: count + 1 },
        (_, label) => label && graph.grid.indexOf(position) * ID_STEP + label,
      ),
    );
    const mask = Uint8Array.from(this.values, (value, i) => {
      const chunk = this.at(i).map((a, axis) => Math.floor(a / graph.grid.chunkSize[axis]));
      return value >= (this.thresholds.get(`${chunk}`) ?? 256) ? 1 : 0;
    });
    expect(pieces.map((piece) => Math.min(piece, 1))).toEqual(Float64Array.from(mask));
    const truth = labelRuns(mask, size, 1, this.connectivity);
    const labels = new Uint32Array(mask.length);
    paintRuns(truth, labels);
    const idOf = new Float64Array(truth.count + 1).fill(Infinity);
    labels.forEach((label, i) => {
      if (label > 0) idOf[label] = Math.min(idOf[label], pieces[i]);
    });
    const found = new Map<
      number,
      { voxels: number; partial: boolean; border: boolean; pieces: Set<string> }
    >();
    labels.forEach((label, i) => {
      if (label === 0) return;
      const id = idOf[label];
      const object = found.get(id) ?? { voxels: 0, partial: false, border: false, pieces: new Set<string>() };
      found.set(id, object);
      ++object.voxels;
      const chunk = Math.floor(pieces[i] / ID_STEP);
      object.pieces.add(`${graph.grid.positionOf(chunk)}:${pieces[i] % ID_STEP}`);
      const at: Vec3 = [i % size[0], Math.floor(i / size[0]) % size[1], Math.floor(i / (size[0] * size[1]))];
      if (at.some((a, axis) => a === 0 || a === size[axis] - 1)) object.border = true;
      if (!object.partial) object.partial = this.meetsAbsence(at);
    });
    const ids = Float64Array.from(labels, (label) => (label === 0 ? 0 : idOf[label]));
    const objects = new Map(
      [...found].map(([id, object]) => [id, { ...object, id, pieces: [...object.pieces].sort() }]),
    );
    return { ids, objects };
  }

  /** Whether a voxel that this one would be connected with lies in a chunk that is not there. */
  private meetsAbsence(at: Vec3): boolean {
    const { chunkSize } = this.graph.grid;
    const most = { 6: 1, 18: 2, 26: 3 }[this.connectivity];
    for (let d = 0; d < 27; ++d) {
      const offset = [(d % 3) - 1, (Math.floor(d / 3) % 3) - 1, Math.floor(d / 9) - 1];
      if (offset.filter((o) => o !== 0).length > most) continue;
      const next = at.map((a, axis) => a + offset[axis]);
      if (next.some((n, axis) => n < 0 || n >= this.size[axis])) continue;
      if (!this.thresholds.has(`${next.map((n, axis) => Math.floor(n / chunkSize[axis]))}`)) return true;
    }
    return false;
  }
}

const plain = (object: GraphObject) => ({
  ...object,
  pieces: object.pieces.map(({ position, label }) => `${position}:${label}`).sort(),
});

/** Knows only what `takeChanges` told it and what it asked for then. */
class Client {
  readonly objects = new Map<number, ReturnType<typeof plain>>();
  readonly mappings = new Map<string, Float64Array>();
  /** Chunks put or removed since changes were taken. */
  readonly touched = new Set<string>();

  take(world: World): void {
    const { graph } = world;
    const { objects, gone, renamed, chunks } = graph.takeChanges();
    expect(new Set(objects).size).toBe(objects.length);
    const heirs = new Map(renamed);
    for (const id of gone) {
      const known = this.objects.get(id)!;
      const remain = known.pieces.filter((piece) => !this.touched.has(piece.split(":")[0]));
      const own = remain.includes(`${graph.grid.positionOf(Math.floor(id / ID_STEP))}:${id % ID_STEP}`);
      // An id whose piece is as it was is followed by what has the piece; else something has what remains.
      if (own) expect(heirs.get(id)).toBe(graph.objectOfPiece(id));
      else if (this.touched.size === 1) expect(heirs.has(id)).toBe(remain.length > 0);
      this.objects.delete(id);
    }
    this.touched.clear();
    for (const id of objects) this.objects.set(id, plain(graph.object(id)!));
    for (const [from, to] of renamed) {
      expect(gone).toContain(from);
      expect(this.objects.has(to)).toBe(true);
    }
    for (const position of chunks) {
      const mapping = graph.mappingOf(position)!;
      expect(mapping).not.toEqual(this.mappings.get(`${position}`));
      this.mappings.set(`${position}`, mapping);
    }
  }
}

function check(world: World, client: Client, minimum: number): number {
  const { graph } = world;
  const expected = world.expected();
  const painted = world.painted((position) => client.mappings.get(`${position}`)!);
  const shown = expected.ids.map((id) => {
    const object = expected.objects.get(id);
    return object && (object.voxels >= minimum || object.partial) ? id : 0;
  });
  expect(painted).toEqual(shown);
  expect(new Map([...client.objects].sort())).toEqual(new Map([...expected.objects].sort()));
  expect([...graph.objects()].map(plain).sort((a, b) => a.id - b.id)).toEqual(
    [...expected.objects.values()].sort((a, b) => a.id - b.id),
  );
  expect(graph.size).toBe(expected.objects.size);
  // Those of which the runs were not dropped.
  const runs = new Float64Array(painted.length);
  const there = new Set<number>();
  for (const id of expected.objects.keys()) {
    for (const { lower, runs: placed, labels } of graph.piecesOf(id) ?? []) {
      there.add(id);
      visitRuns(placed, (label, y, z, start, end) => {
        const at = index([lower[0], lower[1] + y, lower[2] + z], world.size);
        if (labels.includes(label)) runs.fill(id, at + start, at + end);
      });
    }
  }
  expect(runs).toEqual(expected.ids.map((id) => (there.has(id) ? id : 0)));
  return there.size;
}

describe("ObjectGraph", () => {
  it(`equals the labelling of the whole region, ${CASES} cases`, () => {
    let compared = 0;
    for (let seed = 0, cases = 0; cases < CASES; ++seed) {
      const random = generator(seed);
      const size: Vec3 = [1 + random.below(14), 1 + random.below(12), 1 + random.below(7)];
      const chunkSize = size.map((extent) => 1 + random.below(extent + 1)) as unknown as Vec3;
      const connectivity = random.pick([6, 18, 26] as const);
      const maximumBytes = random.pick([0, 2 ** 14, 2 ** 30]);
      const world = new World(
        size,
        probability(size, random),
        random.below(2),
        connectivity,
        chunkSize,
        maximumBytes,
      );
      if (world.positions.length > 60) continue;
      ++cases;
      const client = new Client();
      const { graph } = world;
      let minimum = 0;
      const thresholds = [1, 40, 128, 200];
      const base = random.pick(thresholds);
      const steps = Math.min(40, 2 + random.below(2 * world.positions.length + 2));
      for (let step = 0; step < steps; ++step) {
        const position = random.pick(world.positions);
        const kind = random.next();
        if (kind < 0.2 || kind >= 0.25) client.touched.add(`${position}`);
        if (kind < 0.2) {
          world.remove(position);
          client.mappings.delete(`${position}`);
        } else if (kind < 0.25) graph.minimumVoxels = minimum = random.below(30);
        else {
          world.put(position, random.next() < 0.8 ? base : random.pick(thresholds));
          client.mappings.set(`${position}`, graph.mappingOf(position)!);
        }
        if (random.next() < 0.4) client.take(world);
      }
      client.take(world);
      try {
        compared += check(world, client, minimum);
      } catch (error) {
        throw new Error(`case ${seed}: ${size} in chunks of ${chunkSize}, connectivity ${connectivity}`, {
          cause: error,
        });
      }
    }
    expect(compared).toBeGreaterThan(CASES);
  }, 120_000);
});
