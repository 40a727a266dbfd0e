import { CRITERIA, type Criterion } from "../adaptation/types.js";
import { runCurves } from "./report_curves.js";
import { REPORT_STYLE } from "./report_style.js";
import {
  costTable,
  groupRuns,
  jointChoices,
  matrixTables,
  type PairRuns,
  pairTable,
  reached,
} from "./report_tables.js";
import { CRITERIA_EXPLAINED, criterionWord, escapeHtml, RULES } from "./report_text.js";
import type { ExperimentResult, RunResult } from "./results.js";

/** One slice of a target as it is shown. */
export interface ReportSlice {
  /** "slice 10" */
  readonly caption: string;
  readonly width: number;
  readonly height: number;
  /** data: URLs of PNG pictures. */
  readonly em: string;
  readonly overlays: readonly { readonly title: string; readonly note: string; readonly image: string }[];
  readonly labelled: boolean;
}

/** Slices by pair, in the order of `groupRuns`. */
export type ReportPictures = readonly (readonly ReportSlice[])[];

/** Of the criteria that look at no target label. */
const LABEL_FREE = CRITERIA.filter((criterion) => criterion !== "oracle");

/** Names of the pictured criterion in sentences: the published one. */
export const SHOWN: Criterion = "solidity";

/**
 * An experiment as one page without any other file: for people who know the paper's abstract.
 * @param pictures of each pair; may be empty.
 */
export function experimentReport(result: ExperimentResult, pictures: ReportPictures): string {
  const pairs = groupRuns(result.runs);
  const { name, planned, runs, updated, command } = result;
  let table = 0;
  const sections = pairs.map((pair, i) => pairSection(pair, pictures[i] ?? [], ++table));
  const many = pairs.length > 1;
  const state =
    runs.length < planned ? `${runs.length} of ${planned} runs are finished` : `${runs.length} runs`;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(name)}: adaptation strategies compared</title><style>${REPORT_STYLE}</style></head><body>
<h1>Adapting mitochondria segmentation: ${escapeHtml(name)}</h1>
<p class="meta">${state} · ${escapeHtml(updated.slice(0, 16).replace("T", " "))} UTC · <code>${escapeHtml(command)}</code></p>
${introduction(pairs)}
${pairs.map(headline).join("\n")}
<h2>How good each strategy is</h2>
${sections.map(({ tables }) => tables).join("\n")}
${many ? matrices(pairs) : ""}
<h2>What choosing without labels costs</h2>
${costTable(runs, ++table) || "<p>No target of this experiment has labels: the cost cannot be measured.</p>"}
<h2>What each criterion looks at</h2>
<dl>${CRITERIA.map((criterion) => `<dt>${CRITERIA_EXPLAINED[criterion].name} <span class="soft">(${CRITERIA_EXPLAINED[criterion].mark} in the curves)</span></dt><dd>${escapeHtml(CRITERIA_EXPLAINED[criterion].text)}</dd>`).join("")}</dl>
<h2>Every run over its training</h2>
<p>Upper panel: <span class="key" style="--c:var(--target)">IoU on the target</span><span class="key" style="--c:var(--validation)">IoU on held-out source slices</span><br>
Lower panel: <span class="key" style="--c:var(--solid)">solidity of the prediction</span><span class="key" style="--c:var(--prior)">solidity of the source's labels</span></p>
<p>Vertical lines mark the snapshots that were chosen; letters say by which criteria: ${CRITERIA.map((c) => `<b>${CRITERIA_EXPLAINED[c].mark}</b> ${criterionWord(c)}`).join(", ")}.
A good criterion has its letter near the top of the blue curve.</p>
${sections.map(({ curves }) => curves).join("\n")}
${sections.some(({ images }) => images !== "") ? `<h2>What the predictions look like</h2>\n${sections.map(({ images }) => images).join("\n")}` : ""}
<h2>Settings, seeds and times</h2>
${pairs.map(settingsSection).join("\n")}
<h3>The experiment's file</h3><details><summary>${escapeHtml(name)}</summary><pre><code>${escapeHtml(result.file)}</code></pre></details>
<h2>What is published</h2>
<p>The method is that of Franco-Barranco et al., “Deep learning based domain adaptation for mitochondria segmentation on EM volumes”, Computer
Methods and Programs in Biomedicine 222 (2022) 106949. Of its results only those of Attention Y-Net in the first version (model chosen by ARA) could be
found outside of the paper, in the authors' own code; they stand beside ours where a pair of data sets is the paper's. All other published values are
unknown here and none is guessed.</p>
</body></html>
`;
}

function introduction(pairs: readonly PairRuns[]): string {
  const runs = pairs.flatMap((pair) => pair.strategies.flatMap((strategy) => strategy.runs));
  const reduced = runs.some((run) => run.protocol === "reduced");
  return `<p class="lead">A network that has learnt to find mitochondria in one electron-microscopy volume (the <i>source</i>) often fails in another one (the
<i>target</i>), because tissue, microscope and staining differ. Labelling the target by hand would mend that, but takes weeks. The strategies compared here
use the labels of the source and only the <i>unlabelled</i> images of the target.</p>
<p>While a strategy trains, snapshots of its network are taken. Which one to keep must be decided without target labels, too: by one of the criteria below,
most of which ask whether the predicted objects are shaped like real mitochondria. Target labels are used for nothing but the scores on this page.</p>
<p><b>${RULES.iou.split(":")[0]}</b>:${escapeHtml(RULES.iou.slice(RULES.iou.indexOf(":") + 1))}</p>
${reduced ? `<p>Runs marked “reduced” were trained with declared budgets of steps for small machines, not with the authors' full schedules.</p>` : ""}`;
}

/** A pair in a few numbers: choices without labels against no adaptation. */
function headline(pair: PairRuns): string {
  const rows = pair.strategies.flatMap(({ name, title, runs }) =>
    LABEL_FREE.flatMap((criterion) => {
      const value = reached(runs, criterion);
      return value ? [{ name, title, criterion, mean: value.mean, strategy: runs[0].strategy }] : [];
    }),
  );
  const route = `${escapeHtml(pair.source.title)} → ${escapeHtml(pair.target.title)}`;
  if (rows.length === 0)
    return `<p class="result"><b>${route}:</b> the target has no labels, so there are pictures and morphology, but no scores.</p>`;
  const baseline = rows.find(({ strategy, criterion }) => strategy === "source-only" && criterion === "last");
  const best = rows.reduce((a, b) => (b.mean > a.mean ? b : a));
  const published = rows.filter(({ criterion }) => criterion === SHOWN);
  const solid = published.length > 0 ? published.reduce((a, b) => (b.mean > a.mean ? b : a)) : null;
  const item = (what: string, { title, mean }: { title: string; mean: number }) =>
    `<li>${what}: <b>${mean.toFixed(3)}</b> <span class="soft">(${escapeHtml(title)})</span></li>`;
  const parts = [
    baseline ? item("Without adaptation, last snapshot", baseline) : "",
    solid ? item(`Best strategy, its snapshot chosen by ${criterionWord(SHOWN)}`, solid) : "",
    ...jointChoices(pair).map(({ criterion, value, titles }) =>
      item(
        criterion === "last"
          ? "Last snapshot of the strategy whose last snapshot is nearest by distribution, no label looked at"
          : `Strategy and snapshot both chosen by ${criterionWord(criterion)}, no label looked at`,
        { title: titles.join(", "), mean: value.mean },
      ),
    ),
    item("Best strategy and criterion, in hindsight", {
      ...best,
      title: `${best.title}, ${criterionWord(best.criterion)}`,
    }),
  ];
  return `<div class="result"><b>${route}</b>, IoU:<ul>${parts.join("")}</ul></div>`;
}

function pairSection(pair: PairRuns, slices: readonly ReportSlice[], table: number) {
  const heading = `<h3>${escapeHtml(pair.source.title)} → ${escapeHtml(pair.target.title)}</h3>`;
  const card = (run: RunResult, title: string) => {
    return `<figure class="card"><figcaption>${escapeHtml(title)} <span>seed ${run.seed}, ${run.protocol}</span></figcaption>${runCurves(run)}</figure>`;
  };
  const first = pair.strategies.map(({ title, runs }) => card(runs[0], title));
  const others = pair.strategies.flatMap(({ title, runs }) => runs.slice(1).map((run) => card(run, title)));
  return {
    tables: pairTable(pair, table),
    curves: `${heading}<div class="cards">${first.join("\n")}</div>${
      others.length > 0
        ? `<details><summary>${others.length} further runs with other seeds</summary><div class="cards">${others.join("\n")}</div></details>`
        : ""
    }`,
    images: slices.length === 0 ? "" : heading + slices.map(sliceRow).join("\n"),
  };
}

function sliceRow({ caption, width, height, em, overlays, labelled }: ReportSlice, i: number): string {
  const layer = (inner: string, title: string, note: string) =>
    `<figure><div class="layers em" style="aspect-ratio:${width}/${height}">${inner}</div><figcaption><b>${escapeHtml(title)}</b> <span class="soft">${escapeHtml(note)}</span></figcaption></figure>`;
  const colours = labelled
    ? `<span class="key swatch" style="--c:var(--hit)">found</span><span class="key swatch" style="--c:var(--missed)">missed (labelled, not predicted)</span><span class="key swatch" style="--c:var(--extra)">wrong (predicted, not labelled)</span>`
    : `<span class="key swatch" style="--c:var(--hit)">predicted</span>`;
  return `<p>${i === 0 ? `${colours}<br>` : ""}<b>${escapeHtml(caption)}</b>${i === 0 ? `, snapshots chosen by ${criterionWord(SHOWN)}; IoU is over all scored slices` : ""}</p>
<div class="pictures" style="--em:url(${em})">${layer("", "EM", "what the network sees")}
${overlays.map(({ title, note, image }) => layer(`<img src="${image}" alt="${escapeHtml(`prediction of ${title}`)}">`, title, note)).join("\n")}</div>`;
}

function matrices(pairs: readonly PairRuns[]): string {
  return `<h3>Source by target</h3>
<p>The same values by strategy, one table for each criterion: mean ± standard deviation, in brackets the number of repetitions.</p>
${CRITERIA.map(
  (criterion) =>
    `<details${criterion === SHOWN ? " open" : ""}><summary>${CRITERIA_EXPLAINED[criterion].name}</summary><div class="matrices">${matrixTables(pairs, criterion)}</div></details>`,
).join("\n")}`;
}

/** { a: { b: 1 } } -> [["a.b", "1"]] */
function rows(value: object, prefix = ""): [string, string][] {
  return Object.entries(value).flatMap(([key, entry]): [string, string][] => {
    if (entry !== null && typeof entry === "object" && !Array.isArray(entry))
      return rows(entry, `${prefix}${key}.`);
    return [[`${prefix}${key}`, Array.isArray(entry) ? entry.join(", ") : String(entry)]];
  });
}

const duration = (seconds: number) => {
  const minutes = Math.round(seconds / 60);
  return seconds < 90
    ? `${Math.round(seconds)} s`
    : minutes < 90
      ? `${minutes} min`
      : `${(seconds / 3600).toFixed(1)} h`;
};

function settingsSection(pair: PairRuns): string {
  const body = pair.strategies
    .map(({ title, runs }) => {
      const [first] = runs;
      const times = runs
        .map(
          (run) =>
            `<tr><td>seed ${run.seed}</td><td>${duration(run.trainingSeconds)} of training, ${duration(run.scoringSeconds)} of scoring; ${escapeHtml(run.machine.engine)}, ${escapeHtml(run.machine.cpu)}, ${run.machine.cores} cores; ${run.scored.length} snapshots scored${run.sourceModel === null ? "" : `; starts from ${escapeHtml(run.sourceModel)}`}</td></tr>`,
        )
        .join("");
      const settings = rows(first.settings)
        .filter(([key]) => key !== "seed" && key !== "network.seed")
        .map(([key, value]) => `<tr><td>${escapeHtml(key)}</td><td>${escapeHtml(value)}</td></tr>`)
        .join("");
      return `<details><summary>${escapeHtml(title)} <span class="soft">${first.protocol}, ${runs.length === 1 ? "seed" : "seeds"} ${runs.map((run) => run.seed).join(", ")}</span></summary><table>${times}${settings}</table></details>`;
    })
    .join("\n");
  const [run] = pair.strategies[0].runs;
  const grid = (size: readonly number[]) => `${+size[0].toFixed(2)} × ${+size[1].toFixed(2)} nm`;
  return `<h3>${escapeHtml(pair.source.title)} → ${escapeHtml(pair.target.title)}</h3>
<p class="soft">Model grid ${grid(run.modelVoxelSize)}; ${run.source.slices} source slices of ${run.source.size.join(" × ")} pixels. Scored: region ${escapeHtml(run.region)} of the target,
threshold ${run.threshold}, test-time augmentation ${escapeHtml(run.tta)}; morphology measured at ${grid(run.gridVoxelSize)}.</p>
${body}`;
}
