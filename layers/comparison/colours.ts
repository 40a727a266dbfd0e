import { ALL, ONLY, SEVERAL } from "../../src/evaluation/agreement.js";

/**
 * Colours of the categories: Okabe and Ito's palette ("Color Universal Design", 2008), told apart with every common colour vision, on grey EM.
 * Each as #rrggbb.
 */
export const ALL_COLOUR = "#009e73";
export const SEVERAL_COLOUR = "#f0e442";
const ONLY_COLOURS = ["#d55e00", "#56b4e9", "#cc79a7", "#e69f00"] as const;

/** Colour of what a model alone finds, and of the model in lists and plots. */
export function modelColour(k: number): string {
  return ONLY_COLOURS[k % ONLY_COLOURS.length];
}

function glsl(colour: string): string {
  const part = (at: number) => (Number.parseInt(colour.slice(at, at + 2), 16) / 255).toFixed(3);
  return `vec3(${part(1)}, ${part(3)}, ${part(5)})`;
}

/** Draws the agreement volume of so many models over the EM, see-through so that membranes stay visible. */
export function agreementShader(models: number): string {
  const cases: readonly (readonly [number, string])[] = [
    [ALL, ALL_COLOUR],
    ...(models > 2 ? ([[SEVERAL, SEVERAL_COLOUR]] as const) : []),
    ...Array.from({ length: models }, (_, k) => [ONLY + k, modelColour(k)] as const),
  ];
  return [
    "void main() {",
    "  uint v = toRaw(getDataValue());",
    ...cases.map(
      ([value, colour]) => `  if (v == ${value}u) { emitRGBA(vec4(${glsl(colour)}, 0.6)); return; }`,
    ),
    "  emitTransparent();",
    "}",
  ].join("\n");
}
