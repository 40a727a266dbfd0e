import type { ExportTable, TableColumn } from "../../src/export/types.js";
import type { MorphologySummary } from "../../src/morphology/types.js";
import type { ChunkReport } from "../mito/base.js";

type Of = (report: ChunkReport) => number;

const NUMBERS: readonly (readonly [name: string, unit: string, description: string, of: Of])[] = [
  ...(["x", "y", "z"] as const).flatMap((axis, i) => [
    [
      `lower_${axis}_voxels`,
      "voxels",
      `First voxel along ${axis}.`,
      ({ box }: ChunkReport) => box.lower[i],
    ] as const,
    [
      `upper_${axis}_voxels`,
      "voxels",
      `First voxel behind it along ${axis}.`,
      ({ box }: ChunkReport) => box.upper[i],
    ] as const,
  ]),
  measure(
    "objects",
    "",
    "Objects in the chunk; those that go on outside count too.",
    ({ objects }) => objects,
  ),
  measure("fraction", "", "Foreground voxels / voxels.", ({ fraction }) => fraction),
  measure("regions", "", "Regions (an object in a slice) of more than 10 pixels.", ({ regions }) => regions),
  measure("solidity", "", "Mean of region area / area of its convex hull.", ({ solidity, regions }) =>
    or(solidity, regions),
  ),
  measure("eccentricity", "", "Mean eccentricity of the regions.", ({ eccentricity, regions }) =>
    or(eccentricity, regions),
  ),
  measure("region_area_pixels", "pixels", "Mean area of the regions.", ({ area, regions }) =>
    or(area, regions),
  ),
  measure("ara", "", "Mean of region area / area of the slice.", ({ ara, regions }) => or(ara, regions)),
  ["forward_ms", "ms", "Time of the network; 0 when the probability was known.", ({ ms }) => ms.forward],
  ["failures", "", "How often the chunk failed in a row.", ({ failures }) => failures],
];

/** Absent where there is nothing to take a mean of. */
const or = (value: number, regions: number) => (regions > 0 ? value : Number.NaN);

function measure(
  name: string,
  unit: string,
  description: string,
  of: (summary: MorphologySummary) => number,
) {
  return [
    name,
    unit,
    description,
    ({ summary }: ChunkReport) => (summary ? of(summary) : Number.NaN),
  ] as const;
}

const INTEGERS = /^(lower|upper)_|^(objects|regions|failures)$/;

/** The reports of chunks as a table to be written. */
export function chunkExport(
  reports: readonly ChunkReport[],
  about: Readonly<Record<string, string>>,
): ExportTable {
  const text = (
    name: string,
    description: string,
    of: (report: ChunkReport) => string | undefined,
  ): TableColumn => ({
    name,
    unit: "",
    description,
    type: "text",
    values: reports.map(of),
  });
  return {
    rows: reports.length,
    columns: [
      text("chunk", "Position in the grid of chunks, x,y,z.", ({ key }) => key),
      ...NUMBERS.map(
        ([name, unit, description, of]): TableColumn => ({
          name,
          unit,
          description,
          type: INTEGERS.test(name) ? "integer" : "number",
          values: Float64Array.from(reports, of),
        }),
      ),
      text("origin", "Where the probability came from.", ({ origin }) => origin),
      text("engine", "What computed it.", ({ backend }) => backend),
      text("error", "Why there is no measurement.", ({ error }) => error),
    ],
    about,
  };
}
