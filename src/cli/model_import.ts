import { readFile, stat } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import { ARCHITECTURES, type Architecture, type Gate } from "../exchange/architectures.js";
import type { ImportOptions } from "../exchange/import_weights.js";
import { ExchangeError, FILE_LIMITS } from "../exchange/types.js";
import { MODEL_ID } from "../model/limits.js";
import type { Vec3 } from "../volume/types.js";
import { parseVoxelSize } from "../volume/voxel_size.js";
import { commandLine } from "./inference_flags.js";

export interface ImportFlags {
  out: string;
  architecture?: Architecture;
  gate?: Gate;
  key?: string;
  epsilon?: number;
  name?: string;
  description?: string;
  source?: string;
  target?: string;
  author: string[];
  license?: string;
  voxelSize?: string;
  window?: [number, number];
  channel?: string;
  precision: "single" | "half";
  checkInput?: string;
  checkOutput?: string;
  tolerance: number;
  allowDifference?: boolean;
  freezeOn?: string;
  segmenter?: string;
  images?: string;
  labels?: string;
}

const positive = (text: string): number => {
  const value = Number(text);
  if (text.trim() === "" || !(value >= 0) || !Number.isFinite(value))
    throw new InvalidArgumentError("Give a number that is not negative.");
  return value;
};
const rising = (text: string): [number, number] => {
  const [lower, upper, ...more] = text.split(",").map((part) => (part.trim() === "" ? Number.NaN : +part));
  if (!(upper > lower) || !Number.isFinite(upper - lower) || more.length > 0)
    throw new InvalidArgumentError("Give two numbers, the lower first, as in 0,255.");
  return [lower, upper];
};

/** `chondria model import`, under the `model` command. */
export function register(model: Command): void {
  model
    .command("import")
    .description(
      "Make a model package of weights that were trained with Keras or PyTorch, or of a bioimage.io package",
    )
    .argument(
      "<file>",
      ".h5, .weights.h5, .keras, .safetensors, .pt or .pth, or a package's .zip or folder; nothing in it is run",
    )
    .requiredOption("--out <folder>", "package to write, as in models/<id>")
    .addOption(new Option("--architecture <name>", "network of the weights").choices(ARCHITECTURES))
    .option("--voxel-size <x,y,z>", "of the EM that it was trained on, as in 10,10,5nm")
    .option("--source <text>", "what it was trained on, as in 'Lucchi++ train'")
    .option("--target <text>", "what it was adapted to, if it was")
    .option("--name <text>", "of the package (its id)")
    .option("--description <text>", "of the package")
    .option(
      "--author <name>",
      "who trained it; may be given again",
      (name: string, names: string[]) => [...names, name],
      [],
    )
    .option("--license <spdx>", "of the weights, as in CC-BY-4.0; left out where it is not said")
    .option("--window <lower,upper>", "intensities that it was given as 0 and 1 (0,255)", rising)
    .option("--channel <name>", "of a bioimage.io package's output, where it has several")
    .addOption(
      new Option(
        "--gate <kind>",
        "attention gate: the decoder feature (the authors' code) or the skip (textbook)",
      ).choices(["paper", "textbook"]),
    )
    .option("--epsilon <value>", "of batch normalisation, where it is not the framework's default", positive)
    .option("--key <name>", "of the state dict in a PyTorch checkpoint, where it is not a usual one")
    .addOption(
      new Option("--precision <bits>", "of the stored kernels: single stays exact, half is half as large")
        .choices(["single", "half"])
        .default("single"),
    )
    .option("--check-input <file.npy>", "images as the network was given them")
    .option("--check-output <file.npy>", "probabilities that it answered where it was trained")
    .option("--tolerance <difference>", "largest difference of the check", positive, 1e-4)
    .option("--allow-difference", "write the package although the check differs by more")
    .option(
      "--freeze-on <volume>",
      "EM of the kind to segment, for damt-net and cut-generator: their normalisation gets its statistics once",
    )
    .option("--segmenter <model>", "package that segments what a cut-generator makes")
    .option("--images <path>", "EM that it was trained on, for the package's summary (with --labels)")
    .option("--labels <path>", "labels of the same, from which the morphological prior is measured")
    .action(importModel);
}

async function importModel(file: string, flags: ImportFlags): Promise<void> {
  const id = basename(resolve(flags.out));
  if (!MODEL_ID.test(id))
    throw new Error(`--out ${flags.out}: "${id}" is no model id (letters, digits, . _ -)`);
  if ((flags.checkInput === undefined) !== (flags.checkOutput === undefined))
    throw new Error("--check-input and --check-output go together: give both");
  if ((flags.images === undefined) !== (flags.labels === undefined))
    throw new Error("--images and --labels go together: give both");
  if (await isPackage(file)) return importBioimage(file, flags);
  const { architecture, source, window = [0, 255] } = flags;
  if (architecture === undefined)
    throw new Error(`--architecture is missing: give one of ${ARCHITECTURES.join(", ")}`);
  if (flags.voxelSize === undefined)
    throw new Error("--voxel-size is missing: weights do not say at which size of pixels they were trained");
  if (source === undefined) throw new Error("--source is missing: say what the weights were trained on");
  const voxelSize = parseVoxelSize(flags.voxelSize);
  checkFreezing(architecture, flags);

  const { readForeignWeights } = await import("../exchange/read.js");
  const { importWeights } = await import("../exchange/import_weights.js");
  const { selectBackend } = await import("../kernels/backend_node.js");
  const { writePackage } = await import("../model/write_node.js");
  const bytes = await readWhole(file);
  const foreign = await readForeignWeights(basename(file), bytes, { key: flags.key });
  const check = await readCheck(flags, window);
  await selectBackend("wasm");
  const { contents, difference, gateAssumed, network, parameters } = await importWeights(
    foreign,
    bytes,
    {
      name: flags.name ?? id,
      description:
        flags.description ?? `Mitochondria in EM: ${architecture} imported from ${foreign.framework}.`,
      source,
      target: flags.target ?? null,
      voxelSize,
      window,
      authors: flags.author.length > 0 ? flags.author : ["not stated"],
      license: flags.license ?? null,
      command: commandLine(),
      precision: flags.precision,
    },
    {
      architecture,
      gate: flags.gate,
      epsilon: flags.epsilon,
      check,
      finish: await finishing(flags, voxelSize, window),
    },
  );
  const measured =
    difference === null
      ? null
      : `differs by at most ${difference.largest.toExponential(2)} (mean ${difference.mean.toExponential(2)}) over ${difference.values.toLocaleString("en")} values`;
  if (difference !== null && difference.largest > flags.tolerance) {
    const beyond = `${file}: the imported network ${measured}, more than the ${flags.tolerance} allowed`;
    if (!flags.allowDifference)
      throw new Error(
        `${beyond}. Nothing was written. Check --gate, --epsilon, --window and --architecture, or give --allow-difference`,
      );
    process.stderr.write(`${beyond}\n`);
  }
  const written = await writePackage(flags.out, contents);
  process.stdout.write(
    `${written.id}: ${architecture} of ${foreign.format}, ${parameters.toLocaleString("en")} parameters, ${describe(network)}\n` +
      `${measured === null ? "not compared with its original: give --check-input and --check-output" : `checked: ${measured}`}\n`,
  );
  if (gateAssumed)
    process.stderr.write(
      "nothing says which gate the network has: the authors' was assumed; say --gate, or let a check find out\n",
    );
  if (flags.images !== undefined && flags.labels !== undefined) {
    const { summarisePackage } = await import("../adaptation/summarise_node.js");
    const { images, labels } = flags;
    const { prior } = await summarisePackage(flags.out, { images, labels, voxelSize, ignore: [] });
    process.stdout.write(`prior: ${prior.regions} regions of mean solidity ${prior.solidity.toFixed(6)}\n`);
  } else process.stdout.write("prior: not known; chondria model summarise measures it from labels\n");
}

/** These normalise by the whole image, which a tile is not. */
function checkFreezing(architecture: Architecture, { freezeOn, segmenter, checkInput }: ImportFlags): void {
  const frozen = architecture === "damt-net" || architecture === "cut-generator";
  if (frozen && freezeOn === undefined)
    throw new Error(`${architecture} normalises by the whole image: say with --freeze-on which EM that is`);
  if (!frozen && freezeOn !== undefined)
    throw new Error(`--freeze-on: ${architecture} has nothing to freeze`);
  if (architecture === "cut-generator" && checkInput !== undefined)
    throw new Error("--check-input: probabilities are compared, and a cut-generator makes none");
  if ((architecture === "cut-generator") !== (segmenter !== undefined))
    throw new Error(
      "--segmenter goes with --architecture cut-generator: it segments what the generator makes",
    );
}

/** What turns the network with its weights into the one that is stored; undefined for a plain copy. */
async function finishing(
  { freezeOn, segmenter }: ImportFlags,
  voxelSize: Vec3,
  window: readonly [number, number],
): Promise<ImportOptions["finish"]> {
  if (freezeOn === undefined) return undefined;
  const { openVolume } = await import("../volume/open_node.js");
  const { loadImages } = await import("../experiment/load.js");
  const { frozenOn, stylisedOn } = await import("../exchange/frozen.js");
  const volume = await openVolume(freezeOn, {});
  const unsized = volume.scales[0].voxelSize.every((size) => size === 1);
  const em = unsized ? await openVolume(freezeOn, { voxelSize }) : volume;
  const images = await loadImages(em, voxelSize, window).finally(async () => {
    await volume.close?.();
    if (em !== volume) await em.close?.();
  });
  if (segmenter === undefined) return (used) => frozenOn(used, images);
  const { findModel } = await import("./find_model.js");
  const { loadNetwork } = await import("../inference/load.js");
  const model = await findModel(segmenter);
  return async (used) => {
    const network = await loadNetwork(model);
    try {
      return stylisedOn(used, network, images);
    } finally {
      network.dispose();
    }
  };
}

/** A folder, or an archive with a description of a model in it: .keras and .pt are archives, too. */
async function isPackage(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => null);
  return found?.isDirectory() === true || /\.zip$/i.test(path);
}

async function importBioimage(path: string, flags: ImportFlags): Promise<void> {
  const { importBioimagePackage } = await import("../exchange/bioimage_import_node.js");
  const { id, config } = await importBioimagePackage(path, flags.out, {
    voxelSize: flags.voxelSize === undefined ? undefined : parseVoxelSize(flags.voxelSize),
    window: flags.window,
    channel: flags.channel,
    source: flags.source,
    name: flags.name,
    description: flags.description,
    authors: flags.author,
    license: flags.license,
    precision: flags.precision,
    command: commandLine(),
  });
  process.stdout.write(
    `${id}: of bioimage.io, window ${config.window.join(",")}, pixels of ${config.voxelSize.slice(0, 2).join(" x ")} nm, halo ${config.field.halo}\n`,
  );
}

const describe = (network: Readonly<Record<string, unknown>>) =>
  Object.entries(network)
    .filter(([key]) => key !== "seed" && !key.startsWith("dropout"))
    .map(([key, value]) => `${key} ${Array.isArray(value) ? value.join(",") : String(value)}`)
    .join(", ");

async function readWhole(path: string): Promise<Uint8Array> {
  const found = await stat(path).catch((cause) => {
    throw new ExchangeError(path, "does not exist or cannot be read: check the path", { cause });
  });
  if (!found.isFile()) throw new ExchangeError(path, "is not a file");
  if (found.size > FILE_LIMITS.bytes)
    throw new ExchangeError(
      path,
      `has ${found.size} bytes, more than the ${FILE_LIMITS.bytes} of any model here`,
    );
  return new Uint8Array(await readFile(path));
}

async function readCheck(flags: ImportFlags, [lower, upper]: readonly [number, number]) {
  const { checkInput, checkOutput, tolerance } = flags;
  if (checkInput === undefined || checkOutput === undefined) return undefined;
  const { readNpy } = await import("../exchange/npy.js");
  const { imagesOf } = await import("../exchange/parity.js");
  const raw = readNpy(checkInput, await readWhole(checkInput));
  const input = imagesOf(checkInput, raw);
  // Integers are EM as it was stored: the window makes of it what the network was given.
  const values = raw.type.includes("u")
    ? input.values.map((value) => Math.min(1, Math.max(0, (value - lower) / (upper - lower))))
    : input.values;
  const output = imagesOf(checkOutput, readNpy(checkOutput, await readWhole(checkOutput)));
  return {
    input: { ...input, values },
    output,
    tolerance,
    files: { input: checkInput, output: checkOutput },
  };
}
