/** Maps (x, y) to (a x + b y + c, d x + e y + f). */
export type Affine = readonly [a: number, b: number, c: number, d: number, e: number, f: number];

export const translation = (x: number, y: number): Affine => [1, 0, x, 0, 1, y];

/** From pixels of an image to those of the one it was resized from, pixels being squares: the centre of the first is at 1/2. */
export const scaling = (x: number, y: number): Affine => [x, 0, (x - 1) / 2, 0, y, (y - 1) / 2];

/** By `angle` radians about a point. */
export function rotation(angle: number, x: number, y: number): Affine {
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  return [cos, -sin, x - cos * x + sin * y, sin, cos, y - sin * x - cos * y];
}

export const apply = ([a, b, c, d, e, f]: Affine, x: number, y: number): readonly [number, number] => [
  a * x + b * y + c,
  d * x + e * y + f,
];

/** First `inner`, then `outer`. */
export function compose(outer: Affine, inner: Affine): Affine {
  const [a, b, c, d, e, f] = outer;
  const [p, q, r, s, t, u] = inner;
  return [a * p + b * s, a * q + b * t, a * r + b * u + c, d * p + e * s, d * q + e * t, d * r + e * u + f];
}

export function invert([a, b, c, d, e, f]: Affine): Affine {
  const determinant = a * e - b * d;
  if (!(Math.abs(determinant) > 1e-9)) throw new RangeError("an affine map onto a line has no inverse");
  const [p, q, s, t] = [e / determinant, -b / determinant, -d / determinant, a / determinant];
  return [p, q, -(p * c + q * f), s, t, -(s * c + t * f)];
}

export type Corners = readonly [
  readonly [number, number],
  readonly [number, number],
  readonly [number, number],
];

/** The map that takes three points to three others. @throws RangeError when they lie on a line. */
export function throughPoints(from: Corners, to: Corners): Affine {
  const frame = ([[x0, y0], [x1, y1], [x2, y2]]: Corners): Affine => [
    x1 - x0,
    x2 - x0,
    x0,
    y1 - y0,
    y2 - y0,
    y0,
  ];
  return compose(frame(to), invert(frame(from)));
}
