import { SegmentationUserLayer } from "neuroglancer/unstable/layer/segmentation/index.js";
import { RefCounted } from "neuroglancer/unstable/util/disposable.js";
import { element } from "./dom.js";
import type { MitoUserLayer } from "./layer.js";

/** Chooses the segmentation layer that predictions are compared with. A layer that is not there is shown as such, not dropped. */
export class ReferenceSelect extends RefCounted {
  readonly element: HTMLSelectElement;

  constructor(
    private readonly layer: MitoUserLayer,
    id: string,
  ) {
    super();
    const { reference } = layer.state;
    this.element = element("select", {
      id,
      onchange: () => {
        reference.value = this.element.value === "" ? undefined : this.element.value;
      },
    });
    this.registerDisposer(reference.changed.add(() => this.show()));
    this.registerDisposer(layer.manager.rootLayers.layersChanged.add(() => this.show()));
    this.show();
  }

  private show(): void {
    const { value } = this.layer.state.reference;
    const names = this.layer.manager.rootLayers.managedLayers
      .filter(({ layer }) => layer instanceof SegmentationUserLayer && layer !== this.layer)
      .map(({ name }) => name);
    const options = [
      element("option", { value: "" }, "None"),
      ...names.map((name) => element("option", { value: name }, name)),
    ];
    if (value !== undefined && !names.includes(value))
      options.push(element("option", { value }, `${value} (not there)`));
    this.element.replaceChildren(...options);
    this.element.value = value ?? "";
  }
}
