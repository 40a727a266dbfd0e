import type { Command } from "commander";

export function register(program: Command): void {
  program
    .command("report")
    .description("Make one HTML page of an experiment's results: tables, curves, pictures")
    .argument("<run>", "folder of the experiment's runs, as in runs/real, or its results.json")
    .option("--out <file>", "page to write (default: report.html in the folder)")
    .action(async (run: string, flags: { out?: string }) => {
      const { writeExperimentReport } = await import("../experiment/report_node.js");
      process.stdout.write(`${await writeExperimentReport(run, flags.out)}\n`);
    });
}
