import type { ModelPackage } from "../model/types.js";
import type { ExportMetadata } from "./bioimage_export.js";

const cell = (text: string) => text.replaceAll("|", "\\|").replaceAll("\n", " ");

/** README.md of an exported package: what it is, what it was trained on, how well it does, and how to check that. */
export function packageReadme(
  { name, description, config }: ModelPackage,
  { license, cite }: ExportMetadata,
): string {
  const { strategy, source, target, voxelSize, window, field, prior, scores, selection, training } = config;
  const rows = scores.map(
    ({ data, tta, iouPerSlice, iouVolume }) =>
      `| ${cell(data)} | ${tta} | ${iouPerSlice.toFixed(4)} | ${iouVolume.toFixed(4)} |`,
  );
  const lines = [
    `# ${name}`,
    "",
    description,
    "",
    "It takes sections of electron microscopy and answers the probability that a pixel is mitochondrion.",
    "",
    "## Training",
    "",
    `- Strategy: ${strategy}`,
    `- Source: ${source}`,
    ...(target === null ? [] : [`- Target, without labels: ${target}`]),
    `- Weights chosen by: ${selection.criterion} (step ${selection.step})`,
    `- Command: \`${training.command.replaceAll("`", "'")}\``,
    "",
    "## Input",
    "",
    `- Pixels of about ${voxelSize[0]} x ${voxelSize[1]} nm: resample other images to that first.`,
    `- Intensities ${window[0]} to ${window[1]} become 0 to 1, what is beyond is cut.`,
    `- Width and height in multiples of ${field.multiple}; ${field.halo} pixels at each border see less of their surroundings than the network wants.`,
    "",
    "## Validation",
    "",
    scores.length === 0
      ? "No score was recorded with the model."
      : "Intersection over union of the foreground at 0.5, as mean over slices (an empty one counts 0) and over the volume:",
    ...(rows.length === 0
      ? []
      : ["", "| data | test-time augmentation | per slice | volume |", "|---|---|---|---|", ...rows]),
    "",
    "To validate it on other data, compare its foreground with labels slice by slice: `chondria evaluate <this file> <EM> <labels>`.",
    prior === null
      ? "The shape of the mitochondria that it was trained on is not known."
      : `The mitochondria that it was trained on have a mean solidity of ${prior.solidity.toFixed(4)} (${prior.source}); predictions far from that are to be doubted.`,
    "",
    "## Limits",
    "",
    "A 2-D network: sections are segmented one by one. It knows the tissue and the staining of its training data; on others its answer must be looked at before it is counted.",
    "",
    "## Licence and citation",
    "",
    license === null ? "The licence of the weights is not stated." : `Weights: ${license}.`,
    ...cite.map(({ text, doi, url }) => `- ${text}${doi ? `, doi:${doi}` : url ? `, ${url}` : ""}`),
  ];
  return `${lines.join("\n")}\n`;
}
