import { tf } from "../kernels/tf.js";
import { freeze } from "../network/freeze.js";
import { chain } from "../network/graft.js";

/** Unlabelled EM on the model's grid, 0..255: the part of `Images` that statistics are measured on. */
interface Stack {
  readonly width: number;
  readonly height: number;
  readonly em: readonly Uint8Array[];
}

const MOST = 8;
const EDGE = 256;
/** Both networks halve their maps four times at most. */
const MULTIPLE = 16;

/**
 * The middle of up to eight slices, spread over the stack.
 * @param range what 0 and 255 become.
 * @throws Error when a slice is smaller than 16 x 16.
 */
function tiles({ width, height, em }: Stack, [low, high]: readonly [number, number]): tf.Tensor4D[] {
  const [columns, rows] = [width, height].map(
    (length) => Math.floor(Math.min(length, EDGE) / MULTIPLE) * MULTIPLE,
  );
  if (columns === 0 || rows === 0 || em.length === 0)
    throw new Error(
      `the images to freeze with are ${width} x ${height}: give at least ${MULTIPLE} x ${MULTIPLE}`,
    );
  const [left, top] = [Math.floor((width - columns) / 2), Math.floor((height - rows) / 2)];
  const count = Math.min(MOST, em.length);
  return Array.from({ length: count }, (_, i) => {
    const slice = em[Math.floor(((i + 0.5) * em.length) / count)];
    const tile = new Float32Array(columns * rows);
    for (let y = 0; y < rows; y++)
      for (let x = 0; x < columns; x++)
        tile[y * columns + x] = low + ((high - low) * slice[(top + y) * width + left + x]) / 255;
    return tf.tensor4d(tile, [1, rows, columns, 1]);
  });
}

/** The network with its group normalisations frozen on the images, so that a pixel does not depend on its tile. */
export function frozenOn(network: tf.LayersModel, images: Stack): tf.LayersModel {
  const parts = tiles(images, [0, 1]);
  try {
    return freeze(network, parts);
  } finally {
    tf.dispose(parts);
  }
}

/** A CUT generator, frozen on the images, before a network that segments what it makes of them. */
export function stylisedOn(
  generator: tf.LayersModel,
  segmenter: tf.LayersModel,
  images: Stack,
): tf.LayersModel {
  // The generator sees -1..1.
  const parts = tiles(images, [-1, 1]);
  try {
    const frozen = freeze(generator, parts);
    try {
      return chain(frozen, segmenter);
    } finally {
      frozen.dispose();
    }
  } finally {
    tf.dispose(parts);
  }
}
