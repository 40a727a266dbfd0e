import { stat } from "node:fs/promises";
import { dirname, isAbsolute, join, resolve } from "node:path";
import { averagingFactor } from "../training/train_node.js";
import { openVolume } from "../volume/open_node.js";
import { cutRegion, formatRegion, parseRegion } from "../volume/region.js";
import { type Box, type Vec3, VolumeError, type VolumeSource } from "../volume/types.js";
import {
  type DataPart,
  type DataSet,
  MODEL_EDGE,
  PHANTOM_TEST,
  PHANTOM_TRAIN,
  PUBLIC_DATA_SETS,
  type PublicDataSet,
} from "./datasets.js";
import {
  type Experiment,
  ExperimentError,
  type PartEntry,
  type PhantomEntry,
  type VolumesEntry,
} from "./experiment_file.js";

export interface DataSetContext {
  /** The experiment's file: its name is in errors, paths in it count from its folder. */
  readonly file: string;
  readonly experiment: Pick<Experiment, "data" | "datasets">;
  /** Wins over the file's `data`; relative to the current folder. */
  readonly dataRoot?: string;
}

/** A path of the experiment's file, which counts from the file's folder. */
export function besideFile(file: string, path: string): string {
  return isAbsolute(path) ? path : resolve(dirname(file), path);
}

/**
 * Opens a data set by the name that the experiment gives it: one of its own `datasets`, `lucchi++`, `kasthuri++`, `vnc`
 * (in the folder of the public data sets, see docs/datasets.md), or `phantom:<style>[/seed]`.
 * @throws ExperimentError for a name that is none; VolumeError when its files are not as they should be.
 */
export async function openDataSet(name: string, context: DataSetContext): Promise<DataSet> {
  const { experiment, file } = context;
  const own =
    experiment.datasets && Object.hasOwn(experiment.datasets, name) ? experiment.datasets[name] : null;
  if (own) return "phantom" in own ? openPhantomSet(name, own, file) : openVolumes(name, own, context);
  if (name.startsWith("phantom:"))
    return openPhantomSet(
      name,
      { phantom: name.slice("phantom:".length), train: PHANTOM_TRAIN, test: PHANTOM_TEST },
      file,
    );
  if (!Object.hasOwn(PUBLIC_DATA_SETS, name)) {
    const known = [
      ...Object.keys(PUBLIC_DATA_SETS),
      "phantom:<style>/<seed>",
      ...Object.keys(experiment.datasets ?? {}),
    ];
    throw new ExperimentError(
      file,
      `there is no data set "${name}": ${known.join(", ")} are known; define others in datasets`,
    );
  }
  const given =
    context.dataRoot ?? (experiment.data === undefined ? undefined : besideFile(file, experiment.data));
  if (given === undefined)
    throw new ExperimentError(file, `data: missing; give the folder that holds ${name}, here or by --data`);
  const root = resolve(given);
  if (name === "vnc") return openVnc(root);
  return openOfficial(name, PUBLIC_DATA_SETS[name as keyof typeof PUBLIC_DATA_SETS], root);
}

const whole = (source: VolumeSource): Box => source.scales[0].bounds;

/** Box and number of slices of a part as people read it. */
const sliceCount = (source: VolumeSource) => whole(source).upper[2] - whole(source).lower[2];

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** @throws VolumeError unless the labels are of the EM's voxels. */
function checkFits(em: VolumeSource, labels: VolumeSource): void {
  if (formatRegion(whole(em)) !== formatRegion(whole(labels)))
    throw new VolumeError(
      labels.name,
      `has voxels ${formatRegion(whole(labels))}, but ${em.name} has ${formatRegion(whole(em))}: the labels must be of that EM`,
    );
}

/** Gathers what is opened, to be closed together. */
class Opened {
  private readonly sources: VolumeSource[] = [];

  async open(...args: Parameters<typeof openVolume>): Promise<VolumeSource> {
    const source = await openVolume(...args);
    this.sources.push(source);
    return source;
  }

  close = async (): Promise<void> => {
    for (const source of this.sources) await source.close?.();
  };
}

async function orClose<T>(opened: Opened, make: () => Promise<T>): Promise<T> {
  try {
    return await make();
  } catch (error) {
    await opened.close();
    throw error;
  }
}

/** Train_In, Train_Out, Test_In, Test_Out: the layout in which Lucchi++ and Kasthuri++ come. */
async function openOfficial(name: string, known: PublicDataSet, root: string): Promise<DataSet> {
  const folder = join(root, known.title);
  if (!(await exists(folder)))
    throw new VolumeError(
      folder,
      `is not there: put ${known.title} in it as docs/datasets.md says, or give --data`,
    );
  const { voxelSize, title } = known;
  const opened = new Opened();
  return orClose(opened, async () => {
    const part = async (half: "Train" | "Test"): Promise<DataPart> => {
      const em = await opened.open(join(folder, `${half}_In`), { voxelSize });
      const labels = await opened.open(join(folder, `${half}_Out`), { voxelSize });
      checkFits(em, labels);
      return { title: `${title} ${half.toLowerCase()}, ${sliceCount(em)} slices`, em, labels };
    };
    return {
      name,
      title,
      train: await part("Train"),
      test: await part("Test"),
      ...grid(voxelSize),
      window: [0, 255],
      ignore: known.ignore,
      outside: known.outside,
      close: opened.close,
    };
  });
}

/**
 * Only stack1 has labels. The left half of its columns is for training, the right half for testing: the authors' split (the
 * ARA that their code states for VNC is that of the left half, to the last digit).
 */
async function openVnc(root: string): Promise<DataSet> {
  const folder = join(root, "VNC", "stack1");
  if (!(await exists(folder)))
    throw new VolumeError(
      folder,
      "is not there: put the VNC data in it as docs/datasets.md says, or give --data",
    );
  const { voxelSize, ignore, outside, title } = PUBLIC_DATA_SETS.vnc;
  const opened = new Opened();
  return orClose(opened, async () => {
    const em = await opened.open(join(folder, "raw"), { voxelSize });
    const labels = await opened.open(join(folder, "mitochondria"), { voxelSize });
    checkFits(em, labels);
    const { lower, upper } = whole(em);
    const middle = lower[0] + Math.floor((upper[0] - lower[0]) / 2);
    const part = (box: Box): DataPart => ({
      title: `VNC stack1, columns ${box.lower[0]}-${box.upper[0] - 1}`,
      em: cutRegion(em, box),
      labels: cutRegion(labels, box),
    });
    return {
      name: "vnc",
      title,
      train: part({ lower, upper: [middle, upper[1], upper[2]] }),
      test: part({ lower: [middle, lower[1], lower[2]], upper }),
      ...grid(voxelSize),
      window: [0, 255],
      ignore,
      outside,
      close: opened.close,
    };
  });
}

async function openPhantomSet(name: string, entry: PhantomEntry, file: string): Promise<DataSet> {
  const [style, seed = "1", ...more] = entry.phantom.split("/");
  if (more.length > 0)
    throw new ExperimentError(file, `data set ${name}: a phantom is <style>/<seed>, not ${entry.phantom}`);
  const em = await openVolume(`phantom://${style}/${seed}/em`);
  const labels = await openVolume(`phantom://${style}/${seed}/labels`);
  const part = (region: string): DataPart => {
    const box = parseRegion(region, whole(em));
    return {
      title: `phantom ${style} (seed ${seed}), ${formatRegion(box)}`,
      em: finest(cutRegion(em, box)),
      labels: finest(cutRegion(labels, box)),
    };
  };
  return {
    name,
    title: `phantom ${style}`,
    train: part(entry.train),
    test: part(entry.test),
    ...grid(em.scales[0].voxelSize, entry.modelVoxelSize),
    window: [0, 255],
    ignore: [],
    outside: null,
    close: async () => {},
  };
}

/** The finest scale alone: predictions, labels and EM then lie on one grid whatever scales a format keeps. */
function finest(source: VolumeSource): VolumeSource {
  return {
    ...source,
    name: source.name,
    scales: [source.scales[0]],
    read: (scale, box, options) => source.read(scale, box, options),
  };
}

async function openVolumes(name: string, entry: VolumesEntry, { file }: DataSetContext): Promise<DataSet> {
  const opened = new Opened();
  return orClose(opened, async () => {
    const { title = name } = entry;
    const part = async (of: PartEntry, half: string): Promise<DataPart> => {
      const path = (text: string) => (/^[a-z][a-z0-9+.-]+:\/\//i.test(text) ? text : besideFile(file, text));
      const { voxelSize } = entry;
      const em = await opened.open(path(of.images), { voxelSize, dataset: of.imagesDataset });
      const labels =
        of.labels === undefined
          ? null
          : await opened.open(path(of.labels), { voxelSize, dataset: of.labelsDataset });
      if (em.dataType !== "uint8" && em.dataType !== "uint16")
        throw new VolumeError(em.name, `holds ${em.dataType} values; EM must be uint8 or uint16`);
      if (labels) checkFits(em, labels);
      if (!voxelSize && em.scales[0].voxelSize.every((edge) => edge === 1))
        throw new VolumeError(
          em.name,
          `does not say how large a voxel is: give voxelSize to data set ${name} in ${file}`,
        );
      const box = of.region === undefined ? whole(em) : parseRegion(of.region, whole(em));
      const cut = (source: VolumeSource) => finest(cutRegion(source, box));
      return {
        title: `${title} ${half}${of.region === undefined ? "" : `, ${formatRegion(box)}`}`,
        em: cut(em),
        labels: labels && cut(labels),
      };
    };
    const train = await part(entry.train, "train");
    const test = entry.test ? await part(entry.test, "test") : train;
    const deep = train.em.dataType === "uint16";
    return {
      name,
      title,
      train,
      test,
      ...grid(train.em.scales[0].voxelSize, entry.modelVoxelSize),
      window: entry.window ?? (deep ? [0, 65535] : [0, 255]),
      ignore: entry.ignoreLabels ?? [],
      outside: entry.outside ?? null,
      close: opened.close,
    };
  });
}

function grid(
  voxelSize: Vec3,
  edge: number = MODEL_EDGE,
): Pick<DataSet, "voxelSize" | "modelVoxelSize" | "factor"> {
  const factor = averagingFactor(voxelSize, edge);
  return {
    voxelSize,
    factor,
    modelVoxelSize: [
      Number((voxelSize[0] * factor[0]).toPrecision(12)),
      Number((voxelSize[1] * factor[1]).toPrecision(12)),
      voxelSize[2],
    ],
  };
}
