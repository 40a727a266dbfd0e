import { readFile, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { type AdaptationCheckpoint, decodeAdaptation, encodeAdaptation } from "../adaptation/checkpoint.js";
import type { ScoredEpoch } from "../adaptation/types.js";
import { writeAtomically } from "../training/run_node.js";
import { changedSettings } from "../training/settings.js";
import { CHECKPOINT_FILE, lockRun, RUN_FILE, readJson, STATE_FILE, writeJson } from "./run_state_node.js";
import type { Snapshot } from "./snapshot.js";
import { readSnapshot, removeSnapshot, writeSnapshot } from "./snapshot_node.js";

/** What goes on beside the checkpoint. */
interface State {
  /** Mean solidity of the model as it was. */
  readonly before: number;
  readonly scored: readonly ScoredEpoch[];
}

/** Where an adaptation keeps what it needs to go on, until its package is written. */
export const workFolder = (out: string): string => join(dirname(resolve(out)), `.${basename(out)}.adapting`);

/** The files of one adaptation of a package. */
export class AdaptationFolder {
  private state: State = { before: 0, scored: [] };

  private constructor(
    readonly path: string,
    private readonly unlock: () => Promise<void>,
  ) {}

  /** Takes the folder for this process. @throws Error when another one has it. */
  static async take(path: string): Promise<AdaptationFolder> {
    const unlock = await lockRun(path);
    if (!unlock) throw new Error(`${path} is in use: the same adaptation runs already`);
    return new AdaptationFolder(path, unlock);
  }

  /**
   * Says whose the folder is, or checks that it is ours.
   * @param identity everything that, with the data, determines the result.
   * @returns the checkpoint to go on from.
   * @throws Error when it holds another adaptation, or a damaged one.
   */
  async begin(identity: object): Promise<AdaptationCheckpoint | undefined> {
    const path = join(this.path, RUN_FILE);
    const before = (await readJson(path)) as object | null;
    const changed = before && changedSettings(before, JSON.parse(JSON.stringify(identity)));
    if (changed)
      throw new Error(
        `${this.path} holds an unfinished adaptation of other settings (${changed}): give the same, give another --out, or delete it`,
      );
    if (!before) await writeJson(path, identity);
    const checkpoint = await this.readCheckpoint();
    const state = (await readJson(join(this.path, STATE_FILE))) as State | null;
    if (!checkpoint || !state) return undefined;
    // Scores after the checkpoint come again.
    const { totalSteps } = checkpoint.progress;
    this.state = { ...state, scored: state.scored.filter((entry) => entry.totalSteps <= totalSteps) };
    return checkpoint;
  }

  private async readCheckpoint(): Promise<AdaptationCheckpoint | undefined> {
    const path = join(this.path, CHECKPOINT_FILE);
    try {
      return decodeAdaptation(await readFile(path), path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
  }

  get before(): number {
    return this.state.before;
  }

  set before(solidity: number) {
    this.state = { ...this.state, before: solidity };
  }

  get scored(): readonly ScoredEpoch[] {
    return this.state.scored;
  }

  async save(checkpoint: AdaptationCheckpoint): Promise<void> {
    await writeJson(join(this.path, STATE_FILE), this.state);
    await writeAtomically(join(this.path, CHECKPOINT_FILE), encodeAdaptation(checkpoint));
  }

  private snapshotFolder(totalSteps: number): string {
    return join(this.path, "snapshots", String(totalSteps));
  }

  /** A point that comes again after a resume takes the place of its first time. */
  async add(entry: ScoredEpoch, snapshot: Snapshot): Promise<void> {
    await writeSnapshot(this.snapshotFolder(entry.totalSteps), snapshot);
    const earlier = this.state.scored.filter(({ totalSteps }) => totalSteps < entry.totalSteps);
    this.state = { ...this.state, scored: [...earlier, entry] };
  }

  /** Removes the weights of all scored snapshots but one: a criterion never goes back to what it has passed over. */
  async keepOnly(chosen: ScoredEpoch): Promise<void> {
    for (const { totalSteps } of this.state.scored)
      if (totalSteps !== chosen.totalSteps) await removeSnapshot(this.snapshotFolder(totalSteps));
  }

  snapshot({ totalSteps }: ScoredEpoch): Promise<Snapshot> {
    return readSnapshot(this.snapshotFolder(totalSteps));
  }

  async release(): Promise<void> {
    await this.unlock();
  }

  async remove(): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }
}
