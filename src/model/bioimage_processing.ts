/** How a network is given intensities: `lower` of the window becomes `offset`, `upper` becomes `offset + scale`. */
export interface InputScaling {
  readonly window: readonly [number, number];
  readonly scale: number;
  readonly offset: number;
}

/** What follows the network. */
export interface OutputActivation {
  readonly sigmoid: boolean;
}

interface Step {
  readonly id: string;
  readonly kwargs: Readonly<Record<string, unknown>>;
}

type Json = Record<string, unknown>;
const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The processing steps of a tensor: `id` in 0.5, `name` in 0.4. @throws Error naming the field. */
function stepsOf(value: unknown, where: string): Step[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value) || value.length > 100) throw new Error(`${where}: is no list of steps`);
  return value.map((step: unknown, i) => {
    const id = isObject(step) ? (step.id ?? step.name) : undefined;
    if (!isObject(step) || typeof id !== "string") throw new Error(`${where}[${i}]: has no id`);
    return { id, kwargs: isObject(step.kwargs) ? step.kwargs : {} };
  });
}

/** A number, or a list of one (of the only channel). */
function single(value: unknown, otherwise: number | undefined, where: string): number {
  const number = Array.isArray(value) && value.length === 1 ? value[0] : (value ?? otherwise);
  if (typeof number !== "number" || !Number.isFinite(number))
    throw new Error(`${where}: ${JSON.stringify(value)} is not one number`);
  return number;
}

/**
 * The preprocessing of a bioimage.io model as an intensity window and what the network makes of its ends. Each step that is
 * the same for every image is an increasing line or a cut (the specification's scale_linear, zero_mean_unit_variance with
 * fixed values, clip, ensure_dtype); what depends on the image (scale_range, per-sample statistics) would give neighbouring
 * chunks different intensities, so that a window has to be said in its place.
 * @param unit whether the raw values are documented to be 0..1 in place of 0..255.
 * @param given window that a person chose: it stands for scale_range.
 * @throws Error naming the step that cannot be had.
 */
export function inputScaling(
  preprocessing: unknown,
  { unit, given }: { unit: boolean; given?: readonly [number, number] },
): InputScaling {
  const where = "inputs[0].preprocessing";
  const steps = stepsOf(preprocessing, where);
  // What the network is given of a raw value v is v * gain + offset, cut to lower..upper.
  let gain = unit ? 1 / 255 : 1;
  let offset = 0;
  let lower = Number.NEGATIVE_INFINITY;
  let upper = Number.POSITIVE_INFINITY;
  const linear = (a: number, b: number) => {
    if (a === 0) throw new Error(`${where}: multiplies by 0`);
    gain *= a;
    offset = offset * a + b;
    [lower, upper] = a > 0 ? [lower * a + b, upper * a + b] : [upper * a + b, lower * a + b];
  };
  for (const [i, { id, kwargs }] of steps.entries()) {
    const at = `${where}[${i}]`;
    if (id === "ensure_dtype") {
      if (!/^float/.test(String(kwargs.dtype))) {
        // Raw EM is of an integer type already; later on it would round what is no integer.
        if (gain !== 1 || offset !== 0)
          throw new Error(`${at}: ensure_dtype ${kwargs.dtype} rounds intensities`);
      }
    } else if (id === "scale_linear")
      linear(single(kwargs.gain, 1, `${at}.kwargs.gain`), single(kwargs.offset, 0, `${at}.kwargs.offset`));
    else if (
      id === "fixed_zero_mean_unit_variance" ||
      (id === "zero_mean_unit_variance" && (kwargs.mode === "fixed" || kwargs.mean !== undefined))
    ) {
      const deviation = single(kwargs.std, undefined, `${at}.kwargs.std`);
      const mean = single(kwargs.mean, undefined, `${at}.kwargs.mean`);
      linear(1 / deviation, -mean / deviation);
    } else if (id === "clip") {
      if (kwargs.min_percentile !== undefined || kwargs.max_percentile !== undefined)
        throw new Error(`${at}: clip by percentiles depends on the image; ${ADVICE}`);
      if (kwargs.min !== undefined && kwargs.min !== null)
        lower = Math.max(lower, single(kwargs.min, undefined, `${at}.kwargs.min`));
      if (kwargs.max !== undefined && kwargs.max !== null)
        upper = Math.min(upper, single(kwargs.max, undefined, `${at}.kwargs.max`));
      if (!(lower < upper)) throw new Error(`${at}: clip leaves nothing`);
    } else if (id === "scale_range") {
      if (given === undefined) throw new Error(`${at}: scale_range depends on the image; ${ADVICE}`);
      [gain, offset] = [1 / (given[1] - given[0]), -given[0] / (given[1] - given[0])];
      [lower, upper] = [0, 1];
    } else throw new Error(`${at}: ${id.slice(0, 60)} cannot be had as an intensity window; ${ADVICE}`);
  }
  const raw = (value: number, otherwise: number) =>
    Number.isFinite(value) ? (value - offset) / gain : otherwise;
  const ends = gain > 0 ? [raw(lower, 0), raw(upper, 255)] : [raw(upper, 0), raw(lower, 255)];
  const window = [clean(ends[0]), clean(ends[1])] as const;
  if (!(window[0] < window[1]))
    throw new Error(`${where}: uses no part of the intensities, window ${window.join(", ")}`);
  return {
    window,
    scale: clean(gain * (ends[1] - ends[0])),
    offset: clean(gain * ends[0] + offset),
  };
}

const ADVICE =
  "say which intensities become 0 and 1 when importing it: chondria model import <package> --window <lower,upper> --out models/<id>";

/** Without the noise of adding and dividing: 255.00000000000003 is 255. */
const clean = (value: number) => Number(value.toPrecision(12)) + 0;

/**
 * The postprocessing of the one output as what Chondria can put behind a network. Binarisation at 0.5 is what a threshold
 * does with the probability.
 * @throws Error naming the step that cannot be had.
 */
export function outputActivation(postprocessing: unknown): OutputActivation {
  const where = "outputs[0].postprocessing";
  let sigmoid = false;
  for (const [i, { id, kwargs }] of stepsOf(postprocessing, where).entries()) {
    const at = `${where}[${i}]`;
    if (id === "ensure_dtype") continue;
    if (id === "sigmoid" && !sigmoid) sigmoid = true;
    else if (id === "clip" && single(kwargs.min, 0, at) <= 0 && single(kwargs.max, 1, at) >= 1) continue;
    else if (id === "binarize") {
      const threshold = single(kwargs.threshold, undefined, `${at}.kwargs.threshold`);
      if (threshold !== 0.5)
        throw new Error(
          `${at}: binarize at ${threshold}; only a probability that is cut at 0.5 can be taken as it is`,
        );
    } else throw new Error(`${at}: ${id.slice(0, 60)} cannot be put behind a network`);
  }
  return { sigmoid };
}
