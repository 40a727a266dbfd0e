/** The ellipsoid with the same second moments as an object. */
export interface PrincipalAxes {
  /** Full lengths, longest first; 0 across an object that is one voxel thick. */
  readonly lengths: readonly [number, number, number];
  /** Degrees from x towards y of the longest axis, turned so that it points to z >= 0: 0 to 360, below 180 where it lies in the plane. */
  readonly azimuth: number;
  /** Degrees of the longest axis above the x-y plane, 0 to 90. */
  readonly inclination: number;
}

/** Lengths that differ by less than this share of the longest are the same: the direction would be rounding noise. */
const SAME = 1e-7;

/**
 * Axes from the second central moments of an object's voxel centres (variances and covariances in nm^2). A length is
 * sqrt(20 lambda), as a solid ellipsoid of full axis a has variance a^2 / 20 along it: what skimage.measure.regionprops 0.26
 * calls axis_major_length and axis_minor_length in 3-D (there written with the eigenvalues of the inertia tensor). Directions
 * are 0 where no axis is the longest (a ball, a cube, a disc across its axis, one voxel), the azimuth also where it points along z.
 */
export function principalAxes(
  xx: number,
  yy: number,
  zz: number,
  xy: number,
  xz: number,
  yz: number,
): PrincipalAxes {
  const { values, vectors } = symmetricEigen(xx, yy, zz, xy, xz, yz);
  const order = [0, 1, 2].sort((a, b) => values[b] - values[a] || a - b);
  const greatest = values[order[0]];
  // A variance this far below the greatest is rounding noise of sums that cancel: the object is flat.
  const lengths = order.map((i) => Math.sqrt(20 * (values[i] > greatest * 1e-13 ? values[i] : 0))) as [
    number,
    number,
    number,
  ];
  if (!(lengths[0] > 0) || lengths[0] - lengths[1] <= SAME * lengths[0]) {
    return { lengths, azimuth: 0, inclination: 0 };
  }
  return { lengths, ...direction(vectors.map((row) => row[order[0]])) };
}

function direction(vector: readonly number[]): { azimuth: number; inclination: number } {
  const length = Math.hypot(...vector);
  // Components that are rounding noise would decide over the sense.
  const [x, y, z] = vector.map((value) => (Math.abs(value) < 1e-9 * length ? 0 : value / length));
  const sense = (z || y || x) < 0 ? -1 : 1;
  const degrees = 180 / Math.PI;
  const azimuth = x === 0 && y === 0 ? 0 : Math.atan2(sense * y, sense * x) * degrees;
  return {
    azimuth: azimuth < 0 ? azimuth + 360 : azimuth,
    inclination: Math.atan2(sense * z, Math.hypot(x, y)) * degrees,
  };
}

/**
 * Eigenvalues and eigenvectors (columns) of a symmetric 3 x 3 matrix by cyclic Jacobi rotations (Golub & Van Loan, Matrix
 * Computations, 8.5): accurate also for small eigenvalues, which the closed formula is not.
 */
function symmetricEigen(xx: number, yy: number, zz: number, xy: number, xz: number, yz: number) {
  const m = [
    [xx, xy, xz],
    [xy, yy, yz],
    [xz, yz, zz],
  ];
  const vectors = [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ];
  const scale = Math.max(Math.abs(xx), Math.abs(yy), Math.abs(zz));
  // Converges quadratically: 3 to 5 sweeps are enough for any matrix.
  for (let sweep = 0; sweep < 12; ++sweep) {
    const off = Math.abs(m[0][1]) + Math.abs(m[0][2]) + Math.abs(m[1][2]);
    if (!(off > scale * 1e-18)) break;
    for (const [p, q] of PAIRS) rotate(m, vectors, p, q);
  }
  return { values: [m[0][0], m[1][1], m[2][2]], vectors };
}

const PAIRS = [
  [0, 1],
  [0, 2],
  [1, 2],
] as const;

/** Turns axes p and q so that their covariance becomes 0. */
function rotate(m: number[][], vectors: number[][], p: number, q: number): void {
  if (m[p][q] === 0) return;
  const theta = (m[q][q] - m[p][p]) / (2 * m[p][q]);
  const t = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.hypot(theta, 1));
  const c = 1 / Math.hypot(t, 1);
  const s = t * c;
  const pq = m[p][q];
  m[p][p] -= t * pq;
  m[q][q] += t * pq;
  m[p][q] = 0;
  m[q][p] = 0;
  const r = 3 - p - q;
  const rp = m[r][p];
  const rq = m[r][q];
  m[r][p] = c * rp - s * rq;
  m[p][r] = m[r][p];
  m[r][q] = s * rp + c * rq;
  m[q][r] = m[r][q];
  for (const row of vectors) {
    const vp = row[p];
    const vq = row[q];
    row[p] = c * vp - s * vq;
    row[q] = s * vp + c * vq;
  }
}
