import { WithParameters } from "neuroglancer/unstable/chunk_manager/frontend.js";
import { MeshSource } from "neuroglancer/unstable/mesh/frontend.js";
import { MeshParameters } from "./protocol.js";

/** The page's side of the meshes of whole objects, in voxels of the predicted scale. */
export class ObjectMeshSource extends WithParameters(MeshSource, MeshParameters) {
  declare OPTIONS: { parameters: MeshParameters };
}
