import {
  FLAG_BORDER,
  FLAG_FAILED,
  FLAG_MEASURED,
  FLAG_PARTIAL,
  OBJECT_COLUMN_IDS,
  type ObjectColumnId,
} from "./object_types.js";

/** How people read a column: nm is shown as µm, which is what a mitochondrion measures. */
export interface ColumnDisplay {
  /** Short heading. */
  readonly heading: string;
  /** Unit as shown, "" for a plain number. */
  readonly unit: string;
  /** Shown number / stored number. */
  readonly factor: number;
  /** Digits after the point as shown. */
  readonly digits: number;
}

const plain = (heading: string, digits: number): ColumnDisplay => ({ heading, unit: "", factor: 1, digits });
const length = (heading: string): ColumnDisplay => ({ heading, unit: "µm", factor: 1e-3, digits: 3 });
const area = (heading: string): ColumnDisplay => ({ heading, unit: "µm²", factor: 1e-6, digits: 3 });
const degrees = (heading: string): ColumnDisplay => ({ heading, unit: "°", factor: 1, digits: 0 });
/** Places stay voxels of the predicted scale: what a person types to go there. */
const place = (heading: string, digits = 0): ColumnDisplay => ({
  heading,
  unit: "voxels",
  factor: 1,
  digits,
});

/** Units here are those of `OBJECT_COLUMNS` times `factor`; checked by a test. */
export const COLUMN_DISPLAY: Readonly<Record<ObjectColumnId, ColumnDisplay>> = {
  voxels: { heading: "Voxels", unit: "", factor: 1, digits: 0 },
  volume: { heading: "Volume", unit: "µm³", factor: 1e-9, digits: 4 },
  centroidX: place("Centre x", 1),
  centroidY: place("Centre y", 1),
  centroidZ: place("Centre z", 1),
  lowerX: place("From x"),
  lowerY: place("From y"),
  lowerZ: place("From z"),
  upperX: place("To x"),
  upperY: place("To y"),
  upperZ: place("To z"),
  extent: plain("Extent", 3),
  equivalentDiameter: length("Eq. diam."),
  majorAxis: length("Length"),
  middleAxis: length("Width"),
  minorAxis: length("Depth"),
  elongation: plain("Elongation", 2),
  azimuth: degrees("Azimuth"),
  inclination: degrees("Inclination"),
  radiusOfGyration: length("Gyration"),
  intensityMean: plain("Intensity", 1),
  intensityDeviation: plain("Int. dev.", 1),
  sections: plain("Sect.", 0),
  sectionSolidity: plain("2-D solidity", 3),
  sectionEccentricity: plain("2-D eccen.", 3),
  sectionArea: area("2-D area"),
  sectionCircularity: plain("2-D circ.", 3),
  surfaceArea: area("Surface"),
  sphericity: plain("Spher.", 3),
  complexityIndex: plain("MCI", 2),
  solidity: plain("Solidity", 3),
  feretDiameter: length("Feret"),
  eulerNumber: plain("Euler no.", 0),
  skeletonLength: length("Skeleton"),
  branches: plain("Branches", 0),
};

/** A number as a cell shows it; "" for one that is absent. */
export function formatCell(column: ObjectColumnId, value: number): string {
  if (!Number.isFinite(value)) return "";
  const { factor, digits } = COLUMN_DISPLAY[column];
  const shown = value * factor;
  // What rounds to nothing says how little it is, not 0.
  if (shown !== 0 && digits > 0 && Math.abs(shown) < 0.5 * 10 ** -digits) return shown.toExponential(1);
  return shown.toFixed(digits);
}

/** What the column is called in filters, besides its id: shorter words for what is asked most. */
const ALIASES: Readonly<Record<string, ObjectColumnId>> = {
  length: "majorAxis",
  width: "middleAxis",
  mci: "complexityIndex",
  complexity: "complexityIndex",
  surface: "surfaceArea",
  feret: "feretDiameter",
  skeleton: "skeletonLength",
  euler: "eulerNumber",
  intensity: "intensityMean",
};
const BY_NAME = new Map<string, ObjectColumnId>([
  ...Object.entries(ALIASES),
  ...OBJECT_COLUMN_IDS.map((id) => [id.toLowerCase(), id] as const),
]);

/** The column that a person names so, in any case of letters; undefined when there is none. */
export function columnNamed(name: string): ObjectColumnId | undefined {
  return BY_NAME.get(name.toLowerCase());
}

/** All names that `columnNamed` knows. */
export function columnNames(): string[] {
  return [...OBJECT_COLUMN_IDS, ...Object.keys(ALIASES)];
}

/** What is known of an object: seen whole and measured, still growing, waiting to be measured, or not measurable. */
export type ObjectState = "whole" | "measuring" | "partial" | "failed";

export function objectState(flags: number): ObjectState {
  if (flags & FLAG_PARTIAL) return "partial";
  if (flags & FLAG_FAILED) return "failed";
  return flags & FLAG_MEASURED ? "whole" : "measuring";
}

/** The state in words, with "border" when the volume's end cuts the object. */
export function stateText(flags: number): string {
  const state = objectState(flags);
  const word = state === "failed" ? "not measured" : state;
  return flags & FLAG_BORDER ? `${word}, border` : word;
}
