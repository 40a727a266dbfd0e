import { tf } from "../kernels/tf.js";
import { type Interval, neededInterval, type Window, windowOf, zoomOf } from "../network/receptive_field.js";

/** Rows and columns first..last of a tensor, both ends included. */
export type Region = readonly [rows: Interval, columns: Interval];

interface Step {
  readonly layer: tf.layers.Layer;
  /** Names of the layers that its inputs come from. */
  readonly inputs: readonly string[];
  /** How its output lies over its inputs, along rows and columns; null for the input of the network. */
  readonly windows: Windows | null;
}

type Windows = readonly [rows: Window, columns: Window];

interface Computed {
  readonly tensor: tf.Tensor4D;
  /** Where it lies in the tensor that the whole image would give. */
  readonly region: Region;
}

/** Cutting costs a copy: it is done where it saves more than this part of the pixels. */
const WORTH_CUTTING = 1.1;

/**
 * Runs a network only where it matters. A window is mostly halo, which the deep levels need and the fine levels of the decoder
 * do not: for a core of 128 in a window of 352 pixels this leaves less than half of the multiplications of a U-Net. Each
 * layer gets the part of its input that the wanted pixels depend on, so every one of those is computed from the same
 * numbers in the same order as in the whole window.
 */
export class CroppedNetwork {
  private readonly steps: readonly Step[];
  private readonly uses = new Map<string, number>();

  /** @throws Error naming a layer of which it is not known what it depends on. */
  constructor(private readonly network: tf.LayersModel) {
    this.steps = network.layers.map((layer) => {
      if (layer.inboundNodes.length !== 1) throw new Error(`layer ${layer.name} is used more than once`);
      if (layer.getClassName() === "InputLayer") return { layer, inputs: [], windows: null };
      const tensors = layer.inboundNodes[0].inputTensors as tf.SymbolicTensor[];
      const inputs = tensors.map((tensor) => tensor.sourceLayer.name);
      for (const name of inputs) this.uses.set(name, (this.uses.get(name) ?? 0) + 1);
      return { layer, inputs, windows: [windowOf(layer, 0), windowOf(layer, 1)] };
    });
  }

  /**
   * @param input [N, H, W, 1]; H and W multiples of the network's pooling.
   * @param wanted Part of the output that is needed.
   * @returns [N, rows, columns, 1] of that part. The caller disposes it.
   */
  run(input: tf.Tensor4D, wanted: Region): tf.Tensor4D {
    return tf.tidy(() => {
      const extents = this.extents(input);
      const needs = this.needs(extents, wanted);
      const left = new Map(this.uses);
      const computed = new Map<string, Computed>();
      for (const { layer, inputs, windows } of this.steps) {
        const need = needs.get(layer.name);
        if (need === undefined) continue;
        if (windows === null) {
          computed.set(layer.name, { tensor: input, region: whole(input) });
          continue;
        }
        const sources = inputs.map((name) => computed.get(name)!);
        const parts = cut(sources, inputRegion(windows, need, extents.get(inputs[0])!), windows);
        const tensors = parts.map((part) => part.tensor);
        const tensor = layer.apply(tensors.length === 1 ? tensors[0] : tensors) as tf.Tensor4D;
        computed.set(layer.name, { tensor, region: outputRegion(windows, parts[0].region) });
        parts.forEach((part, i) => {
          if (part !== sources[i]) part.tensor.dispose();
          const remaining = left.get(inputs[i])! - 1;
          left.set(inputs[i], remaining);
          if (remaining === 0 && sources[i].tensor !== input && sources[i].tensor !== tensor)
            sources[i].tensor.dispose();
        });
      }
      const output = computed.get(this.network.outputs[0].sourceLayer.name)!;
      return slice(output, wanted);
    });
  }

  /** Of each layer's output for the whole input. */
  private extents(input: tf.Tensor4D): Map<string, Region> {
    const extents = new Map<string, Region>();
    for (const { layer, inputs, windows } of this.steps)
      extents.set(
        layer.name,
        windows === null ? whole(input) : outputRegion(windows, extents.get(inputs[0])!),
      );
    return extents;
  }

  /** For each layer the part of its output that the wanted pixels depend on, from the output back to the input. */
  private needs(extents: ReadonlyMap<string, Region>, wanted: Region): Map<string, Region> {
    const needs = new Map<string, Region>([[this.network.outputs[0].sourceLayer.name, wanted]]);
    for (const { layer, inputs, windows } of [...this.steps].reverse()) {
      const need = needs.get(layer.name);
      if (need === undefined || windows === null) continue;
      for (const name of inputs) {
        const known = needs.get(name);
        const more = inputRegion(windows, need, extents.get(name)!);
        needs.set(name, known === undefined ? more : axes((axis) => union(known[axis], more[axis])));
      }
    }
    return needs;
  }
}

const axes = (of: (axis: 0 | 1) => Interval): Region => [of(0), of(1)];
const union = (a: Interval, b: Interval): Interval => [Math.min(a[0], b[0]), Math.max(a[1], b[1])];
const length = ([first, last]: Interval) => last - first + 1;
const area = (region: Region) => length(region[0]) * length(region[1]);
const same = (a: Region, b: Region) => a.every((side, i) => side[0] === b[i][0] && side[1] === b[i][1]);
const whole = ({ shape }: tf.Tensor4D): Region => [
  [0, shape[1] - 1],
  [0, shape[2] - 1],
];

/** What a layer makes of a part of its input. */
const outputRegion = (windows: Windows, given: Region): Region =>
  axes((axis) => windows[axis].makes(given[axis]));

/**
 * The part of a layer's input, of which `extent` is there, that `need` of its output depends on. That is all but the padding
 * beyond the image, which the layer adds by itself.
 */
const inputRegion = (windows: Windows, need: Region, extent: Region): Region =>
  axes((axis) => neededInterval(windows[axis], need[axis], extent[axis]));

/** Inputs cut to the same region: to `need`, unless all have one that is hardly larger. */
function cut(sources: readonly Computed[], need: Region, windows: Windows): readonly Computed[] {
  const [{ region }] = sources;
  const fits =
    sources.every((source) => same(source.region, region)) &&
    area(region) <= WORTH_CUTTING * area(need) &&
    // Pooling windows must start where they would in the whole image.
    region.every(([first, last], axis) => {
      const zoom = zoomOf(windows[axis]);
      return Number.isInteger(first * zoom) && Number.isInteger((last + 1) * zoom);
    });
  if (fits) return sources;
  return sources.map((source) =>
    same(source.region, need) ? source : { tensor: slice(source, need), region: need },
  );
}

function slice({ tensor, region }: Computed, part: Region): tf.Tensor4D {
  const [rows, columns] = part;
  const [n, , , channels] = tensor.shape;
  return tf.slice(
    tensor,
    [0, rows[0] - region[0][0], columns[0] - region[1][0], 0],
    [n, length(rows), length(columns), channels],
  );
}
