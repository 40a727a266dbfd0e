import { RefCounted } from "neuroglancer/unstable/util/disposable.js";
import type { NullaryReadonlySignal } from "neuroglancer/unstable/util/signal.js";
import { agreementFigures } from "../../src/evaluation/agreement.js";
import type { AgreementState } from "../mito/agreement.js";
import type { MitoSource } from "../mito/base.js";
import { formatPercent } from "../morphology_panel/format.js";
import { metricsChanged, metricValuesChanged, registerChunkMetric } from "./metrics.js";

/** What knows of a comparison: the models that are compared, while there are any. */
interface Comparison {
  readonly changed: NullaryReadonlySignal;
  readonly agreement: AgreementState | undefined;
}

/** Colours the map by how much compared models disagree, for the layers of a comparison, as long as there is one. */
export class DisagreementMetric extends RefCounted {
  private shown: AgreementState | undefined;
  private stop: (() => void) | undefined;

  constructor(private readonly comparison: Comparison) {
    super();
    registerChunkMetric({
      id: "disagreement",
      title: "Disagreement",
      description:
        "Of the voxels that any of the compared models calls mitochondrion: the share that not all of them do",
      range: [0, 1],
      format: formatPercent,
      of: (mito) => this.of(mito),
    });
    const follow = () => {
      const { agreement } = comparison;
      if (agreement === this.shown) return;
      this.stop?.();
      this.shown = agreement;
      this.stop = agreement?.changed.add(metricValuesChanged.dispatch);
      metricsChanged.dispatch();
    };
    this.registerDisposer(comparison.changed.add(follow));
    this.registerDisposer(() => this.stop?.());
    follow();
  }

  private of(mito: MitoSource) {
    const { agreement } = this.comparison;
    // Chunks are compared by key: the sources of a comparison have one grid.
    const compared = agreement?.models.some(
      ({ innerUrl, model }) => innerUrl === mito.innerUrl && model.id === mito.model.id,
    );
    if (agreement === undefined || compared !== true) return undefined;
    return ({ key }: { readonly key: string }) => {
      const comparison = agreement.get(key)?.comparison;
      if (comparison === undefined) return undefined;
      const { voxels, none, all } = agreementFigures(comparison.agreement);
      // Nothing that anyone finds is nothing to disagree about.
      return voxels === none ? 0 : 1 - all / (voxels - none);
    };
  }
}
