import { type Command, Option } from "commander";
import type { BackendName } from "../inference/types.js";
import { commandLine } from "./inference_flags.js";
import { formatDuration } from "./progress.js";

interface Flags {
  data?: string;
  out?: string;
  backend?: BackendName | "auto";
  only?: string[];
  plan?: boolean;
}

export function register(program: Command): void {
  program
    .command("experiment")
    .description("Train and compare adaptation strategies as a YAML file says; goes on where it was stopped")
    .argument("<file>", "experiment, as in experiments/real.yaml")
    .option("--data <folder>", "of the public data sets (docs/datasets.md); wins over the file's")
    .option("--out <folder>", "of the runs (default: runs/<name>)")
    .addOption(
      new Option("--backend <name>", "compute engine; wins over the file's").choices([
        "auto",
        "tensorflow",
        "webgpu",
        "wasm",
      ]),
    )
    .option("--only <text...>", "only runs whose name holds one of these, and what they start from")
    .option("--plan", "list the runs and end")
    .action(experiment);
}

async function experiment(file: string, flags: Flags): Promise<void> {
  const { readExperiment, runExperiment } = await import("../experiment/experiment_node.js");
  if (flags.plan) {
    const { runs } = await readExperiment(file);
    for (const { id, protocol, startsFrom } of runs)
      process.stdout.write(`${id}  ${protocol}${startsFrom === null ? "" : `  starts from ${startsFrom}`}\n`);
    return;
  }
  const interrupt = new AbortController();
  const stop = () => interrupt.abort();
  process.once("SIGINT", stop).once("SIGTERM", stop);
  const progress = new ExperimentProgress();
  try {
    const result = await runExperiment({
      file,
      out: flags.out,
      dataRoot: flags.data,
      backend: flags.backend,
      only: flags.only,
      command: commandLine(),
      signal: interrupt.signal,
      events: progress.events(),
    });
    progress.say(
      interrupt.signal.aborted
        ? `stopped: ${result.runs.length} of ${result.planned} runs are done; the same command goes on`
        : `${result.runs.length} of ${result.planned} runs are done`,
    );
  } finally {
    process.off("SIGINT", stop).off("SIGTERM", stop);
  }
}

type Events = NonNullable<
  Parameters<typeof import("../experiment/experiment_node.js").runExperiment>[0]["events"]
>;

/** One updating line on a terminal; else a line every ten seconds. Scores get lines of their own. */
class ExperimentProgress {
  private readonly started = performance.now();
  private drawn = Number.NEGATIVE_INFINITY;
  private began = 0;
  private first = 0;
  private loss = Number.NaN;
  private runs = 0;
  private done = 0;

  private get terminal(): boolean {
    return process.stderr.isTTY === true;
  }

  say(text: string): void {
    process.stderr.write(`${this.terminal ? "\r\x1b[K" : ""}${text}\n`);
  }

  events(): Events {
    return {
      onPlan: (runs, done, out, engine) => {
        this.runs = runs.length;
        this.done = done;
        this.say(`${runs.length} runs in ${out}, ${done} of them done; ${engine}`);
      },
      onBegin: (run, settings, { source, images, scorer }) => {
        this.began = performance.now();
        this.first = 0;
        this.loss = Number.NaN;
        const stages = Object.entries(settings.stages).map(([stage, { steps }]) => `${stage} ${steps}`);
        const unlabelled = images.reduce((sum, stack) => sum + stack.em.length, 0);
        this.say(
          `${run.id} (run ${this.done + 1} of ${this.runs}): ${run.strategy.title}, ${run.protocol}; steps ${stages.join(", ")}; ` +
            `${source.train.em.length} labelled and ${unlabelled} unlabelled slices, ${scorer.slices} scored`,
        );
      },
      onStep: (run, step, of) => {
        if (this.first === 0) this.first = step.totalSteps - 1;
        const { loss } = step.losses;
        this.loss = Number.isNaN(this.loss) ? loss : 0.95 * this.loss + 0.05 * loss;
        const now = performance.now();
        if (now - this.drawn < (this.terminal ? 200 : 10_000)) return;
        this.drawn = now;
        const each = (now - this.began) / 1000 / (step.totalSteps - this.first);
        const text =
          `${run.id}: ${step.stage} ${step.step}, ${step.totalSteps} of ${of}  loss ${this.loss.toFixed(4)}  ` +
          `${each.toFixed(2)} s/step with scoring  ${formatDuration((of - step.totalSteps) * each)} left`;
        process.stderr.write(this.terminal ? `\r\x1b[K${text}` : `${text}\n`);
      },
      onScore: (run, { stage, step, solidity, targetIou, validation, distribution, seconds }) => {
        const number = (value: number | null) => (value === null ? "-" : value.toFixed(4));
        this.say(
          `${run.id}: ${stage} ${step}  solidity ${number(solidity)}  distribution ${number(distribution)}  ` +
            `validation IoU ${number(validation)}  target IoU ${number(targetIou)}  (${seconds.toFixed(1)} s)`,
        );
      },
      onEnd: (run, { picks, trainingSeconds, scoringSeconds }) => {
        this.done++;
        const chosen = Object.entries(picks).map(([criterion, pick]) =>
          pick ? `${criterion} ${pick.targetIou?.toFixed(4) ?? `step ${pick.totalSteps}`}` : `${criterion} -`,
        );
        this.say(
          `${run.id}: done in ${formatDuration(trainingSeconds)} and ${formatDuration(scoringSeconds)} of scoring; ${chosen.join(", ")}`,
        );
        this.say(
          `${this.done} of ${this.runs} runs, ${formatDuration((performance.now() - this.started) / 1000)}`,
        );
      },
      onSkip: (run, why) => this.say(`${run.id}: skipped, ${why}`),
      onPackage: (run, folder) => this.say(`${run.id}: packaged as ${folder}`),
    };
  }
}
