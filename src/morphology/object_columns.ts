import {
  type ColumnKind,
  OBJECT_COLUMN_IDS,
  type ObjectColumn,
  type ObjectColumnId,
} from "./object_types.js";

type Unit = ObjectColumn["unit"];
type Entry = readonly [title: string, unit: Unit, kind: ColumnKind, description: string];

/** Definitions of the object table; formulas and references are in docs/morphology.md. */
const ENTRIES: Readonly<Record<ObjectColumnId, Entry>> = {
  voxels: ["Voxels", "voxels", "additive", "Number of voxels of the scale that was predicted."],
  volume: ["Volume", "nm³", "additive", "Voxels x volume of a voxel."],
  centroidX: [
    "Centroid x",
    "voxels",
    "additive",
    "Mean position along x, a voxel's middle counting as index + 0.5.",
  ],
  centroidY: [
    "Centroid y",
    "voxels",
    "additive",
    "Mean position along y, a voxel's middle counting as index + 0.5.",
  ],
  centroidZ: [
    "Centroid z",
    "voxels",
    "additive",
    "Mean position along z, a voxel's middle counting as index + 0.5.",
  ],
  lowerX: ["Box from x", "voxels", "additive", "First voxel along x."],
  lowerY: ["Box from y", "voxels", "additive", "First voxel along y."],
  lowerZ: ["Box from z", "voxels", "additive", "First voxel along z."],
  upperX: ["Box to x", "voxels", "additive", "First voxel behind the object along x."],
  upperY: ["Box to y", "voxels", "additive", "First voxel behind the object along y."],
  upperZ: ["Box to z", "voxels", "additive", "First voxel behind the object along z."],
  extent: ["Extent", "", "additive", "Voxels / voxels of the bounding box; 1 for one voxel or a box."],
  equivalentDiameter: ["Equivalent diameter", "nm", "additive", "Diameter of the ball of the same volume."],
  majorAxis: [
    "Major axis",
    "nm",
    "additive",
    "Longest axis of the ellipsoid with the same second moments of voxel centres; 0 for one voxel.",
  ],
  middleAxis: ["Middle axis", "nm", "additive", "Second axis of that ellipsoid; 0 for a line of voxels."],
  minorAxis: [
    "Minor axis",
    "nm",
    "additive",
    "Shortest axis of that ellipsoid; 0 for an object one voxel thick.",
  ],
  elongation: [
    "Elongation",
    "",
    "additive",
    "1 - middle axis / major axis: 0 for a ball or a disc, 1 for a line; 0 for one voxel.",
  ],
  azimuth: [
    "Azimuth",
    "°",
    "additive",
    "Direction of the major axis in the x-y plane, from x towards y, 0 to 360 (below 180 where it lies in the plane); 0 where no axis is longest or it points along z.",
  ],
  inclination: [
    "Inclination",
    "°",
    "additive",
    "Angle of the major axis to the x-y plane, 0 to 90; 0 where no axis is longest.",
  ],
  radiusOfGyration: [
    "Radius of gyration",
    "nm",
    "additive",
    "Root mean square distance of the voxel centres from the centroid; 0 for one voxel.",
  ],
  intensityMean: [
    "Mean intensity",
    "",
    "additive",
    "Mean raw EM intensity of the voxels; empty where the EM was not at hand.",
  ],
  intensityDeviation: [
    "Intensity deviation",
    "",
    "additive",
    "Standard deviation of the raw EM intensity; 0 for one voxel, empty where the EM was not at hand.",
  ],
  sections: ["Sections", "", "whole", "Number of slices that the object is in."],
  sectionSolidity: [
    "Section solidity",
    "",
    "whole",
    "Mean over the sections of more than 10 pixels (over all where none is) of area / area of the convex hull, the paper's solidity; 1 for one pixel or a line.",
  ],
  sectionEccentricity: [
    "Section eccentricity",
    "",
    "whole",
    "Mean over the same sections of the eccentricity of the ellipse with the same second moments: 0 round, 1 a line; 0 for one pixel.",
  ],
  sectionArea: ["Section area", "nm²", "whole", "Mean area of the same sections."],
  sectionCircularity: [
    "Section circularity",
    "",
    "whole",
    "Mean over the same sections of 4 pi area / perimeter², at most 1; 1 for one pixel; empty where pixels are not square.",
  ],
  surfaceArea: [
    "Surface area",
    "nm²",
    "whole",
    "Area of the marching cubes surface at 0.5 through the voxels, not smoothed; one voxel is an octahedron.",
  ],
  sphericity: [
    "Sphericity",
    "",
    "whole",
    "Surface area of the ball of the same volume / surface area, at most 1 (Wadell); 1 for one voxel.",
  ],
  complexityIndex: [
    "Complexity index (MCI)",
    "",
    "whole",
    "Surface area³ / (16 pi² volume²): 0.716 for a ball and at least, more for branched and rough objects; 0.716 for one voxel.",
  ],
  solidity: [
    "Solidity",
    "",
    "whole",
    "Voxels / voxels in the 3-D convex hull; a flat object has the solidity of its section, one voxel or a straight line 1.",
  ],
  feretDiameter: [
    "Feret diameter",
    "nm",
    "whole",
    "Greatest distance between two points of the surface of the convex hull; the longest edge for one voxel.",
  ],
  eulerNumber: ["Euler number", "", "whole", "Parts + cavities - tunnels (26-connected); 1 for one voxel."],
  skeletonLength: [
    "Skeleton length",
    "nm",
    "whole",
    "Length of the lines that the object thins to; 0 for what thins to one voxel.",
  ],
  branches: [
    "Branches",
    "",
    "whole",
    "Lines of the skeleton between ends and junctions; 0 for what thins to one voxel.",
  ],
};

/** The columns of the object table, in the order of OBJECT_COLUMN_IDS. */
export const OBJECT_COLUMNS: readonly ObjectColumn[] = OBJECT_COLUMN_IDS.map((id) => {
  const [title, unit, kind, description] = ENTRIES[id];
  return { id, title, unit, kind, description };
});

/** Definition of one column. */
export function objectColumn(id: ObjectColumnId): ObjectColumn {
  return OBJECT_COLUMNS[OBJECT_COLUMN_IDS.indexOf(id)];
}
