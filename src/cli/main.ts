import { Command } from "commander";

/** One file a sub-command; each is loaded only when asked for, so that `--help` stays instant. */
const commands: Record<string, () => Promise<{ register(program: Command): void }>> = {
  adapt: () => import("./adapt.js"),
  edits: () => import("./edits.js"),
  evaluate: () => import("./evaluate.js"),
  experiment: () => import("./experiment.js"),
  import: () => import("./import.js"),
  model: () => import("./model.js"),
  models: () => import("./models.js"),
  objects: () => import("./objects.js"),
  phantom: () => import("./phantom.js"),
  predict: () => import("./predict.js"),
  rank: () => import("./rank.js"),
  info: () => import("./info.js"),
  report: () => import("./report.js"),
  serve: () => import("./serve.js"),
  train: () => import("./train.js"),
};

export async function main(argv: string[]): Promise<void> {
  const program = new Command("chondria").description(
    "Domain-adapted mitochondria segmentation on EM volumes",
  );
  const wanted =
    argv[0] !== undefined && Object.hasOwn(commands, argv[0]) ? [argv[0]] : Object.keys(commands);
  for (const name of wanted) (await commands[name]()).register(program);
  try {
    await program.parseAsync(argv, { from: "user" });
  } catch (error) {
    process.stderr.write(`chondria: ${error instanceof Error ? error.message : String(error)}\n`);
    if (process.env.CHONDRIA_DEBUG) process.stderr.write(`${error instanceof Error ? error.stack : ""}\n`);
    process.exitCode = 1;
  }
}
