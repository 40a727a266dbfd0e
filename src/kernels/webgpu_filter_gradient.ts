import { type ConvInfo, convolutionFilterGradient } from "./convolution_gradients.js";
import type { tf } from "./tf.js";

/** What tfjs's WebGPU backend runs (`WebGPUProgram` of @tensorflow/tfjs-backend-webgpu 4.22.0). */
interface Program {
  readonly outputShape: number[];
  readonly variableNames: string[];
  readonly uniforms: string;
  readonly workgroupSize: [number, number, number];
  dispatch: [number, number, number];
  readonly dispatchLayout: { x: number[]; y?: number[]; z?: number[] };
  shaderKey: string;
  readonly size?: boolean;
  getUserCode(): string;
}

export interface WebgpuBackend {
  runWebGPUProgram(
    program: Program,
    inputs: readonly tf.TensorInfo[],
    dtype: "float32",
    uniforms: readonly { type: "int32"; data: number[] }[],
  ): tf.TensorInfo;
  disposeData(dataId: object): boolean;
}

/** Threads of a workgroup, 16 x 16; each computes `across` x `down` of the sums of a tile. */
const EDGE = 16;
const THREADS = EDGE * EDGE;
/** Output columns of a line that are summed up between two barriers. */
const DEPTH = 16;
/** Workgroups that keep a large GPU busy, and the least of blocks that one of them is worth. */
const WANTED_GROUPS = 1024;
const LEAST_BLOCKS = 4;
/** Most bytes of partial sums. */
const PARTIAL_BYTES = 2 ** 26;

/** How the sums are laid out on the GPU. */
export interface FilterGradientPlan {
  /** Rows (taps x input maps) and columns (output maps) of a tile, in 16s. */
  readonly down: 1 | 2 | 4;
  readonly across: 1 | 2 | 4;
  readonly tileRows: number;
  readonly tileColumns: number;
  /** Blocks of `DEPTH` output columns that a line of the output has, and in all lines. */
  readonly blocksPerLine: number;
  readonly blocks: number;
  /** Parts in which the blocks are summed up, side by side. */
  readonly splits: number;
  readonly blocksPerSplit: number;
}

const perThread = (count: number): 1 | 2 | 4 => (count <= EDGE ? 1 : count <= 2 * EDGE ? 2 : 4);

/** @param lines,columns of the output of the convolution, batch included. */
export function planFilterGradient(
  rows: number,
  maps: number,
  lines: number,
  columns: number,
): FilterGradientPlan {
  const down = perThread(rows);
  const across = perThread(maps);
  const tileRows = Math.ceil(rows / (EDGE * down));
  const tileColumns = Math.ceil(maps / (EDGE * across));
  const blocksPerLine = Math.ceil(columns / DEPTH);
  const blocks = lines * blocksPerLine;
  const most = Math.min(Math.ceil(blocks / LEAST_BLOCKS), Math.floor(PARTIAL_BYTES / (4 * rows * maps)));
  const wanted = Math.ceil(WANTED_GROUPS / (tileRows * tileColumns));
  const blocksPerSplit = Math.ceil(blocks / Math.max(1, Math.min(wanted, most)));
  const splits = Math.ceil(blocks / blocksPerSplit);
  return { down, across, tileRows, tileColumns, blocksPerLine, blocks, splits, blocksPerSplit };
}

/**
 * The filter's gradient is the product of two matrices with few rows and columns and a very long inner side: windows
 * [R S C, N P Q] times errors [N P Q, K]. The inner side is split over workgroups; each sums up a tile of the product from
 * blocks of both that lie in shared memory, the windows taken from x as they are needed, and writes its part.
 */
class PartialSums implements Program {
  readonly variableNames = ["x", "dy"];
  readonly uniforms =
    "pads : vec2<i32>, strides : vec2<i32>, kernel : vec2<i32>, blocks : vec2<i32>, perSplit : i32,";
  readonly workgroupSize: [number, number, number] = [EDGE, EDGE, 1];
  readonly dispatchLayout = { x: [2], y: [1], z: [0] };
  readonly outputShape: number[];
  dispatch: [number, number, number];
  shaderKey: string;

  constructor(
    rows: number,
    maps: number,
    private readonly plan: FilterGradientPlan,
  ) {
    this.outputShape = [plan.splits, rows, maps];
    this.dispatch = [plan.tileColumns, plan.tileRows, plan.splits];
    this.shaderKey = `chondriaFilterGradient_${plan.down}_${plan.across}`;
  }

  getUserCode(): string {
    const { down, across } = this.plan;
    const [height, width] = [EDGE * down, EDGE * across];
    return `
      var<workgroup> windows : array<array<f32, ${height}>, ${DEPTH}>;
      var<workgroup> errors : array<array<f32, ${width}>, ${DEPTH}>;

      fn main() {
        let inputs = uniforms.xShape.w;
        let maps = uniforms.dyShape.w;
        let rows = uniforms.kernel.x * uniforms.kernel.y * inputs;
        let thread = i32(localIndex);
        // The row of windows and the map of errors that this thread loads stay the same all the way.
        let loadRow = i32(workgroupId.y) * ${height} + thread % ${height};
        let tap = loadRow / inputs;
        let inputMap = loadRow - tap * inputs;
        let tapY = tap / uniforms.kernel.y - uniforms.pads.x;
        let tapX = tap % uniforms.kernel.y - uniforms.pads.y;
        let loadMap = i32(workgroupId.x) * ${width} + thread % ${width};
        let firstBlock = i32(workgroupId.z) * uniforms.perSplit;
        var sums : array<array<f32, ${across}>, ${down}>;

        for (var i = 0; i < uniforms.perSplit; i++) {
          let block = firstBlock + i;
          let line = block / uniforms.blocks.x;
          let start = (block - line * uniforms.blocks.x) * ${DEPTH};
          let image = line / uniforms.dyShape.y;
          let y = (line - image * uniforms.dyShape.y) * uniforms.strides.x + tapY;
          let inside = block < uniforms.blocks.y && loadRow < rows && y >= 0 && y < uniforms.xShape.y;
          for (var j = 0; j < ${down}; j++) {
            let depth = thread / ${height} + j * ${THREADS / height};
            let column = start + depth;
            let x0 = column * uniforms.strides.y + tapX;
            var value = 0.0;
            if (inside && column < uniforms.dyShape.z && x0 >= 0 && x0 < uniforms.xShape.z) {
              value = x[((image * uniforms.xShape.y + y) * uniforms.xShape.z + x0) * inputs + inputMap];
            }
            windows[depth][thread % ${height}] = value;
          }
          for (var j = 0; j < ${across}; j++) {
            let depth = thread / ${width} + j * ${THREADS / width};
            let column = start + depth;
            var value = 0.0;
            if (block < uniforms.blocks.y && loadMap < maps && column < uniforms.dyShape.z) {
              value = dy[(line * uniforms.dyShape.z + column) * maps + loadMap];
            }
            errors[depth][thread % ${width}] = value;
          }
          workgroupBarrier();
          for (var depth = 0; depth < ${DEPTH}; depth++) {
            for (var a = 0; a < ${down}; a++) {
              let window = windows[depth][i32(localId.y) + a * ${EDGE}];
              for (var b = 0; b < ${across}; b++) {
                sums[a][b] += window * errors[depth][i32(localId.x) + b * ${EDGE}];
              }
            }
          }
          workgroupBarrier();
        }

        for (var a = 0; a < ${down}; a++) {
          let row = i32(workgroupId.y) * ${height} + i32(localId.y) + a * ${EDGE};
          for (var b = 0; b < ${across}; b++) {
            let map = i32(workgroupId.x) * ${width} + i32(localId.x) + b * ${EDGE};
            if (row < rows && map < maps) {
              result[(i32(workgroupId.z) * rows + row) * maps + map] = sums[a][b];
            }
          }
        }
      }
    `;
  }
}

/** Adds up the parts: one thread a weight, in the same order each time. */
class TotalSums implements Program {
  readonly variableNames = ["parts"];
  readonly uniforms = "splits : i32,";
  readonly workgroupSize: [number, number, number] = [64, 1, 1];
  readonly dispatchLayout = { x: [0] };
  readonly size = true;
  readonly outputShape: number[];
  dispatch: [number, number, number];
  shaderKey = "chondriaFilterGradientTotal";

  constructor(weights: number) {
    this.outputShape = [weights];
    this.dispatch = [Math.ceil(weights / this.workgroupSize[0]), 1, 1];
  }

  getUserCode(): string {
    return `
      fn main(index : i32) {
        if (index >= uniforms.size) { return; }
        var sum = 0.0;
        for (var split = 0; split < uniforms.splits; split++) {
          sum += parts[split * uniforms.size + index];
        }
        result[index] = sum;
      }
    `;
  }
}

/** The gradient by our own shaders. @returns [R, S, C, K] */
export function tiledFilterGradient(
  backend: WebgpuBackend,
  x: tf.TensorInfo,
  dy: tf.TensorInfo,
  info: ConvInfo,
): tf.TensorInfo {
  const { batchSize, inChannels, outChannels, filterHeight, filterWidth, padInfo } = info;
  const { strideHeight, strideWidth, inHeight, inWidth } = info;
  let { outHeight, outWidth } = info;
  const plain = filterHeight * filterWidth === 1 && strideHeight === 1 && strideWidth === 1;
  let [image, errors] = [x, dy];
  let lines = batchSize * outHeight;
  if (plain && outHeight === inHeight && outWidth === inWidth) {
    // A 1x1 kernel knows no lines: one line of all pixels leaves no block half empty.
    outWidth *= lines;
    lines = outHeight = 1;
    image = { ...pick(x), shape: [1, 1, outWidth, inChannels] };
    errors = { ...pick(dy), shape: [1, 1, outWidth, outChannels] };
  }
  const rows = filterHeight * filterWidth * inChannels;
  const plan = planFilterGradient(rows, outChannels, lines, outWidth);
  const int32 = (...data: number[]) => ({ type: "int32" as const, data });
  const parts = backend.runWebGPUProgram(
    new PartialSums(rows, outChannels, plan),
    [image, errors],
    "float32",
    [
      int32(padInfo.top, padInfo.left),
      int32(strideHeight, strideWidth),
      int32(filterHeight, filterWidth),
      int32(plan.blocksPerLine, plan.blocks),
      int32(plan.blocksPerSplit),
    ],
  );
  const shape = [filterHeight, filterWidth, inChannels, outChannels];
  if (plan.splits === 1) return { ...pick(parts), shape };
  const total = backend.runWebGPUProgram(new TotalSums(rows * outChannels), [parts], "float32", [
    int32(plan.splits),
  ]);
  backend.disposeData(parts.dataId);
  return { ...pick(total), shape };
}

const pick = ({ dataId, dtype }: tf.TensorInfo) => ({ dataId, dtype });

/** Tiles of 32 x 32 from which on the product of two matrices keeps a GPU busy without splitting its inner side. */
const MANY_TILES = 128;
/** Most bytes of windows that are written out: far below WebGPU's least promise for a storage buffer, 128 MiB. */
const WINDOW_BYTES = 2 ** 25;

/**
 * Whether the gradient is better composed: where there are many sums and each is short (the deep layers), tfjs's matrix
 * product, which loads four numbers at once, gains more than the windows cost that it needs written out. Of few and long
 * sums it makes atomic additions, slow and in no fixed order.
 */
export function composes(info: ConvInfo): boolean {
  const { batchSize, outHeight, outWidth, inChannels, outChannels, filterHeight, filterWidth } = info;
  const rows = filterHeight * filterWidth * inChannels;
  const tiles = Math.ceil(rows / 32) * Math.ceil(outChannels / 32);
  return tiles >= MANY_TILES && 4 * rows * batchSize * outHeight * outWidth <= WINDOW_BYTES;
}

/**
 * Gradient of a convolution by its filter on WebGPU, chosen by shape between `tiledFilterGradient` and one product of
 * tfjs's over windows that are written out first.
 * @param x [N, H, W, C] @param dy [N, P, Q, K] @returns [R, S, C, K]
 */
export function webgpuFilterGradient(
  backend: WebgpuBackend,
  x: tf.TensorInfo,
  dy: tf.TensorInfo,
  info: ConvInfo,
): tf.TensorInfo {
  return composes(info)
    ? convolutionFilterGradient(x as tf.Tensor4D, dy as tf.Tensor4D, info)
    : tiledFilterGradient(backend, x, dy, info);
}
