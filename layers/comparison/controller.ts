import { throttle } from "lodash-es";
import { RefCounted } from "neuroglancer/unstable/util/disposable.js";
import { NullarySignal } from "neuroglancer/unstable/util/signal.js";
import type { Viewer } from "neuroglancer/unstable/viewer.js";
import { type AgreementState, AgreementVolume } from "../mito/agreement.js";
import { DEFAULT_LABEL_SETTINGS } from "../mito/base.js";
import { formatMitoQuery } from "../mito/url.js";
import { MitoUserLayer } from "../mito_layer/layer.js";
import type { ComparisonState } from "./comparison_state.js";
import { shortNames } from "./figures.js";
import { type PlacedReference, placeReference, referenceLayers } from "./reference.js";

/** Layers change many times while a state loads; what follows from them is looked at this often, ms. */
const INTERVAL = 100;

/**
 * Keeps a comparison in step with its layers: finds the agreement layer and the prediction layers of its models, gives it their thresholds
 * (which are made one while "same threshold" is on), and the reference that is named.
 */
export class ComparisonController extends RefCounted {
  /** Dispatched when there is another comparison, or other layers, settings or reference in it; not for new figures. */
  readonly changed = new NullarySignal();
  /** What is compared now; undefined without an agreement layer that is loaded. */
  agreement: AgreementState | undefined;
  /** Prediction layers of the models, in the order of the agreement; undefined where there is none. */
  layers: readonly (MitoUserLayer | undefined)[] = [];
  /** Why the reference that is named cannot be used. */
  referenceError: string | undefined;
  private placed: PlacedReference | undefined;
  private thresholds: readonly number[] = [];
  private readonly update = throttle(() => this.follow(), INTERVAL);

  constructor(
    private readonly viewer: Viewer,
    readonly state: ComparisonState,
  ) {
    super();
    for (const signal of [
      viewer.layerManager.layersChanged,
      viewer.layerManager.specificationChanged,
      viewer.coordinateSpace.changed,
      state.changed,
    ])
      this.registerDisposer(signal.add(this.update));
    this.registerDisposer(() => {
      this.update.cancel();
      this.placed?.dispose();
    });
    this.follow();
  }

  private follow(): void {
    if (this.wasDisposed) return;
    const agreement = findAgreement(this.viewer);
    const layers = agreement === undefined ? [] : layersOf(this.viewer, agreement);
    if (agreement !== this.agreement) this.thresholds = [];
    this.agreement = agreement;
    this.layers = layers;
    if (agreement !== undefined) {
      if (this.state.sameThreshold.value) this.makeSame(layers);
      this.thresholds = layers.map((layer) => layer?.state.threshold.value ?? Number.NaN);
      agreement.settings = layers.map((layer) => layer?.state.labelSettings ?? DEFAULT_LABEL_SETTINGS);
      this.followReference(agreement, layers);
    } else this.release();
    this.changed.dispatch();
  }

  /** Gives all layers the threshold that has changed last; at first, that of the first layer. */
  private makeSame(layers: readonly (MitoUserLayer | undefined)[]): void {
    const present = layers.filter((layer) => layer !== undefined);
    const moved = layers.find(
      (layer, k) => layer !== undefined && k in this.thresholds && differs(layer, this.thresholds[k]),
    );
    const leader = moved ?? present.at(0);
    if (leader === undefined) return;
    for (const layer of present) layer.state.threshold.value = leader.state.threshold.value;
  }

  private followReference(agreement: AgreementState, layers: readonly (MitoUserLayer | undefined)[]): void {
    const name = this.state.reference.value;
    const predicted = layers.find((layer) => layer !== undefined)?.placement();
    const managed = referenceLayers(this.viewer).find((one) => one.name === name);
    this.referenceError =
      name !== undefined && managed === undefined ? `There is no segmentation layer “${name}”.` : undefined;
    let placed: PlacedReference | undefined;
    try {
      placed = managed && predicted && placeReference(managed, predicted);
    } catch (error) {
      this.referenceError = error instanceof Error ? error.message : String(error);
    }
    if (placed?.key === this.placed?.key && agreement.activeReference === this.placed?.reference) {
      placed?.dispose();
      return;
    }
    agreement.setReference(placed?.reference);
    this.placed?.dispose();
    this.placed = placed;
  }

  private release(): void {
    this.placed?.dispose();
    this.placed = undefined;
    this.referenceError = undefined;
  }
}

const differs = (layer: MitoUserLayer, before: number) =>
  Number.isFinite(before) && layer.state.threshold.value !== before;

/** The comparison of the first agreement layer that is loaded. */
function findAgreement(viewer: Viewer): AgreementState | undefined {
  for (const { layer } of viewer.layerManager.managedLayers)
    for (const { loadState } of layer?.dataSources ?? []) {
      if (loadState === undefined || loadState.error !== undefined) continue;
      for (const { subsourceEntry } of loadState.subsources) {
        const { volume } = subsourceEntry.subsource;
        if (volume instanceof AgreementVolume) return volume.state;
      }
    }
  return undefined;
}

function layersOf(viewer: Viewer, agreement: AgreementState): (MitoUserLayer | undefined)[] {
  const all = viewer.layerManager.managedLayers
    .map(({ layer }) => layer)
    .filter((layer) => layer instanceof MitoUserLayer);
  return agreement.models.map((model) =>
    all.find(({ mito: { value } }) => {
      return (
        value !== undefined &&
        value.innerUrl === model.innerUrl &&
        formatMitoQuery(value.query) === formatMitoQuery(model.query)
      );
    }),
  );
}

/** What the compared models are called in the panel. */
export function namesOf({ models }: AgreementState): string[] {
  return shortNames(models.map(({ model }) => ({ id: model.id, strategy: model.config.strategy })));
}
