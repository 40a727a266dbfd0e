import { throttle } from "lodash-es";
import type { ManagedUserLayer } from "neuroglancer/unstable/layer/index.js";
import type { LoadedDataSubsource } from "neuroglancer/unstable/layer/layer_data_source.js";
import { SegmentationUserLayer } from "neuroglancer/unstable/layer/segmentation/index.js";
import {
  getWatchableRenderLayerTransform,
  type WatchableRenderLayerTransform,
} from "neuroglancer/unstable/render_coordinate_transform.js";
import { StatusMessage } from "neuroglancer/unstable/status.js";
import { trackableAlphaValue } from "neuroglancer/unstable/trackable_alpha.js";
import { WatchableValue } from "neuroglancer/unstable/trackable_value.js";
import type { Vec3 } from "../../src/volume/types.js";
import type { ChunkReport, MitoSource } from "../mito/base.js";
import { MitoVolume } from "../mito/frontend.js";
import { LayerAdaptation } from "./adaptation.js";
import { addHeatMap } from "./heat_map.js";
import { ObjectIdsInLayer } from "./object_ids.js";
import { PredictTab } from "./predict_tab.js";
import type { Placement } from "./region.js";
import { SegmentPropertiesLink } from "./segment_properties.js";
import { MitoLayerState } from "./state.js";

/** A slider that is dragged fires many times a frame; labels change at most this often (ms). */
const SETTINGS_INTERVAL = 50;
const MESSAGE_TIME = 10_000;

/** A segmentation layer whose objects are predicted where one looks. */
export class MitoUserLayer extends SegmentationUserLayer {
  static override type = "mito";
  static override typeAbbreviation = "mito";

  /** The prediction source, once it is loaded. */
  readonly mito = new WatchableValue<MitoSource | undefined>(undefined);
  readonly state = this.registerDisposer(new MitoLayerState());
  readonly adaptation = this.registerDisposer(new LayerAdaptation());
  private readonly segmentProperties: SegmentPropertiesLink;
  private readonly heatMapOpacity = trackableAlphaValue(0.8);
  private transform: WatchableRenderLayerTransform | undefined;

  constructor(managedLayer: ManagedUserLayer) {
    super(managedLayer);
    const writeSettings = throttle(() => this.writeSettings(), SETTINGS_INTERVAL);
    this.registerDisposer(() => writeSettings.cancel());
    this.registerDisposer(this.state.changed.add(this.specificationChanged.dispatch));
    this.registerDisposer(this.state.threshold.changed.add(writeSettings));
    this.registerDisposer(this.state.minimumVoxels.changed.add(writeSettings));
    this.segmentProperties = this.registerDisposer(new SegmentPropertiesLink(this));
    this.tabs.add("predict", { label: "Predict", order: -110, getter: () => new PredictTab(this) });
    this.tabs.default = "predict";
  }

  override activateDataSubsources(subsources: Iterable<LoadedDataSubsource>): void {
    const list = [...subsources];
    super.activateDataSubsources(list);
    let source: MitoSource | undefined;
    for (const subsource of list) {
      const { volume } = subsource.subsourceEntry.subsource;
      if (!(volume instanceof MitoVolume) || subsource.activated === undefined) continue;
      source ??= volume.mito;
      if (source !== volume.mito || source === this.mito.value) continue;
      subsource.activated.registerDisposer(new ObjectIdsInLayer(this, source));
      // Without a subsource: from the model space, in which reports stand, to the layer's.
      this.transform = subsource.activated.registerDisposer(
        getWatchableRenderLayerTransform(
          this.manager.root.coordinateSpace,
          this.localPosition.coordinateSpace,
          subsource.loadedDataSource.transform,
          undefined,
        ),
      );
      addHeatMap({
        layer: this,
        subsource,
        volume: source.probability,
        shown: this.state.showProbability,
        opacity: this.heatMapOpacity,
      });
    }
    this.mito.value = source;
    this.writeSettings();
    this.segmentProperties.restore();
  }

  private writeSettings(): void {
    const settings = this.mito.value?.settings;
    if (settings !== undefined) settings.value = this.state.labelSettings;
  }

  /** How the predicted voxels lie in the view; undefined until the source is loaded and placed. */
  placement(): Placement | undefined {
    const transform = this.transform?.value;
    const mito = this.mito.value;
    if (mito === undefined || transform === undefined || transform.error !== undefined) return undefined;
    return {
      voxelToModel: mito.voxelToModel,
      modelToLayer: transform.modelToRenderLayerTransform,
      rank: transform.rank,
      viewToLayer: transform.globalToRenderLayerDimensions,
      names: this.manager.root.coordinateSpace.value.names,
    };
  }

  /** Where the view looks, in its coordinates. */
  viewPosition(): Float32Array {
    return this.manager.root.globalPosition.value;
  }

  /** Moves the view to the middle of a chunk. */
  goTo({ modelLower, modelUpper }: Pick<ChunkReport, "modelLower" | "modelUpper">): void {
    const transform = this.transform?.value;
    if (transform === undefined || transform.error !== undefined) return;
    const { rank, unpaddedRank, modelToRenderLayerTransform: matrix } = transform;
    // Homogeneous, column-major, rank + 1 rows; the last column is the translation.
    const rows = rank + 1;
    const position = new Float32Array(rank);
    for (let i = 0; i < rank; ++i) {
      position[i] = matrix[rank * rows + i];
      for (let j = 0; j < unpaddedRank; ++j)
        position[i] += matrix[j * rows + i] * 0.5 * (modelLower[j] + modelUpper[j]);
    }
    this.setLayerPosition(transform, position);
  }

  /** Moves the view to a place in voxels of the predicted scale, where a voxel is from k to k + 1. */
  goToVoxel([x, y, z]: Vec3): void {
    const matrix = this.mito.value?.voxelToModel;
    if (matrix === undefined) return;
    const place = [0, 1, 2].map(
      (row) => matrix[row] * x + matrix[4 + row] * y + matrix[8 + row] * z + matrix[12 + row],
    );
    this.goTo({ modelLower: place, modelUpper: place });
  }

  override toJSON() {
    const json = { ...super.toJSON(), ...this.state.toJSON() };
    // 2.41.2 leaves a bigint here, which a plain JSON.stringify refuses (mended upstream by #916, not released).
    if (typeof json.anchorSegment === "bigint") json.anchorSegment = json.anchorSegment.toString();
    return json;
  }

  override restoreState(specification: unknown): void {
    super.restoreState(specification);
    for (const problem of this.state.restoreState(specification))
      StatusMessage.showTemporaryMessage(`Layer “${this.managedLayer.name}”: ${problem}`, MESSAGE_TIME);
  }
}
