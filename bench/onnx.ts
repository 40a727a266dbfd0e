/**
 * A tfjs layers model written as ONNX, so that the rival engine runs the same weights. Covers just the layers of our
 * segmentation networks. Field numbers: onnx/onnx.proto (IR version 8, opset 15).
 */
import type { tf } from "../src/kernels/tf.js";

type Field = readonly [number: number, value: number | string | Uint8Array | Float32Array];

const utf8 = new TextEncoder();

function varint(value: number): number[] {
  const out: number[] = [];
  let rest = value;
  while (rest > 127) {
    out.push((rest & 127) | 128);
    rest = Math.floor(rest / 128);
  }
  out.push(rest);
  return out;
}

/** One protobuf message: numbers as varints, everything else length-delimited. */
function message(...fields: Field[]): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const [number, value] of fields) {
    if (typeof value === "number") {
      parts.push(Uint8Array.from([...varint(number << 3), ...varint(value)]));
      continue;
    }
    const bytes =
      typeof value === "string"
        ? utf8.encode(value)
        : new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    parts.push(Uint8Array.from([...varint((number << 3) | 2), ...varint(bytes.length)]), bytes);
  }
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

function floatTensor(name: string, dims: number[], data: Float32Array): Uint8Array {
  return message(...dims.map((d) => [1, d] as Field), [2, 1], [8, name], [9, data]);
}

const ints = (name: string, values: number[]): Uint8Array =>
  message([1, name], ...values.map((v) => [8, v] as Field), [20, 7]);
const int = (name: string, value: number): Uint8Array => message([1, name], [3, value], [20, 2]);

/** A float attribute: field 2 is a fixed 32-bit value, which `message` does not write. */
function float(name: string, value: number): Uint8Array {
  const head = message([1, name]);
  const tail = message([20, 1]);
  const out = new Uint8Array(head.length + 5 + tail.length);
  out.set(head);
  out[head.length] = (2 << 3) | 5;
  new DataView(out.buffer).setFloat32(head.length + 1, value, true);
  out.set(tail, head.length + 5);
  return out;
}

function valueInfo(name: string, dims: number[]): Uint8Array {
  const shape = message(...dims.map((d) => [1, message([1, d])] as Field));
  return message([1, name], [2, message([1, message([1, 1], [2, shape])])]);
}

/** HWIO (tfjs) to OIHW (ONNX); the same permutation serves HWOI to IOHW. */
function swapKernel(data: Float32Array, [h, w, i, o]: number[]): Float32Array {
  const out = new Float32Array(data.length);
  let at = 0;
  for (let oo = 0; oo < o; ++oo)
    for (let ii = 0; ii < i; ++ii) for (let p = 0; p < h * w; ++p) out[at++] = data[(p * i + ii) * o + oo];
  return out;
}

/**
 * @param model a built segmentation network, NHWC, one input and one output.
 * @returns the ONNX file for an input of [1, 1, size, size] (NCHW); input "x", output "y".
 */
export async function toOnnx(model: tf.LayersModel, size: number): Promise<Uint8Array> {
  const nodes: Uint8Array[] = [];
  const weights: Uint8Array[] = [];
  const names = new Map<string, string>();
  const emit = (op: string, inputs: string[], output: string, ...attributes: Uint8Array[]) =>
    nodes.push(
      message(
        ...inputs.map((i) => [1, i] as Field),
        [2, output],
        [4, op],
        ...attributes.map((a) => [5, a] as Field),
      ),
    );
  for (const layer of model.layers) {
    const kind = layer.getClassName();
    const out = layer.name;
    const node = layer.inboundNodes[0];
    const inputs = node.inboundLayers.map((l) => names.get(l.name)!);
    const config = layer.getConfig() as Record<string, unknown>;
    const tensors = await Promise.all(
      layer.getWeights().map(async (t) => ({ shape: t.shape, data: (await t.data()) as Float32Array })),
    );
    const activation = (name: string) =>
      ({ elu: "Elu", relu: "Relu", sigmoid: "Sigmoid", linear: "Identity" })[name] ??
      fail(`activation ${name}`);
    names.set(layer.name, out);
    if (kind === "InputLayer") names.set(layer.name, "x");
    else if (kind === "Conv2D" || kind === "Conv2DTranspose") {
      const [kernel, bias] = tensors;
      const [h, w, a, b] = kernel.shape;
      weights.push(floatTensor(`${out}/k`, [b, a, h, w], swapKernel(kernel.data, kernel.shape)));
      if (bias) weights.push(floatTensor(`${out}/b`, bias.shape, bias.data));
      const act = config.activation as string;
      const raw = act === "linear" ? out : `${out}/raw`;
      const operands = [inputs[0], `${out}/k`, ...(bias ? [`${out}/b`] : [])];
      if (kind === "Conv2D") {
        const [p, q] = [(h - 1) >> 1, (w - 1) >> 1];
        emit("Conv", operands, raw, ints("kernel_shape", [h, w]), ints("pads", [p, q, p, q]));
      } else {
        const strides = config.strides as number[];
        emit("ConvTranspose", operands, raw, ints("kernel_shape", [h, w]), ints("strides", strides));
      }
      if (act !== "linear") emit(activation(act), [raw], out);
    } else if (kind === "BatchNormalization") {
      const keys = tensors.map((t, i) => {
        weights.push(floatTensor(`${out}/${i}`, t.shape, t.data));
        return `${out}/${i}`;
      });
      emit("BatchNormalization", [inputs[0], ...keys], out, float("epsilon", config.epsilon as number));
    } else if (kind === "Activation") emit(activation(config.activation as string), inputs, out);
    else if (kind === "MaxPooling2D")
      emit("MaxPool", inputs, out, ints("kernel_shape", [2, 2]), ints("strides", [2, 2]));
    else if (kind === "Concatenate") emit("Concat", inputs, out, int("axis", 1));
    else if (kind === "Add") emit("Add", inputs, out);
    else if (kind === "Multiply") emit("Mul", inputs, out);
    else if (/Dropout/.test(kind)) names.set(layer.name, inputs[0]);
    else fail(`layer ${kind}`);
  }
  const result = names.get(model.layers[model.layers.length - 1].name)!;
  emit("Identity", [result], "y");
  const graph = message(
    ...nodes.map((n) => [1, n] as Field),
    [2, "chondria"],
    ...weights.map((w) => [5, w] as Field),
    [11, valueInfo("x", [1, 1, size, size])],
    [12, valueInfo("y", [1, 1, size, size])],
  );
  return message([1, 8], [7, graph], [8, message([2, 15])]);
}

function fail(what: string): never {
  throw new Error(`no ONNX form for ${what}`);
}
