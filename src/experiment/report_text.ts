import type { Criterion } from "../adaptation/types.js";

export const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

/** What a criterion is called, the letter that marks its choice in curves, and what it looks at. */
export const CRITERIA_EXPLAINED: Readonly<
  Record<Criterion, { readonly name: string; readonly mark: string; readonly text: string }>
> = {
  solidity: {
    name: "Solidity",
    mark: "S",
    text: "the snapshot whose predicted objects are, on average, as convex as the labelled mitochondria of the source (area divided by the area of the convex hull). The published criterion.",
  },
  ara: {
    name: "ARA",
    mark: "A",
    text: "the snapshot whose predicted objects take, on average, the same part of a section as in the source. The criterion of the paper's first version.",
  },
  distribution: {
    name: "Distribution",
    mark: "D",
    text: "the snapshot whose objects are most like the source's in everything at once: solidity, size, eccentricity and number, as whole distributions. Not in the paper.",
  },
  validation: {
    name: "Source validation",
    mark: "V",
    text: "the snapshot with the best score on held-out labelled slices of the source. It knows nothing of the target.",
  },
  last: { name: "Last", mark: "L", text: "the last snapshot, whatever it is." },
  oracle: {
    name: "Oracle",
    mark: "O",
    text: "the snapshot that is best on the target's labels. Nobody who needs adaptation can choose so: it shows what a choice without labels costs.",
  },
};

/** As it is written within a sentence. */
export const criterionWord = (criterion: Criterion): string =>
  criterion === "ara" ? "ARA" : CRITERIA_EXPLAINED[criterion].name.toLowerCase();

export const RULES = {
  iou: "IoU: of all pixels that are mitochondria by the prediction or by the labels, the part that is so by both. It is taken slice by slice and averaged; 1 is perfect, an empty slice counts 0.",
} as const;
