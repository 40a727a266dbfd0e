import { type RPC, registerPromiseRPC, registerRPC } from "neuroglancer/unstable/worker_rpc.js";
import type { EditedVolume } from "../../src/proofreading/types.js";
import { EditedObjects } from "./edited_objects.js";
import {
  ADD_EDITS,
  type AddEdits,
  type AskQueuePlaces,
  EDITS_CHANGED,
  type EditsChanged,
  FIND_EDITED,
  type FindEdited,
  type FoundObject,
  QUEUE_PLACES,
  type QueuePlaces,
  TRY_EDIT,
  type TriedEdit,
  type TryEdit,
} from "./edits_protocol.js";
import { EditsView } from "./edits_view.js";
import type { LabelsSource } from "./labels_backend.js";
import { onObjectsChanged } from "./objects_backend.js";

const edits = new WeakMap<LabelsSource, EditedObjects>();

/** The edits of a source, from the first time that anybody asks for them. */
function editsOf(source: LabelsSource, volume: EditedVolume): EditedObjects {
  let found = edits.get(source);
  if (found !== undefined) return found;
  const { voxelSize, instance } = source.parameters;
  const view = new EditsView({
    voxelSize,
    volume,
    graph: () => source.objects.predicted,
    settings: () => source.labelSettings,
    probabilityOf: (box) => source.predicted.known(box),
  });
  found = new EditedObjects(view, source.objects, (change) =>
    source.rpc?.invoke(EDITS_CHANGED, { id: source.rpcId!, ...change } satisfies EditsChanged),
  );
  edits.set(source, found);
  source.objects.overlay = found;
  const made = found;
  source.registerDisposer(onObjectsChanged(instance, (ids) => made.predictionsChanged(ids)));
  source.registerDisposer(() => made.dispose());
  return found;
}

registerRPC(ADD_EDITS, function ({ source, volume, operations }: AddEdits) {
  const labels = this.get(source) as LabelsSource | undefined;
  if (labels === undefined) return;
  editsOf(labels, volume)
    .add(operations)
    .catch((error: unknown) => console.error("edits could not be replayed:", error));
});

/** @throws Error when the layer was closed meanwhile. */
function asked(rpc: RPC, source: number, volume: EditedVolume): EditedObjects {
  const labels = rpc.get(source) as LabelsSource | undefined;
  if (labels === undefined) throw new Error("the layer was closed");
  return editsOf(labels, volume);
}

registerPromiseRPC(
  TRY_EDIT,
  async function (
    this: RPC,
    { source, volume, operation, show, marks }: TryEdit,
  ): Promise<{ value: TriedEdit }> {
    return { value: await asked(this, source, volume).try(operation, show, marks) };
  },
);

registerPromiseRPC(FIND_EDITED, async function (this: RPC, { source, volume, voxels }: FindEdited): Promise<{
  value: FoundObject[];
}> {
  const found = asked(this, source, volume);
  return { value: voxels.map((voxel) => found.find(voxel)) };
});

registerPromiseRPC(
  QUEUE_PLACES,
  async function (
    this: RPC,
    { source, volume, after, prior }: AskQueuePlaces,
  ): Promise<{ value: QueuePlaces }> {
    return { value: await asked(this, source, volume).places(after, prior) };
  },
);
