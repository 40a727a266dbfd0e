import { beforeAll, describe, expect, it } from "vitest";
import { encodePackage } from "../../../src/model/encode.js";
import { readPackage, readRdf } from "../../../src/model/read.js";
import { writeZip } from "../../../src/model/zip.js";
import {
  MOST_BYTES,
  MOST_MODELS,
  packArchive,
  SavedModelError,
  SavedModels,
  savedId,
} from "../../../workers/saved_models.js";
import { tinyContents } from "../../support/tiny_model.js";
import { FakeBacking } from "./fake_backing.js";

let files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>;
let zip: Uint8Array<ArrayBuffer>;

beforeAll(async () => {
  files = await encodePackage("tiny", await tinyContents());
  zip = packArchive(files);
});

function open(backing = new FakeBacking()) {
  return { backing, models: new SavedModels(async () => backing) };
}

describe("saved models", () => {
  it("are listed, read back as packages, handed out as they came, and deleted", async () => {
    const { backing, models } = open();
    expect(await models.list()).toEqual([]);
    expect(await models.has("mine")).toBe(false);
    const entry = await models.save("mine", zip);
    expect(entry).toMatchObject({ id: "mine", name: "Tiny test network", strategy: "untrained" });
    // Another tab, or the page opened again.
    const again = new SavedModels(async () => backing);
    expect(await again.list()).toEqual([entry]);
    expect(await again.has("mine")).toBe(true);
    expect(await again.archive("mine")).toEqual(zip);
    const model = await readPackage("mine", again.files("mine"));
    expect(model.digest).toBe(entry.digest);
    await again.remove("mine");
    expect(await models.list()).toEqual([]);
    expect(backing.files.size).toBe(0);
    await again.remove("mine");
  });

  it("are read whole only once for all files of a package", async () => {
    const { backing, models } = open();
    await models.save("mine", zip);
    backing.calls.read = 0;
    await readPackage("mine", models.files("mine"));
    expect(backing.calls.read).toBe(1);
  });

  it("may lie in a folder of the archive", async () => {
    const { models } = open();
    const inFolder = writeZip(new Map([...files].map(([name, bytes]) => [`model/${name}`, bytes])));
    expect((await models.save("mine", inFolder)).id).toBe("mine");
    await readRdf("mine", models.files("mine"));
  });

  it("keep their id: the same content again changes nothing, other content is refused", async () => {
    const { backing, models } = open();
    const entry = await models.save("mine", zip);
    const { write } = backing.calls;
    expect(await models.save("mine", zip)).toEqual(entry);
    expect(backing.calls.write).toBe(write);
    const other = packArchive(await encodePackage("x", { ...(await tinyContents()), name: "Other" }));
    await expect(models.save("mine", other)).rejects.toThrow(/mine with other content/);
    expect(await models.archive("mine")).toEqual(zip);
  });

  it.each(["", "../up", "a.b", "a/b", "ü", "x".repeat(65)])("refuse the id %j", async (id) => {
    const { models } = open();
    await expect(models.save(id, zip)).rejects.toThrow(SavedModelError);
    expect(await models.has(id)).toBe(false);
    await expect(models.archive(id)).rejects.toThrow(/no model/);
  });

  it("refuse what is no package, and keep nothing of it", async () => {
    const { backing, models } = open();
    const damaged = new Map(files).set("weights.bin", files.get("weights.bin")!.slice(4));
    await expect(models.save("bad", packArchive(damaged))).rejects.toThrow(/weights\.bin.*SHA-256/s);
    const incomplete = new Map([...files].filter(([name]) => name !== "model.json"));
    await expect(models.save("bad", packArchive(incomplete))).rejects.toThrow(/model\.json/);
    await expect(models.save("bad", new TextEncoder().encode("a text file, not an archive"))).rejects.toThrow(
      /not a \.zip/,
    );
    const large = packArchive(new Map(files).set("rdf.yaml", new Uint8Array(2 << 20)));
    await expect(models.save("bad", large)).rejects.toThrow(/rdf\.yaml.*more than/s);
    expect(backing.files.size).toBe(0);
  });

  it("say at once when there is no room, and leave no half of a package", async () => {
    const { backing, models } = open();
    backing.quota = zip.length - 1;
    await expect(models.save("mine", zip)).rejects.toThrow(/grants no room.*download/s);
    expect(backing.files.size).toBe(0);
    // Room for the archive, not for its entry.
    backing.quota = zip.length + 10;
    await expect(models.save("mine", zip)).rejects.toThrow(SavedModelError);
    expect(await models.list()).toEqual([]);
    expect(backing.files.size).toBe(0);
  });

  it("notice a storage that silently writes nothing", async () => {
    const { backing, models } = open();
    backing.write = async () => {};
    await expect(models.save("mine", zip)).rejects.toThrow(/could not be written/);
  });

  it("are bounded in number and bytes", async () => {
    const { backing, models } = open();
    await models.save("first", zip);
    const [entry] = await models.list();
    for (let i = 1; i < MOST_MODELS; i++) {
      const copy = new TextEncoder().encode(JSON.stringify({ ...entry, id: `m${i}` }));
      backing.files.set(`entry_m${i}`, { bytes: copy, time: i });
    }
    await expect(models.save("mine", zip)).rejects.toThrow(/32 models .* delete one/);
    const full = open();
    full.backing.list = async () => [{ name: "zip_other", bytes: MOST_BYTES, time: 0 }];
    await expect(full.models.save("mine", zip)).rejects.toThrow(/512 MB/);
  });

  it("skip entries that are damaged or lie", async () => {
    const { backing, models } = open();
    const entry = await models.save("mine", zip);
    const put = (name: string, text: string) =>
      backing.files.set(name, { bytes: new TextEncoder().encode(text), time: 9 });
    put("entry_text", "{");
    put("entry_shape", '{"id": "shape"}');
    put("entry_other", JSON.stringify(entry));
    expect(await models.list()).toEqual([entry]);
  });

  it("say why when the browser has no storage, and try again later", async () => {
    let denied = true;
    const backing = new FakeBacking();
    const models = new SavedModels(async () => {
      if (denied) throw new Error("denied by the user");
      return backing;
    });
    await expect(models.list()).rejects.toThrow(/cannot be saved in this browser: denied/);
    denied = false;
    expect(await models.list()).toEqual([]);
  });

  it("get ids from any name", () => {
    expect(savedId("VNC → Lucchi++ (1).v2")).toBe("VNC-Lucchi-1-v2");
    expect(savedId("../../etc")).toBe("etc");
    expect(savedId("→")).toBe("model");
    expect(savedId("x".repeat(200))).toHaveLength(56);
  });
});
