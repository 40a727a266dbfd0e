/** Order and numbering of the files of an image stack. */

const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

/**
 * Names in the order of their numbers: `2.png` before `10.png`, `mask0009.png` before `mask0010.png`. Names that the
 * collator holds equal (`1.png`, `01.png`) fall back to code-point order, so that the order never depends on the disk.
 */
export function naturalSort(names: readonly string[]): string[] {
  return [...names].sort((a, b) => collator.compare(a, b) || (a < b ? -1 : a > b ? 1 : 0));
}

/** The last run of digits in a file name without its extension, with what stands around it. */
function numberOf(name: string): { prefix: string; number: number; suffix: string } | undefined {
  const stem = name.replace(/\.[^.]*$/, "");
  const match = /^(.*?)(\d+)(\D*)$/s.exec(stem);
  if (!match) return undefined;
  return { prefix: match[1], number: Number(match[2]), suffix: match[3] };
}

const LISTED = 8;

/**
 * What looks wrong in the numbering of sorted slice names: numbers that are missing or given twice, names of another
 * kind among them. Each entry is a sentence for the user; none means the numbering is whole.
 */
export function numberingWarnings(sorted: readonly string[]): string[] {
  const numbered = sorted.map((name) => ({ name, parsed: numberOf(name) }));
  const first = numbered[0]?.parsed;
  if (!first)
    return sorted.length > 1
      ? [`${sorted[0]} has no number: slices are taken in the order of their names`]
      : [];
  const warnings: string[] = [];
  const odd = numbered.find(
    ({ parsed }) => parsed?.prefix !== first.prefix || parsed?.suffix !== first.suffix,
  );
  if (odd) {
    warnings.push(
      `${sorted[0]} and ${odd.name} are named differently: check that one folder holds one stack`,
    );
    return warnings;
  }
  const missing: string[] = [];
  let missingCount = 0;
  for (let i = 1; i < numbered.length; ++i) {
    const before = numbered[i - 1].parsed!.number;
    const here = numbered[i].parsed!.number;
    if (here === before)
      warnings.push(`${numbered[i - 1].name} and ${numbered[i].name} have the same number`);
    const gap = here - before - 1;
    if (gap <= 0) continue;
    missingCount += gap;
    if (missing.length < LISTED) missing.push(gap === 1 ? `${before + 1}` : `${before + 1} to ${here - 1}`);
  }
  if (missingCount > 0) {
    const more = missing.length === LISTED ? ", ..." : "";
    warnings.push(
      `${missingCount} of the numbers between ${sorted[0]} and ${sorted[sorted.length - 1]} have no file (${missing.join(", ")}${more}): ` +
        "the slices that are there are stacked without a gap",
    );
  }
  return warnings;
}
