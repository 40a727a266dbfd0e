import { registerLayerType, registerLayerTypeDetector } from "neuroglancer/unstable/layer/index.js";
import { MitoVolume } from "../mito/frontend.js";
import "../mito/register.js";
import { MitoUserLayer } from "./layer.js";

registerLayerType(MitoUserLayer);
// Above what Neuroglancer guesses for a segmentation volume (0) and a mesh (1).
registerLayerTypeDetector(({ volume }) =>
  volume instanceof MitoVolume ? { layerConstructor: MitoUserLayer, priority: 2 } : undefined,
);
