import { type Neurite, segmentFloats } from "./growth.js";

export const axisStep = 60;

/** Points along the axis of a neurite every `axisStep` nm: x y z, tangent x y z, radius of the tube. */
export function axisPoints(neurite: Neurite): Float64Array[] {
  const points: Float64Array[] = [];
  const s = neurite.segments;
  for (let at = 0; at < s.length; at += segmentFloats) {
    const d = [s[at + 3] - s[at], s[at + 4] - s[at + 1], s[at + 5] - s[at + 2]];
    const length = Math.sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2]);
    const count = Math.max(1, Math.round(length / axisStep));
    for (let i = 0; i < count; ++i) {
      const t = i / count;
      points.push(
        Float64Array.of(
          s[at] + t * d[0],
          s[at + 1] + t * d[1],
          s[at + 2] + t * d[2],
          d[0] / length,
          d[1] / length,
          d[2] / length,
          s[at + 6] + t * (s[at + 7] - s[at + 6]),
        ),
      );
    }
  }
  return points;
}

/** Component of v across the unit tangent at p[3..5], made unit length. */
export function across(v: Float64Array, p: Float64Array): [number, number, number] {
  const along = v[0] * p[3] + v[1] * p[4] + v[2] * p[5];
  const x = v[0] - along * p[3];
  const y = v[1] - along * p[4];
  const z = v[2] - along * p[5];
  const scale = 1 / Math.sqrt(Math.max(1e-6, x * x + y * y + z * z));
  return [x * scale, y * scale, z * scale];
}
