import { adaptedContents } from "../src/adaptation/package_adaptation.js";
import { snapshotWeights } from "../src/experiment/snapshot.js";
import { encodePackage } from "../src/model/encode.js";
import type { ModelPackage } from "../src/model/types.js";
import type { AdaptationRequest } from "./adaptation_api.js";
import type { Adapted } from "./adaptation_session.js";
import { packArchive } from "./saved_models.js";

const OWN_ID = /^adapted-\d{8}-\d{6}-/;

/** Id of an adapted package: when it was made, and from which model. */
export function adaptedId(source: string, when: Date): string {
  const [date, time] = when.toISOString().slice(0, 19).replaceAll(/[-:]/g, "").split("T");
  const from = source.replace(OWN_ID, "").replaceAll(".", "-");
  return `adapted-${date}-${time}-${from}`.slice(0, 64);
}

/** What an adapted package is made from. */
export interface PackageBase {
  readonly model: ModelPackage;
  readonly licence: string | undefined;
  readonly when: Date;
}

/**
 * The adapted network as a package like any other: the source's description and all that is known of the source, with what
 * was done to it.
 * @returns The package as a .zip file.
 */
export async function packageAdapted(
  id: string,
  { model, licence, when }: PackageBase,
  { title, snapshot, settings, kept, before, criterion, stopped }: Adapted,
  request: AdaptationRequest,
): Promise<Uint8Array<ArrayBuffer>> {
  const { stacks, geometry, window, eightBit, target, seed, strategy } = request;
  const contents = adaptedContents(
    model,
    {
      topology: snapshot.topology,
      weights: await snapshotWeights(snapshot),
      field: snapshot.field,
      strategy: { id: strategy, title },
      target,
      where: "in the viewer",
      window: eightBit ? window : model.config.window,
      selection: { criterion, step: kept.step },
      training: {
        command: "viewer: Adapt this model to this volume",
        seed,
        settings: {
          ...settings,
          adaptedFrom: { id: model.id, digest: model.digest },
          stacks: stacks.map(({ columns, rows, slices }) => ({ columns, rows, slices })),
          scale: geometry.scale,
          sliceAxis: geometry.sliceAxis,
          stopped,
        },
      },
      solidity: { before: before.solidity, after: kept.solidity },
    },
    { license: licence, timestamp: when.toISOString() },
  );
  return packArchive(await encodePackage(id, contents));
}
