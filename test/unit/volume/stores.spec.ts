import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { startServer } from "../../../src/server/static_server.js";
import { ChunkCache } from "../../../src/volume/chunk_cache.js";
import { FileStore } from "../../../src/volume/fs_store_node.js";
import { HttpStore } from "../../../src/volume/http_store.js";
import { openVolume } from "../../../src/volume/open_node.js";
import { VolumeError } from "../../../src/volume/types.js";
import { asBigints, goldenBox, goldenVolumes } from "../../support/golden_volumes.js";

let base: string;
beforeAll(() => {
  base = mkdtempSync(join(tmpdir(), "chondria-stores-"));
  for (const { name, files } of goldenVolumes()) {
    for (const [key, value] of files) {
      const path = join(base, name, key);
      mkdirSync(join(path, ".."), { recursive: true });
      writeFileSync(path, value);
    }
  }
  writeFileSync(join(base, "ten"), "0123456789");
});
afterAll(() => rmSync(base, { recursive: true }));

const text = (bytes: Uint8Array | undefined) => bytes && new TextDecoder().decode(bytes);

describe("FileStore", () => {
  it("reads whole values, ranges and suffixes", async () => {
    const store = new FileStore(base);
    expect(text(await store.get("ten"))).toBe("0123456789");
    expect(text(await store.getRange("ten", { offset: 2, length: 3 }))).toBe("234");
    expect(text(await store.getRange("ten", { suffixLength: 4 }))).toBe("6789");
    expect(await store.get("missing")).toBeUndefined();
    expect(await store.get("ten/below a file")).toBeUndefined();
    expect(await store.get("precomputed raw")).toBeUndefined();
  });

  it("refuses what is cut off, too large, or points out of the folder", async () => {
    const store = new FileStore(join(base, "precomputed raw"));
    await expect(new FileStore(base).getRange("ten", { offset: 8, length: 3 })).rejects.toThrow(
      /ends at byte 10/,
    );
    await expect(new FileStore(base).getRange("ten", { suffixLength: 11 })).rejects.toThrow(VolumeError);
    await expect(new FileStore(base).getRange("ten", { offset: 0, length: 2 ** 40 })).rejects.toThrow(
      /index is damaged/,
    );
    await expect(new FileStore(base).getRange("ten", { offset: -1, length: 2 })).rejects.toThrow(VolumeError);
    await expect(new FileStore(base).get("ten", { limit: 9 })).rejects.toThrow(/more than/);
    for (const key of ["../ten", "a/../../ten", "..\\ten", "ten\0"]) {
      await expect(store.get(key)).rejects.toThrow(/points outside/);
    }
  });

  it("gives the reason of an abort as it is", async () => {
    const stop = new AbortController();
    const reading = new FileStore(base).get("ten", { signal: stop.signal });
    stop.abort();
    expect((await reading.catch((reason) => reason)).name).toBe("AbortError");
  });

  it("does not wait for the writer of a pipe", async () => {
    execFileSync("mkfifo", [join(base, "pipe")]);
    expect(await new FileStore(base).get("pipe")).toBeUndefined();
  });
});

describe("HttpStore", () => {
  let server: Server | undefined;
  async function serve(listener: RequestListener): Promise<string> {
    server = createServer(listener);
    await new Promise<void>((resolve) => server!.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }
  afterEach(() => {
    server?.closeAllConnections();
    server?.close();
  });
  const quick = { backOff: 1, attempts: 3 };

  it("reads values and ranges from our own server, and a volume", async () => {
    const running = await startServer({ data: base, port: 0 });
    try {
      const store = new HttpStore(`${running.url}data/`);
      expect(text(await store.get("ten"))).toBe("0123456789");
      expect(text(await store.getRange("ten", { offset: 2, length: 3 }))).toBe("234");
      expect(text(await store.getRange("ten", { suffixLength: 4 }))).toBe("6789");
      expect(await store.get("missing")).toBeUndefined();
      await expect(store.getRange("ten", { offset: 8, length: 3 })).rejects.toThrow(/gave 2 bytes/);
      await expect(store.getRange("ten", { offset: 10, length: 3 })).rejects.toThrow(/too short/);
      await expect(store.get("ten", { limit: 9 })).rejects.toThrow(/more than/);
      const volume = await openVolume(
        `${running.url}data/precomputed%20sharded%20murmur%20gzip|neuroglancer-precomputed:`,
      );
      const box = { lower: [103, 205, -1], upper: [119, 212, 3] } as const;
      expect(asBigints(await volume.read(0, box))).toEqual(goldenBox("uint64", box, [100, 200, -3]));
    } finally {
      await running.close();
    }
  });

  it("tries again when the server is busy, and says so in the end", async () => {
    let requests = 0;
    const address = await serve((_, response) => response.writeHead(++requests < 3 ? 503 : 200).end("late"));
    expect(text(await new HttpStore(address, quick).get("x"))).toBe("late");
    expect(requests).toBe(3);
    requests = -100;
    await expect(new HttpStore(address, quick).get("x")).rejects.toThrow(/503.*tried 3 times/);
  });

  it("does not try again what will not change", async () => {
    let requests = 0;
    const address = await serve((_, response) => {
      requests++;
      response.writeHead(400).end();
    });
    await expect(new HttpStore(address, quick).get("x")).rejects.toThrow(/400/);
    expect(requests).toBe(1);
  });

  it("takes its part of the whole when the server knows no ranges", async () => {
    const address = await serve((_, response) => response.end("0123456789"));
    const store = new HttpStore(address, quick);
    expect(text(await store.getRange("x", { offset: 2, length: 3 }))).toBe("234");
    expect(text(await store.getRange("x", { suffixLength: 4 }))).toBe("6789");
    await expect(store.getRange("x", { suffixLength: 11 })).rejects.toThrow(VolumeError);
  });

  it("gives up on a server that does not answer, and at once when it is told to", async () => {
    const address = await serve(() => {});
    const started = performance.now();
    await expect(
      new HttpStore(address, { ...quick, attempts: 1, timeoutSeconds: 0.1 }).get("x"),
    ).rejects.toThrow(/no answer in 0.1 s/);
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 20);
    const error = await new HttpStore(address, quick)
      .get("x", { signal: stop.signal })
      .catch((reason) => reason);
    expect(error.name).toBe("AbortError");
    expect(performance.now() - started).toBeLessThan(5000);
  });

  it("stops reading an endless answer", async () => {
    const address = await serve((_, response) => {
      const more = () => {
        while (response.write(Buffer.alloc(65536)));
        response.once("drain", more);
      };
      more();
    });
    await expect(new HttpStore(address, quick).get("x", { limit: 1e6 })).rejects.toThrow(
      /more than the 1000000 bytes/,
    );
  });

  it("undoes a Content-Encoding, keeps a query and encodes names", async () => {
    const seen: string[] = [];
    const address = await serve((request, response) => {
      seen.push(request.url!);
      response.writeHead(200, { "Content-Encoding": "gzip" }).end(gzipSync("plain"));
    });
    const store = new HttpStore(`${address}/a/?token=1`, quick);
    expect(text(await store.get("b c/d#e?f"))).toBe("plain");
    expect(seen).toEqual(["/a/b%20c/d%23e%3Ff?token=1"]);
  });
});

describe("ChunkCache", () => {
  const of = (bytes: number) => async () => ({ value: bytes, bytes });

  it("keeps the newest that fit, and hands out what does not", async () => {
    const cache = new ChunkCache<number>(100);
    let fetched = 0;
    const get = (key: string, bytes: number) =>
      cache.get(key, async () => {
        fetched++;
        return { value: bytes, bytes };
      });
    await get("a", 40);
    await get("b", 40);
    await get("a", 40);
    await get("c", 40);
    expect(cache.bytes).toBe(80);
    await get("a", 40);
    expect(fetched).toBe(3);
    await get("b", 40);
    expect(fetched).toBe(4);
    expect(await get("huge", 1000)).toBe(1000);
    expect(cache.bytes).toBeLessThanOrEqual(100);
  });

  it("tries a failed fetch again", async () => {
    const cache = new ChunkCache<number>(100);
    await expect(cache.get("a", () => Promise.reject(new Error("no")))).rejects.toThrow("no");
    expect(await cache.get("a", of(1))).toBe(1);
  });

  it("aborts a fetch only when nobody waits for it any more", async () => {
    const cache = new ChunkCache<number>(100);
    let aborted = 0;
    let finish = (_: { value: number; bytes: number }) => {};
    const slow = (signal: AbortSignal) => {
      signal.addEventListener("abort", () => aborted++);
      return new Promise<{ value: number; bytes: number }>((resolve) => {
        finish = resolve;
      });
    };
    const [one, two, three] = [new AbortController(), new AbortController(), new AbortController()];
    const first = cache.get("a", slow, one.signal);
    const second = cache.get("a", slow, two.signal);
    one.abort();
    await expect(first).rejects.toThrow(/abort/i);
    expect(aborted).toBe(0);
    finish({ value: 5, bytes: 1 });
    expect(await second).toBe(5);
    const third = cache.get("b", slow, three.signal);
    three.abort();
    await expect(third).rejects.toThrow(/abort/i);
    expect(aborted).toBe(1);
    expect(await cache.get("b", of(7))).toBe(7);
  });
});

describe("openVolume", () => {
  it.each([
    ["zarr3 sharded zstd", { voxelSize: [4, 4, 40] as const }, [0, 0, 0], "uint8"],
    ["precomputed compressed_segmentation 64", {}, [100, 200, -3], "uint64"],
  ] as const)("opens a folder: %s", async (name, options, origin, dataType) => {
    const volume = await openVolume(join(base, name), options);
    const { bounds } = volume.scales[0];
    expect(asBigints(await volume.read(0, bounds))).toEqual(goldenBox(dataType, bounds, origin));
  });

  it("opens what lies inside of a folder by its name", async () => {
    const volume = await openVolume(base, { dataset: "zarr2 zlib", voxelSize: [4, 4, 40] });
    expect(volume.scales[0].bounds.upper).toEqual([21, 13, 7]);
  });

  it("opens the phantom by its address, with and without Neuroglancer's prefix", async () => {
    const box = { lower: [0, 0, 0], upper: [4, 4, 1] } as const;
    const [one, two] = [
      await openVolume("phantom://fib/1/em"),
      await openVolume("precomputed://phantom://fib/1/em"),
    ];
    expect(await one.read(0, box)).toEqual(await two.read(0, box));
  });

  it.each([
    ["a path that is not there", () => join(base, "nowhere"), /no such file/],
    ["a folder without a volume", () => base, /looked for zarr.json.*info.*PNG/],
    ["a file that is none", () => join(base, "ten"), /is no volume/],
    ["the wrong format", () => `precomputed://${join(base, "zarr2 zlib")}`, /looked for info/],
    ["an address of another kind", () => "dvid://host/x", /cannot be read here/],
    ["an address that is none", () => "http://", /no web address|not a web address/],
  ])("says what was looked for: %s", async (_, input, message) => {
    const error = await openVolume(input()).catch((reason) => reason);
    expect(error).toBeInstanceOf(VolumeError);
    expect(error.message).toMatch(message);
  });

  it("refuses boxes that are no boxes of the volume", async () => {
    const volume = await openVolume(join(base, "precomputed raw"));
    for (const box of [
      { lower: [99, 200, -3], upper: [101, 201, -2] },
      { lower: [100, 200, -3], upper: [122, 201, -2] },
      { lower: [100, 200, -3], upper: [100, 201, -2] },
      { lower: [100.5, 200, -3], upper: [102, 201, -2] },
      { lower: [Number.NaN, 200, -3], upper: [102, 201, -2] },
    ] as const) {
      await expect(volume.read(0, box)).rejects.toThrow(VolumeError);
    }
    await expect(volume.read(1, volume.scales[0].bounds)).rejects.toThrow(/no scale 1/);
  });

  it("stops reading when it is told to", async () => {
    const volume = await openVolume(join(base, "zarr2 raw"), { voxelSize: [4, 4, 40] });
    const stop = new AbortController();
    const reading = volume.read(0, volume.scales[0].bounds, { signal: stop.signal });
    stop.abort();
    await expect(reading).rejects.toThrow(/abort/i);
    expect(await volume.read(0, volume.scales[0].bounds)).toHaveLength(21 * 13 * 7);
  });
});
