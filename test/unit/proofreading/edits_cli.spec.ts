import { readFile, writeFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { main } from "../../../src/cli/main.js";
import { formatLog, parseLog } from "../../../src/proofreading/json_lines.js";
import type { Action } from "../../../src/proofreading/types.js";
import { importVolume } from "../../../src/volume/import_node.js";
import type { Vec3 } from "../../../src/volume/types.js";
import { scratch } from "../../support/slices.js";
import { openGroup } from "../../support/zarr_compare.js";
import { blobVolume, Scribe, volumeOf } from "./scene.js";

const path = await scratch();
const SIZE: Vec3 = [48, 24, 12];
const LEFT: Vec3 = [10, 12, 6];
const RIGHT: Vec3 = [19, 12, 6];
const ALONE: Vec3 = [38, 12, 6];
const PROBABILITY = blobVolume(SIZE, [
  { centre: LEFT, radius: 5 },
  { centre: RIGHT, radius: 5 },
  { centre: ALONE, radius: 5 },
]);
await importVolume({ input: volumeOf(PROBABILITY, SIZE), output: path("p.ome.zarr") });

let out = "";
let err = "";
beforeEach(() => {
  [out, err] = ["", ""];
  vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    out += text;
    return true;
  });
  vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    err += text;
    return true;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
  process.exitCode = 0;
});

async function logOf(name: string, scribe: Scribe, actions: readonly Action[]): Promise<string> {
  for (const action of actions) scribe.write(action);
  await writeFile(path(name), formatLog(scribe.log.operations));
  return path(name);
}

const index = ([x, y, z]: Vec3) => x + SIZE[0] * (y + SIZE[1] * z);
const split: Action = { kind: "split", parts: [[LEFT], [RIGHT]], landscape: "probability" };

describe("chondria edits apply", () => {
  it("writes the corrected labels, numbered by their first voxel, and what was said of them", async () => {
    const log = await logOf("a.jsonl", new Scribe(), [
      split,
      { kind: "verdict", anchor: ALONE, verdict: "accept" },
      { kind: "merge", anchors: [RIGHT, ALONE] },
      { kind: "delete", anchor: [0, 0, 0] },
    ]);
    await main([
      "edits",
      "apply",
      log,
      path("p.ome.zarr"),
      "--out",
      path("a.ome.zarr"),
      "--objects",
      path("a.json"),
    ]);
    expect(err.replace(/.*(reading|applying).*\n/g, "")).toBe("");
    const { data } = await openGroup(path("a.ome.zarr"), 2).level(0);
    const labels = data as Uint32Array;
    expect(labels[index(RIGHT)]).toBe(labels[index(ALONE)]);
    expect(labels[index(LEFT)]).not.toBe(labels[index(RIGHT)]);
    expect(labels.reduce((count, label) => count + (label > 0 ? 1 : 0), 0)).toBe(
      PROBABILITY.filter((value) => value / 255 >= 0.5).length,
    );
    expect(new Set(labels)).toEqual(new Set([0, 1, 2]));
    expect(labels[labels.findIndex((label) => label > 0)]).toBe(1);
    expect(out).toContain("no object at 0,0,0");
    expect(out).toContain("2 objects, 4 operations, 1 conflicts");
    const objects = JSON.parse(await readFile(path("a.json"), "utf8"));
    expect(objects[labels[index(ALONE)] - 1]).toMatchObject({ verdict: "accept", tags: [] });
    expect(objects[labels[index(LEFT)] - 1].voxels).toBe(
      labels.filter((label) => label === labels[index(LEFT)]).length,
    );
  });

  it("corrects labels, taking probabilities for a split from their own volume", async () => {
    const labels = Uint32Array.from(PROBABILITY, (value, i) =>
      value < 128 ? 0 : i % SIZE[0] > 29 ? 900_000 : 7,
    );
    await importVolume({ input: volumeOf(labels, SIZE), output: path("l.ome.zarr"), labels: true });
    const log = await logOf("l.jsonl", new Scribe(), [split]);
    const apply = ["edits", "apply", log, path("l.ome.zarr"), "--out", path("l2.ome.zarr"), "--overwrite"];
    await main(apply);
    expect(out).toContain("the probabilities are not at hand");
    out = "";
    await main([...apply, "--probability", path("p.ome.zarr")]);
    expect(out).toContain("3 objects, 1 operations, 0 conflicts");
  });

  it("leaves out what was rejected when asked to", async () => {
    const log = await logOf("r.jsonl", new Scribe(), [{ kind: "verdict", anchor: ALONE, verdict: "reject" }]);
    await main(["edits", "apply", log, path("p.ome.zarr"), "--out", path("r.ome.zarr"), "--drop-rejected"]);
    expect(out).toContain("1 objects, 1 operations, 0 conflicts");
  });

  it("refuses a log of several volumes until one is named, and a damaged line unless told to go on", async () => {
    const scribe = new Scribe();
    const operation = scribe.write({ kind: "delete", anchor: ALONE });
    const other = { ...operation, id: "other", volume: { url: "test://other", scale: 0 } };
    await writeFile(path("two.jsonl"), `${formatLog([operation, other])}{"id":\n${formatLog([operation])}`);
    const apply = ["edits", "apply", path("two.jsonl"), path("p.ome.zarr"), "--out", path("two.ome.zarr")];
    await main(apply);
    expect(err).toContain("two.jsonl:3: is not JSON");
    expect(process.exitCode).toBe(1);
    err = "";
    await main([...apply, "--skip-damaged"]);
    expect(err).toContain("several volumes");
    process.exitCode = 0;
    await main([...apply, "--skip-damaged", "--source", "test://blobs"]);
    expect(out).toContain("made on scale 0 of test://other");
    expect(out).toContain("1 objects, 2 operations, 1 conflicts");
  });
});

describe("chondria edits merge", () => {
  it("writes one log and lists conflicts with both sides, in either order the same", async () => {
    const ana = await logOf("ana.jsonl", new Scribe("ana"), [
      split,
      { kind: "verdict", anchor: ALONE, verdict: "accept" },
    ]);
    const near: Vec3 = [ALONE[0] + 1, ALONE[1], ALONE[2]];
    const ben = await logOf("ben.jsonl", new Scribe("ben", 2_000), [
      { kind: "verdict", anchor: near, verdict: "reject" },
    ]);
    await main(["edits", "merge", ana, ben, "--out", path("one.jsonl")]);
    expect(out).toContain("one.jsonl: 3 operations of 2 logs, 0 conflicts");
    out = "";
    await main(["edits", "merge", ben, ana, "--out", path("two.jsonl"), "--over", path("p.ome.zarr")]);
    expect(out).toContain("ana says accept, ben says reject:\n  1970");
    expect(out).toContain("3 operations of 2 logs, 1 conflicts");
    expect(await readFile(path("one.jsonl"), "utf8")).toBe(await readFile(path("two.jsonl"), "utf8"));
  });
});

describe("chondria edits show", () => {
  it("tells the history, what was undone, and what it does not understand", async () => {
    const scribe = new Scribe();
    const merge = scribe.write({ kind: "merge", anchors: [LEFT, ALONE] });
    scribe.write({ kind: "comment", anchor: LEFT, text: "see\u001b[2J here" });
    scribe.write({ kind: "undo", target: merge.id });
    const text = formatLog(scribe.log.operations);
    const newer = text
      .split("\n")[1]
      .replace('"comment"', '"fold"')
      .replace(/"id":"\w+"/, '"id":"newer"');
    await writeFile(path("show.jsonl"), `${text}${newer}\n{"id":"cut`);
    await main(["edits", "show", path("show.jsonl")]);
    expect(out).toContain("merge (10, 12, 6) (38, 12, 6)  [undone]");
    expect(out).toContain('comment on (10, 12, 6): "see [2J here"');
    expect(out).toContain("fold (not understood: of a newer version)");
    expect(out).toContain("4 operations, 2 in effect");
    expect(err).toContain("the last line ends in the middle");
    expect(parseLog(await readFile(path("show.jsonl"), "utf8"), "x").operations).toHaveLength(4);
  });

  it("names a file that is not there", async () => {
    await main(["edits", "show", path("none.jsonl")]);
    expect(err).toContain("none.jsonl: cannot be read");
    expect(process.exitCode).toBe(1);
  });
});
