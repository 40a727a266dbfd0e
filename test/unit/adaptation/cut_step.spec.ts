import { beforeAll, describe, expect, it } from "vitest";
import {
  type CutLossOptions,
  type CutNetworks,
  type CutPart,
  cutStep,
} from "../../../src/adaptation/cut_step.js";
import { leastSquares } from "../../../src/adaptation/gan_losses.js";
import {
  detached,
  gatherRows,
  l2Normalise,
  patchNce,
  samplePositions,
} from "../../../src/adaptation/patch_nce.js";
import { selectBackend } from "../../../src/kernels/backend_node.js";
import { tf } from "../../../src/kernels/tf.js";
import { Random } from "../../../src/network/random.js";
import { trainableVariables } from "../../../src/training/gradients.js";
import { Optimiser } from "../../../src/training/optimisers.js";

beforeAll(async () => {
  await selectBackend("wasm");
});

const SIZE = 12;
const PARTS: readonly CutPart[] = ["generator", "heads", "discriminator"];

/** Networks of the same kind as CUT's in which a step takes milliseconds: two maps are compared. */
function tinyNetworks(): CutNetworks {
  const input = tf.input({ shape: [null, null, 1] });
  const convolution = (x: tf.SymbolicTensor, filters: number, seed: number) =>
    tf.layers
      .conv2d({
        filters,
        kernelSize: 3,
        padding: "same",
        activation: "tanh",
        kernelInitializer: tf.initializers.heNormal({ seed }),
      })
      .apply(x) as tf.SymbolicTensor;
  const first = convolution(input, 3, 1);
  const second = convolution(first, 4, 2);
  const generator = tf.model({ inputs: input, outputs: [first, second, convolution(second, 1, 3)] });
  const encoder = tf.model({ inputs: input, outputs: [first, second] });
  const image = tf.input({ shape: [null, null, 1] });
  const discriminator = tf.model({ inputs: image, outputs: convolution(image, 1, 4) });
  const dense = tf.layers.dense({ units: 5, kernelInitializer: tf.initializers.heNormal({ seed: 5 }) });
  const other = tf.layers.dense({ units: 5, kernelInitializer: tf.initializers.heNormal({ seed: 6 }) });
  const rows = [tf.input({ shape: [3] }), tf.input({ shape: [4] })];
  const heads = tf.model({
    inputs: rows,
    outputs: [dense.apply(rows[0]), other.apply(rows[1])] as tf.SymbolicTensor[],
  });
  return {
    translate(images) {
      const [a, b, stylised] = generator.apply(images) as tf.Tensor4D[];
      return { features: [a, b], images: stylised };
    },
    encode: (images) => encoder.apply(images) as tf.Tensor4D[],
    project: (of) => heads.apply([...of]) as tf.Tensor2D[],
    discriminate: (images) => discriminator.apply(images) as tf.Tensor,
    variables: {
      generator: trainableVariables(generator),
      heads: trainableVariables(heads),
      discriminator: trainableVariables(discriminator),
    },
  };
}

const optimisersOf = (networks: CutNetworks): Record<CutPart, Optimiser> => {
  const make = (part: CutPart) =>
    new Optimiser(networks.variables[part], { name: "sgd", momentum: 0, weightDecay: 0 });
  return { generator: make("generator"), heads: make("heads"), discriminator: make("discriminator") };
};

const valuesOf = async (networks: CutNetworks) => {
  const all: number[] = [];
  for (const part of PARTS)
    for (const variable of networks.variables[part]) all.push(...(await variable.data()));
  return all;
};

const flip = (x: tf.Tensor4D) => tf.reverse(x, 2) as tf.Tensor4D;

/**
 * The step as models/cut_model.py has it, pass by pass, each computed anew: fake; D on fake, D on real, update D;
 * then GAN by the new D, NCE(target, fake) and NCE(source, identity), update G and F.
 */
function pedestrianStep(
  networks: CutNetworks,
  batch: { target: tf.Tensor4D; source: tf.Tensor4D },
  options: CutLossOptions,
  random: Random,
  rate: number,
): tf.Scalar {
  const { discriminate, encode, project, variables } = networks;
  const flipped = options.flipEquivariance && random.next() < 0.5;
  const turn = (x: tf.Tensor4D) => (flipped ? flip(x) : x);
  const translate = (images: tf.Tensor4D) => networks.translate(turn(images)).images;
  const optimisers = optimisersOf(networks);
  const update = (parts: readonly CutPart[], loss: () => tf.Scalar) => {
    const wanted = parts.flatMap((part) => [...variables[part]]);
    const { value, grads } = tf.variableGrads(loss, wanted);
    for (const part of parts)
      optimisers[part].apply(
        variables[part].map(({ name }) => grads[name]),
        rate,
        0,
      );
    return value;
  };
  const fake = translate(batch.target);
  update(["discriminator"], () => {
    const a = leastSquares(discriminate(fake), false);
    const b = leastSquares(discriminate(batch.source), true);
    return tf.mul(tf.add(a, b), 0.5) as tf.Scalar;
  });
  const fakes = options.identity ? [batch.target, batch.source] : [batch.target];
  // The places are drawn map by map, the target's first.
  const places = [0, 1].map(() => fakes.map(() => samplePositions(SIZE * SIZE, options.positions, random)));
  const nce = (image: tf.Tensor4D, domain: number) => {
    const compare = (of: tf.Tensor4D, turned: boolean) => {
      const maps = encode(of).map((map) => (turned ? turn(map) : map));
      const rows = maps.map((map, i) =>
        gatherRows(tf.reshape(map, [-1, map.shape[3]]) as tf.Tensor2D, places[i][domain]),
      );
      return project(rows).map((p) => tf.expandDims(l2Normalise(p), 0) as tf.Tensor3D);
    };
    const keys = compare(image, false).map((key) => detached(() => tf.clone(key)) as tf.Tensor3D);
    const queries = compare(translate(image), true);
    const losses = queries.map((query, i) => tf.sum(patchNce(query, keys[i], options.temperature)));
    return tf.div(tf.addN(losses), losses.length);
  };
  return update(["generator", "heads"], () => {
    const gan = leastSquares(discriminate(translate(batch.target)), true);
    const kept = tf.div(tf.addN(fakes.map(nce)), fakes.length);
    return tf.add(tf.mul(gan, options.lambdaGan), tf.mul(kept, options.lambdaNce)) as tf.Scalar;
  });
}

describe("a step of CUT", () => {
  const random = new Random(9);
  const image = () => Float32Array.from({ length: SIZE * SIZE }, () => random.uniform(-1, 1));
  const batch = { count: 1, size: SIZE, target: image(), source: image() };
  const options: CutLossOptions = {
    lambdaGan: 1.5,
    lambdaNce: 0.7,
    identity: true,
    flipEquivariance: false,
    positions: 20,
    temperature: 0.07,
  };

  it.each([
    ["with identity", options, 1],
    ["without", { ...options, identity: false }, 2],
    ["not mirrored", { ...options, identity: false, flipEquivariance: true }, 1],
    ["mirrored", { ...options, identity: false, flipEquivariance: true }, 3],
    ["mirrored, with identity", { ...options, flipEquivariance: true }, 3],
  ])("changes all weights as the passes of the repository do, one by one: %s", async (_, wanted, seed) => {
    const shape: [number, number, number, number] = [1, SIZE, SIZE, 1];
    const tensors = { target: tf.tensor4d(batch.target, shape), source: tf.tensor4d(batch.source, shape) };
    const [fast, slow] = [tinyNetworks(), tinyNetworks()];
    const start = await valuesOf(slow);
    const losses = await cutStep(fast, optimisersOf(fast), batch, wanted, new Random(seed), 0.1, 0);
    const loss = pedestrianStep(slow, tensors, wanted, new Random(seed), 0.1);
    expect(losses.loss).toBeCloseTo((await loss.data())[0], 4);
    const [a, b] = [await valuesOf(fast), await valuesOf(slow)];
    let moved = 0;
    b.forEach((value, i) => {
      expect(a[i]).toBeCloseTo(value, 4);
      moved = Math.max(moved, Math.abs(value - start[i]));
    });
    expect(moved).toBeGreaterThan(1e-2);
  });
});
