import type { ChondriaConfig } from "./types.js";

export interface Citation {
  readonly text: string;
  readonly doi?: string;
  readonly url?: string;
}

/** The method that Chondria implements. */
export const PAPER: Citation = {
  text: "Franco-Barranco et al., Deep learning based domain adaptation for mitochondria segmentation on EM volumes (2022)",
  doi: "10.1016/j.cmpb.2022.106949",
};

/** The data sets that the paper uses, by the name with which a package's source begins. */
const DATA_SETS: Readonly<Record<string, Citation>> = {
  "Lucchi++": {
    text: "Casser et al., Fast mitochondria detection for connectomics (2018): labels; EM of EPFL CVLab, Lucchi et al. (2012)",
    url: "https://arxiv.org/abs/1812.06024",
  },
  "Kasthuri++": {
    text: "Casser et al., Fast mitochondria detection for connectomics (2018): labels; EM of Kasthuri et al. (2015)",
    url: "https://arxiv.org/abs/1812.06024",
  },
  VNC: {
    text: "Gerhard et al., Segmented anisotropic ssTEM dataset of neural tissue (2013)",
    doi: "10.6084/m9.figshare.856713",
  },
};

/** Who made the data that a source ("VNC stack1, columns 0-511") names. */
export function dataCitations(source: string): Citation[] {
  return Object.keys(DATA_SETS)
    .filter((name) => source.startsWith(name))
    .map((name) => DATA_SETS[name]);
}

export interface RdfContents {
  readonly name: string;
  readonly description: string;
  readonly authors: readonly { readonly name: string }[];
  readonly cite: readonly Citation[];
  /** null: not stated. */
  readonly license: string | null;
  /** ISO 8601. */
  readonly timestamp: string;
  readonly config: ChondriaConfig;
}

/** The newest that is published with the specification's own validator, which reads later ones of 0.5 as this. */
const FORMAT = "0.5.7";

/**
 * The bioimage.io model description (RDF 0.5) of a package, as a plain object for YAML.
 * Space axes are parametrised by the pooling multiple, the output carries the halo, and the intensity window is the
 * `scale_linear` + `clip` preprocessing of the specification.
 */
export function buildRdf(contents: RdfContents, topologyFile: string): object {
  const { config } = contents;
  const [lower, upper] = config.window;
  const { halo, multiple } = config.field;
  const [x, y] = config.voxelSize;
  const space = (id: "x" | "y", size: object, scale: number, extra = {}) => ({
    type: "space",
    id,
    size,
    unit: "nanometer",
    scale,
    ...extra,
  });
  const like = (axis: "x" | "y") => ({ tensor_id: "em", axis_id: axis });
  // The smallest useful tile: one with a pixel left once the halo is cut from both sides.
  const least = Math.ceil((2 * halo + 1) / multiple) * multiple;
  return {
    type: "model",
    format_version: FORMAT,
    name: contents.name,
    description: contents.description,
    authors: contents.authors,
    cite: contents.cite,
    ...(contents.license !== null && { license: contents.license }),
    timestamp: contents.timestamp,
    tags: [
      "mitochondria",
      "electron-microscopy",
      "semantic-segmentation",
      "2d",
      "tensorflow-js",
      "domain-adaptation",
    ],
    inputs: [
      {
        id: "em",
        description: "EM section, dark membranes",
        axes: [
          { type: "batch", size: 1 },
          space("y", { min: least, step: multiple }, y),
          space("x", { min: least, step: multiple }, x),
          { type: "channel", channel_names: ["intensity"] },
        ],
        data: [{ type: "float32" }],
        preprocessing: [
          // The specification refuses a scaling that changes nothing.
          ...(lower === 0 && upper === 1
            ? []
            : [
                {
                  id: "scale_linear",
                  kwargs: { gain: 1 / (upper - lower), offset: 0 - lower / (upper - lower) },
                },
              ]),
          { id: "clip", kwargs: { min: 0, max: 1 } },
        ],
      },
    ],
    outputs: [
      {
        id: "mitochondria",
        description: "probability that a pixel is mitochondrion",
        axes: [
          { type: "batch" },
          space("y", like("y"), y, { halo }),
          space("x", like("x"), x, { halo }),
          { type: "channel", channel_names: ["probability"] },
        ],
        data: [{ type: "float32", range: [0, 1] }],
      },
    ],
    weights: {
      tensorflow_js: {
        source: topologyFile,
        sha256: config.files[topologyFile],
        tensorflow_version: "4.22.0",
      },
    },
    config: { chondria: config },
  };
}
