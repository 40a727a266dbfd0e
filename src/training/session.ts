import { buildAttentionUNet } from "../network/attention_unet.js";
import { runTraining, type StepReport, type TrainingOutcome, type ValidationReport } from "./loop.js";
import type { TrainingSettings } from "./settings.js";
import type { Slices } from "./slices.js";

export interface TrainingJob {
  readonly settings: TrainingSettings;
  readonly train: Slices;
  readonly validation: Slices;
}

/** The newest numbers of a running training. */
export interface TrainingStatus {
  readonly running: boolean;
  readonly step: StepReport | null;
  readonly validation: ValidationReport | null;
}

/** One training at a time on the current backend, to be started, watched and stopped from another thread. */
export class TrainingSession {
  private step: StepReport | null = null;
  private validation: ValidationReport | null = null;
  private controller: AbortController | null = null;

  /**
   * @param failure asked after each step; a message of it (an uncaught GPU error) fails the training.
   * @returns how it ended, and the weights of the model in its order.
   * @throws Error while another training runs, and what the training throws.
   */
  async start(job: TrainingJob, failure?: () => string | undefined): Promise<TrainingOutcome> {
    if (this.controller) throw new Error("a training is running here: stop it first");
    const controller = new AbortController();
    this.controller = controller;
    this.step = null;
    this.validation = null;
    const network = buildAttentionUNet(job.settings.network);
    try {
      return await runTraining(
        { network, ...job },
        {
          signal: controller.signal,
          onStep: (report) => {
            const message = failure?.();
            if (message !== undefined) throw new Error(`step ${report.step}: ${message}`);
            this.step = report;
          },
          onValidation: (report) => {
            this.validation = report;
          },
        },
      );
    } finally {
      network.model.dispose();
      this.controller = null;
    }
  }

  status(): TrainingStatus {
    return { running: this.controller !== null, step: this.step, validation: this.validation };
  }

  /** Ends the training after the running step; `start` then returns with "interrupted". */
  stop(): void {
    this.controller?.abort();
  }
}
