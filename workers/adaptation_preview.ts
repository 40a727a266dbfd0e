import type { Preview } from "./adaptation_scorer.js";

/** A probability of at least 0.5. */
const FOREGROUND = 128;
/** Of the outline, as everywhere in the panels. */
const OUTLINE = [255, 207, 92] as const;
/** How much the heat of a probability hides of the EM, at most. */
const HEAT = 0.35;

/** EM in grey, the probability as a red to yellow heat over it, and the outline at 0.5. */
export function paintPreview({ width, height, em, probability }: Preview): ImageData {
  const image = new ImageData(width, height);
  const { data } = image;
  const inside = (x: number, y: number) =>
    x >= 0 && y >= 0 && x < width && y < height && probability[y * width + x] >= FOREGROUND;
  for (let y = 0, at = 0; y < height; y++)
    for (let x = 0; x < width; x++, at += 4) {
      const i = y * width + x;
      const p = probability[i] / 255;
      const heat = HEAT * p;
      const edge =
        inside(x, y) && !(inside(x - 1, y) && inside(x + 1, y) && inside(x, y - 1) && inside(x, y + 1));
      const colour = edge ? OUTLINE : [255, 255 * (0.1 + 0.9 * p * p), 25 * p];
      const part = edge ? 1 : heat;
      for (let c = 0; c < 3; c++) data[at + c] = Math.round((1 - part) * em[i] + part * colour[c]);
      data[at + 3] = 255;
    }
  return image;
}

/**
 * Draws previews on canvases that the page shows. The page hands the canvases over and never gets a pixel back, so that EM
 * stays in the workers.
 */
export class PreviewPainter {
  constructor(private readonly canvases: Readonly<Record<"before" | "now", OffscreenCanvas>>) {}

  show(kind: "before" | "now", preview: Preview): void {
    const canvas = this.canvases[kind];
    const image = paintPreview(preview);
    canvas.width = image.width;
    canvas.height = image.height;
    canvas.getContext("2d")?.putImageData(image, 0, 0);
  }
}
