/** Seconds as 0:07, 12:30 or 1:02:03. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const two = (value: number) => String(value).padStart(2, "0");
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

export interface ProgressOutput {
  isTTY?: boolean;
  write(text: string): unknown;
}

const BAR_WIDTH = 24;

/**
 * A progress bar on stderr: one line that is drawn over on a terminal, else a line every few seconds, so that a log
 * file stays readable.
 */
export class ProgressBar {
  private readonly started: number;
  private drawn = Number.NEGATIVE_INFINITY;
  private readonly terminal: boolean;
  /** Fraction that was done before this run: it took none of this run's time. */
  private first: number | undefined;

  constructor(
    private readonly label: string,
    private readonly output: ProgressOutput = process.stderr,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.started = now();
    this.terminal = output.isTTY === true;
  }

  /** @param fraction done, 0 to 1. @param before what of it was done when this run began. @param detail shown behind. */
  update(fraction: number, detail = "", before = 0): void {
    const now = this.now();
    this.first ??= before;
    const complete = fraction >= 1;
    if (!complete && now - this.drawn < (this.terminal ? 100 : 5000)) return;
    this.drawn = now;
    const seconds = (now - this.started) / 1000;
    const gained = fraction - this.first;
    const left = complete
      ? `in ${formatDuration(seconds)}`
      : gained > 0
        ? `${formatDuration((seconds * (1 - fraction)) / gained)} left`
        : "";
    const filled = Math.round(BAR_WIDTH * Math.min(1, fraction));
    const bar = this.terminal ? `[${"#".repeat(filled)}${".".repeat(BAR_WIDTH - filled)}] ` : "";
    const text =
      `${this.label} ${bar}${Math.floor(fraction * 100)} %  ${left}${detail && `  ${detail}`}`.trimEnd();
    this.output.write(this.terminal ? `\r\x1b[K${text}` : `${text}\n`);
  }

  /** Leave the line as it is and write below it from now on. */
  end(): void {
    if (this.terminal && this.drawn > Number.NEGATIVE_INFINITY) this.output.write("\n");
  }
}
