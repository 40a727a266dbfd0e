import type { Command } from "commander";
import { register as exportModel } from "./model_export.js";
import { register as importModel } from "./model_import.js";
import { register as summarise } from "./model_summarise.js";

/** `chondria model <command>`: what is done with one package. */
export function register(program: Command): void {
  const model = program.command("model").description("Import, export and complete model packages");
  importModel(model);
  exportModel(model);
  summarise(model);
}
