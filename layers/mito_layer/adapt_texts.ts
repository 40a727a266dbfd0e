import type { AdaptationResult, AdaptationUpdate } from "../../workers/adaptation_api.js";

/** The words of the adaptation's views: what a person reads of its numbers. */

/** "12 s", "4 min", "1 h 20 min". */
export function formatDuration(seconds: number): string {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function phaseText(update: AdaptationUpdate | undefined, stopping: boolean): string {
  if (update === undefined) return "Starting…";
  const { phase, step, steps, read, slices } = update;
  if (phase === "starting") return "Starting the engine and reading the model…";
  if (phase === "reading") return `Reading EM: ${read} of ${slices} sections…`;
  if (phase === "saving") return "Saving the adapted model…";
  if (stopping) return "Stopping after this step…";
  if (phase === "scoring")
    return step === 0 ? "Looking at the model as it is…" : `Looking at the result of step ${step}…`;
  return `Step ${step} of ${steps}`;
}

export function detailText(update: AdaptationUpdate | undefined): string {
  if (update === undefined) return "";
  const parts: string[] = [];
  if (update.remaining !== undefined && update.remaining > 0)
    parts.push(`about ${formatDuration(update.remaining)} left`);
  if (update.best !== undefined) parts.push(`best so far: step ${update.best}`);
  if (update.engine !== undefined) parts.push(`on ${update.engine}`);
  const text = parts.join(", ");
  return text === "" ? "" : `${text[0].toUpperCase()}${text.slice(1)}.`;
}

/** Done, from 0 to 1; undefined while it cannot be told. */
export function doneFraction(update: AdaptationUpdate | undefined): number | undefined {
  if (update === undefined || update.phase === "starting") return undefined;
  if (update.phase === "reading")
    return update.slices === 0 ? undefined : (0.2 * update.read) / update.slices;
  if (update.steps === 0) return 0.2;
  return 0.2 + (0.8 * update.step) / update.steps;
}

const CRITERIA: Readonly<Record<string, string>> = {
  distribution: "its objects are most like the source's in shape, size and number",
  solidity: "its solidity is nearest to the source's",
  last: "it is the last one (the package does not say what the source's objects look like)",
};

export function resultText({ kept, before, criterion, prior, seconds, stopped }: AdaptationResult): string {
  const solidity =
    kept.regions === 0
      ? "Nothing is predicted here after it."
      : `Solidity here ${before.regions === 0 ? "could not be measured before" : `${before.solidity.toFixed(3)} before`}, ${kept.solidity.toFixed(3)} after` +
        `${prior === null ? "" : `; the source's is ${prior.toFixed(3)}`}. Foreground ${percent(before.fraction)} before, ${percent(kept.fraction)} after.`;
  return (
    `${stopped === "finished" ? "Adapted" : "Stopped and kept what there was"} in ${formatDuration(seconds)}. ${solidity} ` +
    `Kept: step ${kept.step}, because ${CRITERIA[criterion] ?? criterion}.`
  );
}

const percent = (fraction: number) => `${(100 * fraction).toFixed(1)} %`;

/** Whether the model as it was is nearer to the source than what was kept: said before anyone uses it. */
export function worseThanBefore({ kept, before, prior }: AdaptationResult): boolean {
  if (kept.distribution !== null && before.distribution !== null)
    return kept.distribution > before.distribution;
  if (prior === null) return false;
  return Math.abs(kept.solidity - prior) > Math.abs(before.solidity - prior);
}

/** What people call a volume: the end of its address. */
export function targetName(url: string): string {
  const path = url
    .replace(/\|.*$/s, "")
    .replace(/^(.*:\/\/)?https?:\/\/[^/]*/i, "")
    .replace(/^([a-z0-9+.-]+:\/\/)+/i, "")
    .replace(/[?#].*$/s, "")
    .replace(/\/+$/, "");
  const parts = path.split("/").filter((part) => part !== "");
  const name = parts.slice(-3).join("/");
  return name === "" ? "this volume" : name.slice(-60);
}
