import { CRITERIA, type Criterion } from "../adaptation/types.js";
import { publishedIou } from "./published.js";
import { CRITERIA_EXPLAINED, escapeHtml } from "./report_text.js";
import { type RunResult, type Statistic, statistic } from "./results.js";

/** All runs of one source and target. */
export interface PairRuns {
  readonly source: RunResult["source"];
  readonly target: RunResult["target"];
  /** By the experiment's name of the strategy, in its order. */
  readonly strategies: readonly StrategyRuns[];
}

export interface StrategyRuns {
  readonly name: string;
  readonly title: string;
  readonly runs: readonly RunResult[];
}

/** Groups runs by pair and strategy, keeping their order. */
export function groupRuns(runs: readonly RunResult[]): PairRuns[] {
  const pairs = new Map<string, { first: RunResult; strategies: Map<string, RunResult[]> }>();
  for (const run of runs) {
    const key = JSON.stringify([run.source.name, run.target.name]);
    const pair = pairs.get(key) ?? { first: run, strategies: new Map<string, RunResult[]>() };
    pairs.set(key, pair);
    pair.strategies.set(run.name, [...(pair.strategies.get(run.name) ?? []), run]);
  }
  return [...pairs.values()].map(({ first, strategies }) => ({
    source: first.source,
    target: first.target,
    strategies: [...strategies].map(([name, list]) => ({ name, title: titleOf(name, list[0]), runs: list })),
  }));
}

const titleOf = (name: string, run: RunResult) =>
  name === run.strategy ? run.title : `${run.title} (${name})`;

/** Target IoU that a criterion reached; null where no run has target labels or the criterion nothing to choose by. */
export function reached(runs: readonly RunResult[], criterion: Criterion): Statistic | null {
  return statistic(runs.flatMap((run) => run.picks[criterion]?.targetIou ?? []));
}

export function formatStatistic(value: Statistic | null): string {
  if (!value) return `<span class="none">–</span>`;
  const deviation = value.n > 1 ? `<span class="dev"> ± ${value.deviation.toFixed(3)}</span>` : "";
  return `${value.mean.toFixed(3)}${deviation}`;
}

const repetitions = (runs: readonly RunResult[]) =>
  `${runs.length} ${runs.length === 1 ? "repetition" : "repetitions"}`;

/** Strategies by criteria, of one pair; the best of each column is marked. */
export function pairTable(pair: PairRuns, number: number): string {
  const columns = CRITERIA;
  const cells = pair.strategies.map(({ runs }) => columns.map((criterion) => reached(runs, criterion)));
  const best = columns.map((_, c) =>
    Math.max(...cells.map((row) => row[c]?.mean ?? Number.NEGATIVE_INFINITY)),
  );
  const { source, target } = pair;
  const published = publishedIou("attention-y-net", source.name, target.name);
  // A column of its own only where there is something to stand in it.
  const known =
    published !== null && pair.strategies.some(({ runs }) => runs[0].strategy === "attention-y-net");
  const head =
    `<tr><th scope="col">Strategy</th>` +
    columns
      .map(
        (c) =>
          `<th scope="col" class="num${c === "oracle" ? " apart" : ""}">${CRITERIA_EXPLAINED[c].name}</th>`,
      )
      .join("") +
    `<th scope="col" class="num">n</th>${known ? `<th scope="col" class="num apart">Paper, v1</th>` : ""}</tr>`;
  const body = pair.strategies
    .map(({ title, runs }, r) => {
      const values = columns
        .map((criterion, c) => {
          const value = cells[r][c];
          const marks = [
            "num",
            criterion === "oracle" ? "apart soft" : "",
            value && value.mean === best[c] ? "best" : "",
          ];
          return `<td class="${marks.filter(Boolean).join(" ")}">${formatStatistic(value)}</td>`;
        })
        .join("");
      const value = publishedIou(runs[0].strategy, source.name, target.name);
      const paper = known
        ? `<td class="num apart soft">${value ? formatStatistic(value) : "unknown"}</td>`
        : "";
      return `<tr><th scope="row">${escapeHtml(title)}</th>${values}<td class="num soft">${runs.length}</td>${paper}</tr>`;
    })
    .join("\n");
  const paper = known
    ? ` “Paper, v1”: what the authors published of the first version (model chosen by ARA, 10 repetitions); of the other strategies no published value could be found.`
    : published
      ? ` Published of this pair, as far as could be found, is only Attention Y-Net in the first version (model chosen by ARA): ${formatStatistic(published)}.`
      : "";
  const note = pair.strategies.some(({ runs }) => runs.length > 1)
    ? "Mean ± standard deviation over n repetitions with different seeds."
    : "One repetition (n = 1): differences of a few hundredths may be chance.";
  return `<figure class="wide"><figcaption><b>Table ${number}.</b> From ${escapeHtml(source.title)} to ${escapeHtml(target.title)}:
IoU on the target of the snapshot that each criterion chose. ${note} Bold: the best of a column.${paper}</figcaption>
<div class="scroll"><table><thead>${head}</thead><tbody>${body}</tbody></table></div></figure>`;
}

/** Source by target, a small table for each strategy; needs several pairs to say more than `pairTable`. */
export function matrixTables(pairs: readonly PairRuns[], criterion: Criterion): string {
  const sources = [...new Map(pairs.map(({ source }) => [source.name, source])).values()];
  const targets = [...new Map(pairs.map(({ target }) => [target.name, target])).values()];
  const strategies = [
    ...new Map(pairs.flatMap((pair) => pair.strategies.map(({ name, title }) => [name, title] as const))),
  ];
  const cell = (source: string, target: string, name: string) => {
    const pair = pairs.find((p) => p.source.name === source && p.target.name === target);
    const runs = pair?.strategies.find((strategy) => strategy.name === name)?.runs;
    if (!runs) return `<td class="num none">–</td>`;
    const value = reached(runs, criterion);
    return `<td class="num" title="${repetitions(runs)}">${formatStatistic(value)}<span class="dev"> (${value?.n ?? 0})</span></td>`;
  };
  return strategies
    .map(
      ([name, title]) =>
        `<table class="matrix"><caption>${escapeHtml(title)}</caption><thead><tr><td class="soft">from ↓ to →</td>${targets
          .map((target) => `<th scope="col" class="num">${escapeHtml(target.name)}</th>`)
          .join("")}</tr></thead><tbody>${sources
          .map(
            (source) =>
              `<tr><th scope="row">${escapeHtml(source.name)}</th>${targets.map((target) => cell(source.name, target.name, name)).join("")}</tr>`,
          )
          .join("")}</tbody></table>`,
    )
    .join("\n");
}

/** What each criterion lost against the oracle, over all runs with target labels. */
export function costTable(runs: readonly RunResult[], number: number): string {
  const rows = CRITERIA.filter((criterion) => criterion !== "oracle").flatMap((criterion) => {
    const losses = runs.flatMap((run) => {
      const [chosen, oracle] = [run.picks[criterion]?.targetIou, run.picks.oracle?.targetIou];
      return typeof chosen === "number" && typeof oracle === "number" ? [oracle - chosen] : [];
    });
    const mean = statistic(losses);
    if (!mean) return [];
    const exact = losses.filter((loss) => loss === 0).length;
    return [
      `<tr><th scope="row">${CRITERIA_EXPLAINED[criterion].name}</th><td class="num">${mean.mean.toFixed(3)}</td>` +
        `<td class="num">${Math.max(...losses).toFixed(3)}</td><td class="num">${exact} of ${losses.length}</td></tr>`,
    ];
  });
  if (rows.length === 0) return "";
  return `<figure><figcaption><b>Table ${number}.</b> What choosing without target labels cost: IoU of the oracle's snapshot less that of the
criterion's, over all runs. 0 would be as good as looking at the labels.</figcaption>
<div class="scroll"><table><thead><tr><th scope="col">Chosen by</th><th scope="col" class="num">mean loss</th><th scope="col" class="num">worst loss</th>
<th scope="col" class="num">the oracle's own choice</th></tr></thead><tbody>${rows.join("\n")}</tbody></table></div></figure>`;
}

/** What a criterion reaches that chooses among the snapshots of all strategies of a pair; "last": among their last ones, by distribution. */
export interface JointChoice {
  readonly criterion: "solidity" | "ara" | "distribution" | "last";
  /** Over the seeds. */
  readonly value: Statistic;
  /** Strategies that it took, each once. */
  readonly titles: readonly string[];
}

/**
 * Solidity, ARA and the distribution of morphology can be compared between strategies, too: for each seed, the snapshot of least
 * distance of all that the pair has. Nothing where there are no target labels to say what that is worth, or one strategy only.
 */
export function jointChoices({ strategies }: PairRuns): JointChoice[] {
  if (strategies.length < 2) return [];
  const seeds = [...new Set(strategies.flatMap(({ runs }) => runs.map(({ seed }) => seed)))];
  const distance = {
    solidity: ({ scored, priors, picks }: RunResult) =>
      picks.solidity && Math.abs(scored[picks.solidity.index].solidity - priors.solidity),
    ara: ({ scored, priors, picks }: RunResult) =>
      picks.ara && Math.abs(scored[picks.ara.index].ara - priors.ara),
    distribution: ({ scored, picks }: RunResult) =>
      picks.distribution && scored[picks.distribution.index].distribution,
    last: ({ scored, picks }: RunResult) => picks.last && scored[picks.last.index].distribution,
  };
  return (["solidity", "ara", "distribution", "last"] as const).flatMap((criterion) => {
    const titles = new Set<string>();
    const values = seeds.flatMap((seed) => {
      const candidates = strategies.flatMap(({ title, runs }) =>
        runs
          .filter((run) => run.seed === seed)
          .flatMap((run) => {
            const away = distance[criterion](run);
            const iou = run.picks[criterion]?.targetIou;
            return typeof away === "number" && typeof iou === "number" ? [{ title, away, iou }] : [];
          }),
      );
      // Where a seed was given to one strategy only, there is no choice.
      if (candidates.length < 2) return [];
      const least = candidates.reduce((a, b) => (b.away < a.away ? b : a));
      titles.add(least.title);
      return [least.iou];
    });
    const value = statistic(values);
    return value ? [{ criterion, value, titles: [...titles] }] : [];
  });
}
