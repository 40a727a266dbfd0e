import type { Vec3 } from "../volume/types.js";
import type { TriangleMesh } from "./types.js";

/** Taubin 1995 (doi:10.1145/218380.218473): a shrinking and a growing step; pass band 1/0.5 - 1/0.53 = 0.11. */
const SHRINK = 0.5;
const GROW = -0.53;

/** Corrections of the volume: each leaves a few per cent of what was off. */
const CORRECTIONS = 3;

/** Objects of a few voxels are not smoothed: when more of the volume than this is lost or won, the mesh stays as it was. */
const MOST_CHANGE = 0.35;

/** Neighbours of the vertices of a closed mesh: those of v are targets[first[v]] to targets[first[v + 1] - 1]. */
interface Neighbours {
  readonly first: Uint32Array;
  readonly targets: Uint32Array;
}

/** In a closed, oriented mesh each directed edge is in one triangle: every neighbour comes once. */
function neighboursOf({ positions, indices }: TriangleMesh): Neighbours {
  const first = new Uint32Array(positions.length / 3 + 1);
  for (const vertex of indices) ++first[vertex + 1];
  for (let i = 1; i < first.length; ++i) first[i] += first[i - 1];
  const next = first.slice();
  const targets = new Uint32Array(indices.length);
  for (let i = 0; i < indices.length; i += 3)
    for (let corner = 0; corner < 3; ++corner)
      targets[next[indices[i + corner]]++] = indices[i + ((corner + 1) % 3)];
  return { first, targets };
}

/**
 * Smooths a closed mesh in place, by Taubin's method, and gives it back the volume that it had. A neighbour counts by one over its distance
 * in nm (Fujiwara 1995), so that voxels longer along one axis are not smoothed more along it. Objects of a few voxels stay as they are.
 *
 * @param sampleSize nm of one unit of the positions, x y z.
 */
export function smooth(mesh: TriangleMesh, sampleSize: Vec3, passes: number, signal?: AbortSignal): void {
  const { positions } = mesh;
  const { first, targets } = neighboursOf(mesh);
  const weights = new Float32Array(targets.length);
  for (let vertex = 0; vertex + 1 < first.length; ++vertex) {
    let sum = 0;
    for (let i = first[vertex]; i < first[vertex + 1]; ++i) {
      weights[i] = 1 / distance(positions, vertex, targets[i], sampleSize);
      sum += weights[i];
    }
    for (let i = first[vertex]; i < first[vertex + 1]; ++i) weights[i] /= sum;
  }
  const volume = signedVolume(mesh);
  const before = positions.slice();
  const moves = new Float32Array(positions.length);
  for (let step = 0; step < 2 * passes; ++step) {
    signal?.throwIfAborted();
    const factor = step % 2 === 0 ? SHRINK : GROW;
    for (let vertex = 0; vertex + 1 < first.length; ++vertex) {
      let x = 0;
      let y = 0;
      let z = 0;
      for (let i = first[vertex]; i < first[vertex + 1]; ++i) {
        const target = 3 * targets[i];
        x += weights[i] * positions[target];
        y += weights[i] * positions[target + 1];
        z += weights[i] * positions[target + 2];
      }
      moves[3 * vertex] = x - positions[3 * vertex];
      moves[3 * vertex + 1] = y - positions[3 * vertex + 1];
      moves[3 * vertex + 2] = z - positions[3 * vertex + 2];
    }
    for (let i = 0; i < positions.length; ++i) positions[i] += factor * moves[i];
  }
  const isNear = () => Math.abs(signedVolume(mesh) / volume - 1) <= MOST_CHANGE;
  for (let i = 0; i < CORRECTIONS && isNear(); ++i) correctVolume(mesh, sampleSize, volume, moves);
  if (!isNear()) positions.set(before);
}

function distance(positions: Float32Array, a: number, b: number, size: Vec3): number {
  return Math.hypot(
    (positions[3 * a] - positions[3 * b]) * size[0],
    (positions[3 * a + 1] - positions[3 * b + 1]) * size[1],
    (positions[3 * a + 2] - positions[3 * b + 2]) * size[2],
  );
}

/** Volume within a closed mesh, in cubes of the positions' unit: positive when its triangles face outwards. */
export function signedVolume({ positions: p, indices }: TriangleMesh): number {
  let sum = 0;
  for (let i = 0; i < indices.length; i += 3) {
    const [a, b, c] = [3 * indices[i], 3 * indices[i + 1], 3 * indices[i + 2]];
    sum +=
      p[a] * (p[b + 1] * p[c + 2] - p[b + 2] * p[c + 1]) +
      p[a + 1] * (p[b + 2] * p[c] - p[b] * p[c + 2]) +
      p[a + 2] * (p[b] * p[c + 1] - p[b + 1] * p[c]);
  }
  return sum / 6;
}

/** Moves all vertices along their normals, by the same distance in nm, towards a volume in cubes of the positions' unit. */
function correctVolume(mesh: TriangleMesh, size: Vec3, volume: number, normals: Float32Array): void {
  const { positions: p, indices } = mesh;
  normals.fill(0);
  for (let i = 0; i < indices.length; i += 3) {
    const [a, b, c] = [3 * indices[i], 3 * indices[i + 1], 3 * indices[i + 2]];
    const ux = (p[b] - p[a]) * size[0];
    const uy = (p[b + 1] - p[a + 1]) * size[1];
    const uz = (p[b + 2] - p[a + 2]) * size[2];
    const vx = (p[c] - p[a]) * size[0];
    const vy = (p[c + 1] - p[a + 1]) * size[1];
    const vz = (p[c + 2] - p[a + 2]) * size[2];
    for (const vertex of [a, b, c]) {
      normals[vertex] += uy * vz - uz * vy;
      normals[vertex + 1] += uz * vx - ux * vz;
      normals[vertex + 2] += ux * vy - uy * vx;
    }
  }
  // Six times the area: each triangle's double area is in the sums of three vertices, less where they are curved.
  let area = 0;
  for (let i = 0; i < normals.length; i += 3) {
    const length = Math.hypot(normals[i], normals[i + 1], normals[i + 2]);
    area += length / 6;
    if (length === 0) continue;
    for (let axis = 0; axis < 3; ++axis) normals[i + axis] /= length * size[axis];
  }
  const missing = (volume - signedVolume(mesh)) * size[0] * size[1] * size[2];
  if (!(area > 0)) return;
  for (let i = 0; i < p.length; ++i) p[i] += normals[i] * (missing / area);
}
