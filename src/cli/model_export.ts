import type { Command } from "commander";
import { findModelFolder } from "./find_model.js";

interface ExportFlags {
  out: string;
  author: string[];
  license?: string;
  overwrite?: boolean;
}

/** `chondria model export`, under the `model` command. */
export function register(model: Command): void {
  model
    .command("export")
    .description(
      "Write a package as one .zip file after bioimage.io's specification 0.5 (tensorflow_js weights)",
    )
    .argument("<model>", "id or folder of the package")
    .requiredOption("--out <file.zip>", "file to write")
    .option(
      "--author <name>",
      "in place of the package's authors; may be given again",
      (name: string, names: string[]) => [...names, name],
      [],
    )
    .option("--license <spdx>", "in place of the package's licence, as in CC-BY-4.0")
    .option("--overwrite", "replace the file if it is there")
    .action(exportModel);
}

async function exportModel(name: string, flags: ExportFlags): Promise<void> {
  if (!/\.zip$/i.test(flags.out)) throw new Error(`--out ${flags.out}: give a file that ends in .zip`);
  const folder = await findModelFolder(name);
  const { exportPackage } = await import("../exchange/export_node.js");
  const { selectBackend } = await import("../kernels/backend_node.js");
  await selectBackend("wasm");
  const { author, license, overwrite = false } = flags;
  const exported = await exportPackage(folder, flags.out, { authors: author, license, overwrite });
  process.stdout.write(
    `${flags.out}: "${exported.name}", ${(exported.bytes / 1e6).toFixed(1)} MB, tested on ${exported.testImage}\n`,
  );
  if (exported.license === null)
    process.stderr.write("the package states no licence: say it with --license before publishing it\n");
}
