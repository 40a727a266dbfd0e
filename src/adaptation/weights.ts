import { tf } from "../kernels/tf.js";

/** A LayerVariable's tf.Variable, which tfjs's types hide. */
const variableOf = (weight: tf.LayersModel["weights"][number]) =>
  (weight as unknown as { val: tf.Variable }).val;

/**
 * The variables of a model, layer by layer. Unlike `model.weights`, whose order changes when layers are frozen, the order is
 * that of the layers, always.
 */
export function variablesOf(model: tf.LayersModel): tf.Variable[] {
  return variablesWithout(model, new Set());
}

/** The same but for the layers named. */
export function variablesWithout(model: tf.LayersModel, layers: ReadonlySet<string>): tf.Variable[] {
  return model.layers
    .filter((layer) => !layers.has(layer.name))
    .flatMap((layer) =>
      layer instanceof tf.LayersModel ? variablesWithout(layer, layers) : layer.weights.map(variableOf),
    );
}

/** Copies of the values: on some backends data() is the tensor's own memory. */
export async function readVariables(variables: readonly tf.Variable[]): Promise<Float32Array[]> {
  const arrays: Float32Array[] = [];
  for (const variable of variables) arrays.push(Float32Array.from((await variable.data()) as Float32Array));
  return arrays;
}

/** @throws Error when the arrays are not of the variables' sizes. */
export function writeVariables(variables: readonly tf.Variable[], arrays: readonly Float32Array[]): void {
  if (arrays.length !== variables.length || arrays.some((array, i) => array.length !== variables[i].size))
    throw new Error("the weights are those of another network");
  arrays.forEach((array, i) => {
    const tensor = tf.tensor(array, variables[i].shape);
    variables[i].assign(tensor);
    tensor.dispose();
  });
}
