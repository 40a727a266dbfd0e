import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const command = fileURLToPath(new URL("../../bin/chondria.mjs", import.meta.url));
const stack = fileURLToPath(new URL("../../../shared/data/VNC/stack1/", import.meta.url));
const model = fileURLToPath(new URL("../../models/lucchi-source-only/rdf.yaml", import.meta.url));
const present = existsSync(stack) && existsSync(model);
if (!present) console.log(`not run: needs VNC in ${stack}, and the model lucchi-source-only`);

const run = (...args: string[]) =>
  new Promise<string>((resolve, reject) => {
    execFile(
      process.execPath,
      [command, ...args, "--voxel-size", "4.6,4.6,50nm"],
      { maxBuffer: 2 ** 26 },
      (error, out, errors) => (error ? reject(new Error(errors)) : resolve(out)),
    );
  });
const truth = ["--volume", join(stack, "raw"), "--labels", join(stack, "mitochondria")];

/** Numbers of the last line that a pattern finds. */
function numbers(text: string, pattern: RegExp): number[] {
  const found = [...text.matchAll(new RegExp(pattern, "g"))].at(-1);
  if (!found) throw new Error(`${pattern} is not in ${text}`);
  return found.slice(1).map(Number);
}

describe.skipIf(!present)("proofreading the source-only prediction of VNC", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "chondria-proofreading-"));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it("takes a few operations an object, in the queue's order and in any", { timeout: 900_000 }, async () => {
    const text = await run(
      ...["edits", "simulate", "--model", "lucchi-source-only", ...truth],
      ...["--region", "512:1024,0:1024,0:20", "--order", "size,margin,random", "--repeats", "1"],
      ...["--out", join(folder, "edits.jsonl")],
    );
    console.log(text);
    expect(text).toMatch(/27 true objects/);
    expect(text.match(/goal reached/g)).toHaveLength(3);
    for (const [, f1, iou] of text.matchAll(/recounted from the labels: F1 ([\d.]+) {2}IoU ([\d.]+)/g)) {
      expect(Number(f1)).toBeGreaterThanOrEqual(0.95);
      expect(Number(iou)).toBeGreaterThanOrEqual(0.8);
    }
    const [perObject] = numbers(text, /([\d.]+) corrections and/);
    expect(perObject).toBeGreaterThan(1);
    expect(perObject).toBeLessThan(3);
    // Large ones first: more of the foreground is right after fewer operations.
    const [bySize] = numbers(text, /\n {2}size +(\d+)/);
    const [atRandom] = numbers(text, /\n {2}random +(\d+)/);
    expect(bySize).toBeLessThan(atRandom);
  });

  it("teaches the model: one corrected third raises the IoU of the rest", { timeout: 900_000 }, async () => {
    const third = "512:1024,0:341,0:20";
    const edits = join(folder, "third.jsonl");
    const tuned = join(folder, "lucchi-fine-tuned");
    const log = await run(
      ...["edits", "simulate", "--model", "lucchi-source-only", ...truth],
      ...["--region", third, "--order", "size", "--out", edits],
    );
    expect(log).toMatch(/goal reached/);
    await run(
      ...["train", "--fine-tune", "lucchi-source-only", "--edits", edits, "--images", join(stack, "raw")],
      ...["--region", third, "--reviewed", "all", "--out", join(folder, "run"), "--package", tuned],
      ..."--steps 60 --batch 2 --patch 128 --learning-rate 1e-3".split(" "),
    );
    const iou = async (name: string) =>
      numbers(
        await run(
          ...["evaluate", name, join(stack, "raw"), join(stack, "mitochondria")],
          ...["--region", "512:1024,341:1024,0:20"],
        ),
        /IoU of volume +([\d.]+)/,
      )[0];
    const [before, after] = [await iou("lucchi-source-only"), await iou(tuned)];
    console.log(`IoU of the other two thirds: ${before} before, ${after} after fine-tuning`);
    expect(after).toBeGreaterThan(before + 0.3);
  });
});
