import { FARTHEST } from "../morphology/distribution.js";
import type { RankedModel, Ranking } from "./ranking.js";

/** From this share of the resamplings on the first is called so, and below the lower one nothing is. */
const SURE = 0.9;
const LIKELY = 0.7;
/** One that is at least as near as the first this often is close to it. */
const CLOSE = 0.1;
/** Finding less than this part of what the others find (their median) is hardly anything, or much less. */
const HARDLY = 0.2;
const LITTLE = 0.5;

const LIKE = "looks most like real mitochondria here";

/** "a, b and c" */
const list = (items: readonly string[]) =>
  items.length < 2 ? items.join("") : `${items.slice(0, -1).join(", ")} and ${items[items.length - 1]}`;

/**
 * The ranking as a biologist reads it: which model looks best and how sure that is, or that it cannot be told, then how the others do.
 * @param names of the candidates. @param foreground voxels that each finds in the same chunks.
 */
export function rankingWords(
  ranking: Ranking,
  names: readonly string[],
  foreground: readonly number[],
): string {
  const { models, chunks, resamplings } = ranking;
  if (chunks === 0) return "Nothing is computed here yet.";
  if (models.every(({ distance }) => distance >= FARTHEST)) return "None of them finds a mitochondrion here.";
  const part = (model: number) => foreground[model] / Math.max(1, median(others(foreground, model)));
  const [first, ...rest] = models;
  const parts = [headline(ranking, names)];
  const told = resamplings > 0 && first.best < LIKELY ? contenders(models) : [first];
  const hardly = rest.filter(({ model }) => part(model) < HARDLY);
  const close = rest.filter(
    (one) => !told.includes(one) && !hardly.includes(one) && resamplings > 0 && one.beatsFirst >= CLOSE,
  );
  const far = rest.filter((one) => !told.includes(one) && !hardly.includes(one) && !close.includes(one));
  const say = (some: readonly RankedModel[], one: string, several: string) => {
    if (some.length > 0)
      parts.push(`${list(some.map(({ model }) => names[model]))} ${some.length === 1 ? one : several}`);
  };
  say(close, "is close", "are close");
  say(
    far,
    resamplings > 0 ? "is further from it" : "comes after it",
    resamplings > 0 ? "are further from it" : "come after it",
  );
  say(hardly, "finds hardly anything", "find hardly anything");
  const caution =
    part(first.model) < LITTLE && foreground.some((voxels) => voxels > 0)
      ? ` But ${names[first.model]} finds much less than the others (${Math.round(100 * part(first.model))} % of their median): look at what it misses.`
      : "";
  return `${parts.join("; ")}.${caution}`;
}

function headline({ models, chunks, resamplings }: Ranking, names: readonly string[]): string {
  const [first] = models;
  const name = names[first.model];
  if (resamplings === 0)
    return `${name} ${LIKE}, but ${chunks === 1 ? "one chunk is" : `${chunks} chunks are`} too few to say how sure that is`;
  const times = (share: number) => `${Math.round(share * resamplings)}`;
  if (first.best >= SURE) return `${name} ${LIKE} (${times(first.best)} of ${resamplings} resamplings)`;
  if (first.best >= LIKELY)
    return `${name} probably ${LIKE} (${times(first.best)} of ${resamplings} resamplings)`;
  const named = contenders(models).map(({ model, best }) => `${names[model]} in ${times(best)}`);
  return `Cannot tell which ${LIKE}: ${list(named)} of ${resamplings} resamplings`;
}

/** Those that are the nearest now and then. */
function contenders(models: readonly RankedModel[]): RankedModel[] {
  return models.filter(({ best }) => best >= CLOSE).sort((a, b) => b.best - a.best);
}

const others = (values: readonly number[], index: number) => values.filter((_, i) => i !== index);

/** The lower one of two in the middle: one model that floods everything does not make all others cautious. */
function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[(sorted.length - 1) >> 1] ?? 0;
}
