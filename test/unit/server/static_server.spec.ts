import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type RunningServer, ServerError, startServer } from "../../../src/server/static_server.js";
import { goldenVolumes } from "../../support/golden_volumes.js";

const SECRET = "the secret outside";
let base: string;
let server: RunningServer;

interface RawAnswer {
  status: number;
  headers: Map<string, string>;
  body: string;
}

/** Sends bytes as they are, so that no client tidies the path up first. */
function raw(text: string, port = server.port): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(text, "latin1"));
    const parts: Buffer[] = [];
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error(`no answer in 3 s to ${JSON.stringify(text.slice(0, 80))}`));
    }, 3000);
    socket.on("data", (data) => parts.push(data));
    socket.on("error", reject);
    socket.on("close", () => {
      clearTimeout(timer);
      const answer = Buffer.concat(parts).toString("latin1");
      const [head, ...rest] = answer.split("\r\n\r\n");
      const [line, ...fields] = head.split("\r\n");
      const headers = new Map(
        fields.map((field) => {
          const colon = field.indexOf(":");
          return [field.slice(0, colon).toLowerCase(), field.slice(colon + 1).trim()];
        }),
      );
      resolve({ status: Number(line.split(" ")[1]), headers, body: rest.join("\r\n\r\n") });
    });
  });
}

function get(target: string, extra: Record<string, string> = {}, method = "GET"): Promise<RawAnswer> {
  const headers = { Host: "127.0.0.1", Connection: "close", ...extra };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return raw(`${method} ${target} HTTP/1.1\r\n${lines.join("")}\r\n`);
}

function writeVolume(
  folder: string,
  name: string,
  edit: (files: Map<string, Uint8Array>) => void = () => {},
) {
  const files = new Map(goldenVolumes().find((golden) => golden.name === name)!.files);
  edit(files);
  for (const [key, value] of files) {
    const path = join(folder, key);
    mkdirSync(join(path, ".."), { recursive: true });
    writeFileSync(path, value);
  }
}

const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

beforeAll(async () => {
  base = mkdtempSync(join(tmpdir(), "chondria-server-"));
  for (const folder of ["data/sub", "dist", "outside", "data-sibling"])
    mkdirSync(join(base, folder), { recursive: true });
  writeFileSync(join(base, "outside/secret.txt"), SECRET);
  writeFileSync(join(base, "secret.txt"), SECRET);
  writeFileSync(join(base, "data-sibling/secret.txt"), SECRET);
  writeFileSync(join(base, "data/.env"), SECRET);
  mkdirSync(join(base, "data/.git"));
  writeFileSync(join(base, "data/.git/config"), SECRET);
  writeFileSync(join(base, "data/ten"), "0123456789");
  writeFileSync(join(base, "data/empty"), "");
  writeFileSync(join(base, "data/a b%41.json"), "{}");
  writeFileSync(join(base, "data/evil.html"), "<script>1</script>");
  writeFileSync(join(base, "dist/index.html"), "<!doctype html><title>page</title>");
  writeFileSync(join(base, "dist/main.0123abcd.js"), "1");
  writeFileSync(join(base, "dist/x.wasm"), "1");
  symlinkSync(join(base, "outside"), join(base, "data/link_out"));
  symlinkSync(join(base, "outside/secret.txt"), join(base, "data/file_out"));
  symlinkSync("../../secret.txt", join(base, "data/sub/relative_out"));
  symlinkSync("ten", join(base, "data/link_in"));
  symlinkSync("loop", join(base, "data/loop"));
  symlinkSync("/dev/zero", join(base, "data/zero"));
  execFileSync("mkfifo", [join(base, "data/pipe")]);
  writeVolume(join(base, "data/images/first.ome.zarr"), "zarr2 zlib", (files) => {
    for (const [key, value] of [...files]) {
      files.delete(key);
      files.set(`s0/${key}`, value);
    }
    const axes = ["z", "y", "x"].map((name) => ({ name, type: "space", unit: "nanometer" }));
    const transformation = { type: "scale", scale: [40, 4, 4] };
    const datasets = [{ path: "s0", coordinateTransformations: [transformation] }];
    files.set(".zattrs", json({ multiscales: [{ version: "0.4", axes, datasets }] }));
    files.set(".zgroup", json({ zarr_format: 2 }));
  });
  writeVolume(join(base, "data/seg mentation"), "precomputed sharded murmur gzip");
  writeVolume(join(base, "data/broken"), "precomputed raw", (files) =>
    files.set("info", json({ scales: [] })),
  );
  server = await startServer({ dist: join(base, "dist"), data: join(base, "data"), port: 0 });
});

afterAll(async () => {
  await server.close();
  rmSync(base, { recursive: true });
});

describe("nothing outside of the data folder", () => {
  const attacks = [
    "/data/../secret.txt",
    "/data/sub/../../secret.txt",
    "/data/..",
    "/data/../",
    "/../secret.txt",
    "/data/%2e%2e/secret.txt",
    "/data/%2E%2e/secret.txt",
    "/data/.%2e/secret.txt",
    "/data/..%2fsecret.txt",
    "/data/%2e%2e%2fsecret.txt",
    "/data/sub%2f..%2f..%2fsecret.txt",
    "/data/..%5csecret.txt",
    "/data/..\\secret.txt",
    "/data/\\..\\secret.txt",
    "/data/%252e%252e/secret.txt",
    "/data/%252e%252e%252fsecret.txt",
    "/data/%c0%ae%c0%ae/secret.txt",
    "/data/%c0%ae%c0%ae%c0%afsecret.txt",
    "/data/..%00/secret.txt",
    "/data/ten%00.json",
    "/data/..;/secret.txt",
    "/data//etc/passwd",
    "/data//../secret.txt",
    "/data/./../secret.txt",
    "/data/%2fetc%2fpasswd",
    "/data/-sibling/secret.txt",
    "/data-sibling/secret.txt",
    "/data/%u002e%u002e/secret.txt",
    "/data/link_out/secret.txt",
    "/data/file_out",
    "/data/sub/relative_out",
    "/data/loop",
    "/data/.env",
    "/data/.git/config",
    "/data/zero",
    "/data/pipe",
    "/data/",
    "/data/sub",
    "/data/sub/",
    "/data/ten/../../secret.txt",
    "/data/ten/x",
    `/data/${"a/".repeat(3000)}x`,
    `/data/${"x".repeat(300)}`,
    "/models/../../secret.txt",
    "/%2e%2e/secret.txt",
    "/api/../../secret.txt",
    "http://127.0.0.1/data/ten",
    "*",
    "data/ten",
  ];
  it.each(attacks)("%s", async (target) => {
    const { status, body } = await get(target);
    expect([400, 404]).toContain(status);
    expect(body).not.toContain(SECRET);
    expect(body).not.toContain(base);
  });

  it("and still serves what is inside, links within it too", async () => {
    expect(await get("/data/ten")).toMatchObject({ status: 200, body: "0123456789" });
    expect(await get("/data/link_in")).toMatchObject({ status: 200, body: "0123456789" });
    expect(await get("/data/a%20b%2541.json?query=1")).toMatchObject({ status: 200, body: "{}" });
  });

  it("does not wait for a pipe's writer", async () => {
    const started = performance.now();
    expect((await get("/data/pipe")).status).toBe(404);
    expect(performance.now() - started).toBeLessThan(1000);
  });
});

describe("ranges", () => {
  it.each([
    ["bytes=0-3", 206, "0123", "bytes 0-3/10"],
    ["bytes=8-", 206, "89", "bytes 8-9/10"],
    ["bytes=-3", 206, "789", "bytes 7-9/10"],
    ["bytes=-100", 206, "0123456789", "bytes 0-9/10"],
    ["bytes=5-100", 206, "56789", "bytes 5-9/10"],
    ["bytes=10-", 416, "", "bytes */10"],
    ["bytes=-0", 416, "", "bytes */10"],
    ["bytes=0-1,4-5", 200, "0123456789", undefined],
    ["bytes=5-2", 200, "0123456789", undefined],
    ["bytes=-", 200, "0123456789", undefined],
    ["items=0-1", 200, "0123456789", undefined],
    ["bytes=99999999999999999999-", 200, "0123456789", undefined],
  ])("%s", async (Range, status, body, contentRange) => {
    const answer = await get("/data/ten", { Range });
    expect(answer).toMatchObject({ status, body });
    expect(answer.headers.get("content-range")).toBe(contentRange);
    expect(answer.headers.get("content-length")).toBe(String(body.length));
  });

  it("of an empty file", async () => {
    expect(await get("/data/empty", { Range: "bytes=0-0" })).toMatchObject({ status: 416 });
    expect(await get("/data/empty")).toMatchObject({ status: 200, body: "" });
  });

  it("only of the version that the client knows", async () => {
    const tag = (await get("/data/ten")).headers.get("etag")!;
    expect(await get("/data/ten", { Range: "bytes=0-1", "If-Range": tag })).toMatchObject({ status: 206 });
    expect(await get("/data/ten", { Range: "bytes=0-1", "If-Range": '"other"' })).toMatchObject({
      status: 200,
    });
    expect(await get("/data/ten", { "If-None-Match": tag })).toMatchObject({ status: 304, body: "" });
    expect(await get("/data/ten", { "If-None-Match": '"other"' })).toMatchObject({ status: 200 });
  });
});

describe("methods, hosts and headers", () => {
  it("answers HEAD without a body", async () => {
    const answer = await get("/data/ten", {}, "HEAD");
    expect(answer).toMatchObject({ status: 200, body: "" });
    expect(answer.headers.get("content-length")).toBe("10");
  });

  it.each(["POST", "PUT", "DELETE", "PATCH", "TRACE"])("refuses %s", async (method) => {
    expect((await get("/data/ten", { "Content-Length": "0" }, method)).status).toBe(405);
  });

  it.each([
    "evil.example",
    "evil.example:8080",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "a b",
    "",
  ])("refuses the host %j: another name that was made to point here", async (Host) => {
    const { status, body } = await get("/data/ten", { Host });
    expect([400, 403]).toContain(status);
    expect(body).not.toContain("0123");
  });

  it.each(["localhost", "localhost:8080", "127.0.0.1:9", "[::1]:8080", "192.168.1.5"])(
    "takes the host %s",
    async (Host) => {
      expect((await get("/data/ten", { Host })).status).toBe(200);
    },
  );

  it("refuses a request without a host", async () => {
    expect((await raw("GET /data/ten HTTP/1.0\r\n\r\n")).status).toBe(403);
  });

  it("answers nonsense and too long headers, and goes on", async () => {
    expect((await raw("nonsense\r\n\r\n")).status).toBe(400);
    expect((await get("/data/ten", { Long: "x".repeat(20_000) })).status).toBe(431);
    expect((await get("/data/ten")).status).toBe(200);
  });

  it("lets any page read volumes, misses too, and answers its preflight", async () => {
    for (const target of ["/data/ten", "/data/missing"]) {
      expect((await get(target)).headers.get("access-control-allow-origin")).toBe("*");
    }
    const preflight = await get("/data/ten", { Origin: "https://x.example" }, "OPTIONS");
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get("access-control-allow-headers")).toContain("Range");
  });

  it("lets no other page read the list of volumes or the app", async () => {
    for (const target of ["/api/volumes.json", "/", "/main.0123abcd.js"]) {
      expect((await get(target)).headers.has("access-control-allow-origin")).toBe(false);
    }
  });

  it("serves the page with its policy and types", async () => {
    const page = await get("/");
    expect(page.body).toContain("<title>page</title>");
    expect(page.headers.get("content-type")).toContain("text/html");
    expect(page.headers.get("cache-control")).toBe("no-cache");
    expect(page.headers.get("x-content-type-options")).toBe("nosniff");
    expect(page.headers.get("referrer-policy")).toBe("no-referrer");
    const policy = page.headers.get("content-security-policy")!;
    expect(policy).toContain("object-src 'none'");
    expect(policy.match(/script-src[^;]*/)![0]).not.toMatch(/unsafe-inline|\*|https?:/);
    const script = await get("/main.0123abcd.js");
    expect(script.headers.get("content-type")).toContain("text/javascript");
    expect(script.headers.get("cache-control")).toContain("immutable");
    expect((await get("/x.wasm")).headers.get("content-type")).toBe("application/wasm");
  });

  it("never gives out a file of a volume as something that a browser runs", async () => {
    const { headers } = await get("/data/evil.html");
    expect(headers.get("content-type")).toBe("application/octet-stream");
    expect(headers.get("content-security-policy")).toContain("sandbox");
  });
});

describe("list of volumes", () => {
  it("has those that can be opened, and the reason for those that cannot", async () => {
    const answer = await get("/api/volumes.json");
    expect(answer.headers.get("content-type")).toBe("application/json");
    const list = JSON.parse(Buffer.from(answer.body, "latin1").toString());
    expect(list.volumes).toMatchObject([
      {
        name: "images/first.ome.zarr",
        source: "{origin}/data/images/first.ome.zarr/|zarr2:",
        format: "ome-zarr",
        kind: "image",
        dataType: "uint8",
        lower: [0, 0, 0],
        size: [21, 13, 7],
        voxelSize: [4, 4, 40],
        scales: 1,
      },
      {
        name: "seg mentation",
        source: "{origin}/data/seg%20mentation/|neuroglancer-precomputed:",
        format: "precomputed",
        kind: "labels",
        dataType: "uint64",
        lower: [100, 200, -3],
      },
    ]);
    expect(list.problems).toEqual([
      { name: "broken", error: expect.stringContaining("data_type") },
      { name: "link_out", error: expect.stringContaining("leads out of the folder") },
    ]);
    expect(answer.body).not.toContain(base);
  });

  it("is made anew for each request", async () => {
    writeVolume(join(base, "data/later"), "precomputed jpeg");
    try {
      const { volumes } = JSON.parse((await get("/api/volumes.json")).body);
      expect(volumes.map(({ name }: { name: string }) => name)).toContain("later");
    } finally {
      rmSync(join(base, "data/later"), { recursive: true });
    }
  });
});

describe("starting and stopping", () => {
  it("takes the next port when one is busy", async () => {
    const second = await startServer({ port: server.port });
    expect(second.port).toBeGreaterThan(server.port);
    await second.close();
  });

  it("says which folder is missing", async () => {
    await expect(startServer({ data: join(base, "nowhere"), port: 0 })).rejects.toThrow(ServerError);
    await expect(startServer({ data: join(base, "nowhere"), port: 0 })).rejects.toThrow(/nowhere/);
  });

  it("says what to do when the address is not this computer's", async () => {
    await expect(startServer({ host: "192.0.2.1", port: 0 })).rejects.toThrow(/--host/);
  });

  it("stops although a client keeps its connection open", async () => {
    const stopping = await startServer({ data: join(base, "data"), port: 0 });
    const socket = connect(stopping.port, "127.0.0.1");
    socket.on("error", () => {});
    await new Promise((resolve) => socket.once("connect", resolve));
    socket.write("GET /data/ten HTTP/1.1\r\nHost: localhost\r\n\r\n");
    await new Promise((resolve) => socket.once("data", resolve));
    const started = performance.now();
    await stopping.close();
    expect(performance.now() - started).toBeLessThan(3000);
    socket.destroy();
  });
});
