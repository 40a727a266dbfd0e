/** From 0 to a round number that is not below 98 % of the values, so that a single extreme does not make all others one colour. */
export function colourRange(values: Float32Array): readonly [number, number] {
  const present = values.filter((value) => !Number.isNaN(value)).sort();
  const most =
    present.length === 0 ? 0 : present[Math.min(present.length - 1, Math.floor(0.98 * present.length))];
  return [0, most > 0 ? roundUp(most) : 1];
}

/** 1, 2 or 5 times a power of ten, not below the value. */
function roundUp(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value) ?? value;
}
