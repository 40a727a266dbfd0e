import { execFile, spawn } from "node:child_process";
import { mkdir, readdir, readFile, rename, stat, utimes, writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it, vi } from "vitest";
import { boxVolume } from "../../../src/volume/box.js";
import { importVolume } from "../../../src/volume/import_node.js";
import { writeError } from "../../../src/volume/ome_zarr_write_node.js";
import { VolumeError } from "../../../src/volume/types.js";
import { arrayVolume, fillVoxels } from "../../support/make_zarr.js";
import { scratch, writePngStack } from "../../support/slices.js";
import { digestTree, firstDifference, openGroup } from "../../support/zarr_compare.js";

const path = await scratch();

// Hundreds of small files: slow on a machine that is busy otherwise.
vi.setConfig({ testTimeout: 120_000 });
const root = (name: string) => fileURLToPath(new URL(`../../../${name}`, import.meta.url));

const size = [96, 80, 60] as const;
const voxels = fillVoxels(
  "uint8",
  size,
  (x, y, z) => (x * 31 + y * 17 + z * 7 + x * y * z) % 253,
) as Uint8Array;
const voxelSize = [5, 5, 5] as const;
const chunkSize = [16, 16, 4] as const;

interface Journal {
  done: number;
  total: number;
}

async function journalOf(output: string): Promise<Journal | undefined> {
  const text = await readFile(`${output}.partial/.chondria-import.json`, "utf8").catch(() => undefined);
  return text === undefined ? undefined : JSON.parse(text);
}

/** Runs the real command and kills it, as a power cut would, once `rows` rows of chunks are done. */
async function importAndKill(args: string[], output: string, rows: number): Promise<Journal> {
  const child = spawn(process.execPath, [root("bin/chondria.mjs"), "import", ...args], { stdio: "ignore" });
  const ended = new Promise<NodeJS.Signals | null>((done) =>
    child.once("exit", (_code, signal) => done(signal)),
  );
  for (;;) {
    const journal = await journalOf(output);
    if (child.exitCode !== null) throw new Error(`ended before ${rows} rows were done`);
    if (journal && journal.done >= rows) break;
    await sleep(2);
  }
  child.kill("SIGKILL");
  expect(await ended).toBe("SIGKILL");
  return (await journalOf(output))!;
}

describe("an import that is killed", () => {
  it("leaves no volume, goes on where it was, and ends in the same bytes", { timeout: 300_000 }, async () => {
    const input = await writePngStack(path("stack"), voxels, size, (z) => `${z}.png`);
    const whole = path("whole.zarr");
    await importVolume({ input, output: whole, voxelSize, chunkSize });
    const output = path("killed.zarr");
    const args = [input, output, "--voxel-size", "5nm", "--chunk", "16,16,4"];
    const first = await importAndKill(args, output, 4);
    // 15 rows of level 0, then 8, 4, 2, 1 rows of the coarser ones.
    expect(first.total).toBe(30);
    expect(first.done).toBeLessThan(30);
    await expect(stat(output)).rejects.toThrow("ENOENT");
    expect((await readdir(`${output}.partial`)).filter((name) => /^(\.z|zarr)/.test(name))).toEqual([]);
    await expect(importVolume({ input, output, voxelSize, chunkSize })).rejects.toThrow(
      /unfinished import \(\d+ of 30 rows.*--resume/,
    );

    const second = await importAndKill([...args, "--resume"], output, 18);
    expect(second.done).toBeGreaterThan(first.done);
    const rest: number[] = [];
    const result = await importVolume({
      input,
      output,
      voxelSize,
      chunkSize,
      existing: "resume",
      onProgress: ({ level }) => rest.push(level),
    });
    expect(result.resumedRows).toBe(second.done);
    expect(rest.length).toBe(30 - second.done);
    expect(await digestTree(output)).toEqual(await digestTree(whole));
    expect(firstDifference((await openGroup(output, 2).level(0)).data, voxels)).toBe(-1);
    await expect(stat(`${output}.partial`)).rejects.toThrow("ENOENT");
  });

  it("resumes from whatever moment it was stopped at", async () => {
    const input = arrayVolume(voxels, size);
    await importVolume({ input, output: path("ref.zarr"), chunkSize });
    const reference = await digestTree(path("ref.zarr"));
    for (const stopAfter of [0, 1, 15, 29]) {
      const output = path(`stop${stopAfter}.zarr`);
      const abort = new AbortController();
      let reads = 0;
      const watched = {
        ...input,
        read: (...args: Parameters<typeof input.read>) => {
          ++reads;
          return input.read(...args);
        },
      };
      let rows = 0;
      if (stopAfter === 0) abort.abort();
      const onProgress = () => (++rows === stopAfter ? abort.abort() : undefined);
      await expect(
        importVolume({ input: watched, output, chunkSize, signal: abort.signal, onProgress }),
      ).rejects.toThrow(/abort/i);
      // What a crash leaves in the middle of a row: a chunk written in part under its temporary name.
      await mkdir(`${output}.partial/4/0/0`, { recursive: true });
      await writeFile(`${output}.partial/4/0/0/0.tmp`, "half a chu");
      await importVolume({ input: watched, output, chunkSize, existing: "resume" });
      expect(reads).toBe(15);
      expect(await digestTree(output)).toEqual(reference);
    }
  });

  it("finishes a volume that lacked only its name", async () => {
    const input = arrayVolume(voxels, size);
    const output = path("nameless.zarr");
    await importVolume({ input, output, chunkSize });
    const reference = await digestTree(output);
    await rename(output, `${output}.partial`);
    const { fingerprint } = JSON.parse(await readFile(`${output}.partial/.zattrs`, "utf8")).chondria;
    await writeFile(
      `${output}.partial/.chondria-import.json`,
      JSON.stringify({ fingerprint, done: 30, total: 30 }),
    );
    await importVolume({ input, output, chunkSize, existing: "resume" });
    expect(await digestTree(output)).toEqual(reference);
  });

  it("does not resume what was begun with another input or option", async () => {
    const input = await writePngStack(path("changing"), voxels, size);
    const output = path("changing.zarr");
    const stop = new AbortController();
    const begin = importVolume({
      input,
      output,
      voxelSize,
      chunkSize,
      signal: stop.signal,
      onProgress: () => stop.abort(),
    });
    await expect(begin).rejects.toThrow(/abort/i);
    const resume = (options: object) =>
      importVolume({ input, output, voxelSize, chunkSize, existing: "resume", ...options });
    for (const other of [
      { voxelSize: [4, 4, 4] },
      { labels: true },
      { zarr: 3 },
      { chunkSize: [16, 16, 8] },
      { region: ":,:,0:50" },
    ]) {
      await expect(resume(other)).rejects.toThrow(/another input or other options.*--overwrite/);
    }
    await utimes(path("changing", "0007.png"), new Date(), new Date(1));
    await expect(resume({})).rejects.toThrow(/another input/);
    await importVolume({ input, output, voxelSize, chunkSize, existing: "overwrite" });
    expect(firstDifference((await openGroup(output, 2).level(0)).data, voxels)).toBe(-1);
  });

  it("says so when a chunk that was written is damaged", async () => {
    const input = arrayVolume(voxels, size);
    const output = path("damaged.zarr");
    const stop = new AbortController();
    let rows = 0;
    const begin = importVolume({
      input,
      output,
      chunkSize,
      signal: stop.signal,
      onProgress: () => void (++rows === 15 && stop.abort()),
    });
    await expect(begin).rejects.toThrow(/abort/i);
    const chunk = `${output}.partial/0/3/1/2`;
    const good = await readFile(chunk);
    for (const bad of [
      "",
      "rubbish",
      good.subarray(0, good.length - 9),
      Buffer.concat([good.subarray(0, 40), good.subarray(45)]),
    ]) {
      await writeFile(chunk, bad);
      await expect(importVolume({ input, output, chunkSize, existing: "resume" })).rejects.toThrow(
        /0\/3\/1\/2: was written before but cannot be read back/,
      );
    }
    await writeFile(chunk, good);
    await importVolume({ input, output, chunkSize, existing: "resume" });
    expect(firstDifference((await openGroup(output, 2).level(0)).data, voxels)).toBe(-1);
  });
});

describe("an output that is there", () => {
  const small = () => arrayVolume(new Uint8Array([1, 2, 3, 4]), [2, 2, 1]);

  it("is replaced only when asked for, and taken for done when it is the same", async () => {
    const output = path("there.zarr");
    await importVolume({ input: small(), output });
    await expect(importVolume({ input: small(), output })).rejects.toThrow(
      /there\.zarr: exists.*--overwrite/,
    );
    const again = await importVolume({ input: small(), output, existing: "resume" });
    expect(again.resumedRows).toBe(again.rows);
    const other = arrayVolume(new Uint8Array([9, 9, 9]), [3, 1, 1]);
    await expect(importVolume({ input: other, output, existing: "resume" })).rejects.toThrow(
      /made from another input/,
    );
    await importVolume({ input: other, output, existing: "overwrite" });
    expect([...(await openGroup(output, 2).level(0)).data]).toEqual([9, 9, 9]);
    expect((await readdir(path())).filter((name) => name.startsWith("there"))).toEqual(["there.zarr"]);
  });

  it("is never touched when it is no volume", async () => {
    await mkdir(path("photos"));
    await writeFile(path("photos", "cat.png"), "meow");
    await writeFile(path("file.zarr"), "a file");
    for (const name of ["photos", "file.zarr"]) {
      await expect(
        importVolume({ input: small(), output: path(name), existing: "overwrite" }),
      ).rejects.toThrow(/is no Zarr volume/);
    }
    await mkdir(path("mine.zarr.partial"));
    await writeFile(path("mine.zarr.partial", "thesis.txt"), "years of work");
    await expect(
      importVolume({ input: small(), output: path("mine.zarr"), existing: "overwrite" }),
    ).rejects.toThrow(/not made by an import/);
    expect(await readFile(path("mine.zarr.partial", "thesis.txt"), "utf8")).toBe("years of work");
  });

  it("is not written while another import writes it", async () => {
    const output = path("locked.zarr");
    await mkdir(`${output}.partial`);
    const other = spawn(process.execPath, ["-e", "setTimeout(() => {}, 60000)"], { stdio: "ignore" });
    try {
      await writeFile(`${output}.partial/.chondria-import.lock`, `${other.pid}`);
      await expect(importVolume({ input: small(), output })).rejects.toThrow(
        new RegExp(`process ${other.pid} is writing there`),
      );
    } finally {
      other.kill("SIGKILL");
    }
    await new Promise((done) => other.once("close", done));
    await importVolume({ input: small(), output });
    expect([...(await openGroup(output, 2).level(0)).data]).toEqual([1, 2, 3, 4]);
  });

  it("is not inside out: the input may not lie in it", async () => {
    const input = await writePngStack(path("outer.zarr", "slices"), new Uint8Array(4), [2, 2, 1]);
    for (const output of [path("outer.zarr"), input]) {
      await expect(importVolume({ input, output, existing: "overwrite" })).rejects.toThrow(
        /lies inside of the output/,
      );
    }
    await importVolume({ input, output: path("outer.zarr", "slices", "v.zarr") });
    expect((await openGroup(path("outer.zarr", "slices", "v.zarr"), 2).level(0)).shape).toEqual([1, 2, 2]);
  });
});

describe("importVolume names what is wrong", () => {
  it("a bad slice in the middle: the file is named, what is written stays", async () => {
    const input = await writePngStack(path("bad"), voxels, size);
    const good = await readFile(path("bad", "0033.png"));
    await writeFile(path("bad", "0033.png"), good.subarray(0, 400));
    const output = path("bad.zarr");
    await expect(importVolume({ input, output, voxelSize, chunkSize })).rejects.toThrow(
      /0033\.png: is truncated/,
    );
    expect((await journalOf(output))?.done).toBe(8);
    await expect(stat(output)).rejects.toThrow("ENOENT");
  });

  it("what is not EM, not labels, not a volume, not a region", async () => {
    const wide = arrayVolume(new Uint32Array(4), [2, 2, 1]);
    await expect(importVolume({ input: wide, output: path("x") })).rejects.toThrow(/uint32 values.*--labels/);
    const em = arrayVolume(new Uint8Array(4), [2, 2, 1]);
    await expect(importVolume({ input: em, output: path("x"), binarise: 0 })).rejects.toThrow(/add --labels/);
    await expect(importVolume({ input: em, output: path("x"), region: "0:3,:,:" })).rejects.toThrow(
      /region "0:3,:,:"/,
    );
    await expect(importVolume({ input: em, output: path("x"), chunkSize: [0, 4, 4] })).rejects.toThrow(
      /chunks of 0,4,4/,
    );
    await expect(importVolume({ input: em, output: path("x"), voxelSize: [0, 1, 1] })).rejects.toThrow(
      /voxel size/,
    );
    await expect(importVolume({ input: path("nowhere"), output: path("x") })).rejects.toThrow(
      /nowhere: does not exist/,
    );
    await importVolume({ input: em, output: path("zarr_in") });
    await expect(importVolume({ input: path("zarr_in"), output: path("x") })).rejects.toThrow(
      /is a Zarr volume already/,
    );
    await expect(importVolume({ input: path("bad"), output: path("x"), dataset: "raw" })).rejects.toThrow(
      /--dataset/,
    );
    await writeFile(path("empty.h5"), "");
    await expect(importVolume({ input: path("empty.h5"), output: path("x"), channel: 1 })).rejects.toThrow(
      /--channel/,
    );
    await expect(stat(path("x"))).rejects.toThrow("ENOENT");
  });

  it("a full disk and the like", () => {
    const failed = (code: string) => writeError("/out/0/0/0/0", Object.assign(new Error(code), { code }));
    expect(failed("ENOSPC")).toBeInstanceOf(VolumeError);
    expect(failed("ENOSPC").message).toMatch(/^\/out\/0\/0\/0\/0: the disk is full.*--resume/);
    expect(failed("EROFS").message).toContain("read-only");
    expect(failed("EBUSY")).not.toBeInstanceOf(VolumeError);
  });

  it("an output below a file", async () => {
    await writeFile(path("plain"), "");
    const input = arrayVolume(new Uint8Array(4), [2, 2, 1]);
    const error: unknown = await importVolume({ input, output: path("plain", "v.zarr") }).catch((e) => e);
    expect(error).toBeInstanceOf(VolumeError);
    expect(String(error)).toContain("plain");
  });
});

describe("memory", () => {
  it("asks the source for one row of chunks at a time, each voxel once", async () => {
    const array = arrayVolume(voxels, size);
    const asked: number[] = [];
    const input = {
      ...array,
      read: (...args: Parameters<typeof array.read>) => {
        asked.push(boxVolume(args[1]));
        return array.read(...args);
      },
    };
    await importVolume({ input, output: path("rows.zarr"), chunkSize });
    expect(Math.max(...asked)).toBe(96 * 80 * 4);
    expect(asked.reduce((a, b) => a + b)).toBe(96 * 80 * 60);
  });

  it("does not grow with the volume", { timeout: 300_000 }, async () => {
    // 256 MiB of voxels through rows of chunks of 16 MiB; the rest is the codec, its heap and the collector's slack.
    const script = root("test/support/import_memory.ts");
    const args = ["--import", "tsx", script, path("large.zarr"), "512,512,1024", "20000000"];
    const { stdout } = await promisify(execFile)(process.execPath, args, {
      cwd: root("."),
      timeout: 290_000,
    });
    expect(Number(stdout)).toBeLessThan(160e6);
  });
});
