/**
 * Viridis (S. van der Walt and N. Smith for matplotlib, CC0), at nine places; between them it is straight enough that no eye tells. It
 * rises evenly in lightness, so that it orders for all kinds of colour vision, and in grey.
 */
const ANCHORS = [
  [68, 1, 84],
  [71, 45, 123],
  [59, 82, 139],
  [44, 114, 142],
  [33, 145, 140],
  [40, 174, 128],
  [94, 201, 98],
  [173, 220, 48],
  [253, 231, 37],
] as const;

export const LEVELS = 256;

/** Red, green, blue (0..255) of each level, one after the other. */
export const COLOURS = Uint8Array.from({ length: LEVELS * 3 }, (_, i) => {
  const level = Math.floor(i / 3);
  const at = (level / (LEVELS - 1)) * (ANCHORS.length - 1);
  const below = Math.min(ANCHORS.length - 2, Math.floor(at));
  const [from, to] = [ANCHORS[below][i % 3], ANCHORS[below + 1][i % 3]];
  return Math.round(from + (at - below) * (to - from));
});

/** Level of a value in a range; values outside take the end's. */
export function levelOf(value: number, [from, to]: readonly [number, number]): number {
  const share = to > from ? (value - from) / (to - from) : 0;
  return Math.round(Math.min(1, Math.max(0, share)) * (LEVELS - 1));
}

export function cssColour(level: number): string {
  return `rgb(${COLOURS[3 * level]},${COLOURS[3 * level + 1]},${COLOURS[3 * level + 2]})`;
}

/** The whole scale from left to right, as a CSS background. */
export const GRADIENT = `linear-gradient(to right, ${ANCHORS.map((colour) => `rgb(${colour.join()})`).join(", ")})`;
