import { deflateRawSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { crc32, writeZip, ZipArchive, ZipError } from "../../../src/model/zip.js";

const text = (value: string) => new TextEncoder().encode(value);
const FILES = new Map([
  ["rdf.yaml", text("type: model\n")],
  ["weights.bin", Uint8Array.from({ length: 5000 }, (_, i) => (i * 37) & 255)],
  ["naïve.txt", text("")],
]);

/** One deflated entry, made by hand, with a length of our choice in its headers. */
function deflated(name: string, data: Uint8Array, said = data.length): Uint8Array {
  const packed = new Uint8Array(deflateRawSync(data));
  const zip = writeZip(new Map([[name, packed]]));
  const view = new DataView(zip.buffer);
  const directory = view.getUint32(zip.length - 22 + 16, true);
  for (const [method, crc, size] of [
    [8, 14, 22],
    [directory + 10, directory + 16, directory + 24],
  ]) {
    view.setUint16(method, 8, true);
    view.setUint32(crc, crc32(data), true);
    view.setUint32(size, said, true);
  }
  return zip;
}

describe("zip archives", () => {
  it("have the CRC-32 of the standard's check value", () => {
    // "123456789" -> CBF43926: the check value of CRC-32/ISO-HDLC.
    expect(crc32(text("123456789"))).toBe(0xcbf43926);
  });

  it("give back what was written, and the same bytes for the same files", async () => {
    const zip = writeZip(FILES);
    expect(writeZip(FILES)).toEqual(zip);
    const archive = new ZipArchive(zip);
    expect(archive.names).toEqual([...FILES.keys()]);
    for (const [name, bytes] of FILES) expect(await archive.read(name)).toEqual(bytes);
  });

  it("are read when another program has deflated them, added a folder and a comment", async () => {
    const data = text("mitochondria ".repeat(1000));
    expect(await new ZipArchive(deflated("a/b.txt", data)).read("a/b.txt")).toEqual(data);
    const folder = new ZipArchive(
      writeZip(
        new Map([
          ["a/", text("")],
          ["a/b", text("b")],
        ]),
      ),
    );
    expect(folder.names).toEqual(["a/b"]);
    const zip = writeZip(FILES);
    const commented = new Uint8Array(zip.length + 5);
    commented.set(zip);
    commented.set(text("hello"), zip.length);
    new DataView(commented.buffer).setUint16(zip.length - 2, 5, true);
    expect(new ZipArchive(commented).names).toHaveLength(3);
  });

  it.each([
    ["nothing", () => new Uint8Array(0), /not a \.zip/],
    ["text", () => text("hello, this is a text that is longer than an end record"), /not a \.zip/],
    ["a cut-off file", () => writeZip(FILES).subarray(0, 3000), /not a \.zip/],
    ["the tail alone", () => writeZip(FILES).subarray(4000), /damaged directory/],
  ])("refuses %s", (_, make, message) => {
    expect(() => new ZipArchive(make())).toThrow(message);
  });

  it("refuses more entries or bytes than allowed before unpacking any", () => {
    expect(() => new ZipArchive(writeZip(FILES), { entries: 2 })).toThrow(/3 entries, more than the 2/);
    expect(() => new ZipArchive(writeZip(FILES), { bytes: 100 })).toThrow(/more than the 100 bytes/);
  });

  it("stops a bomb at the size that its header says", async () => {
    const bomb = deflated("bomb", new Uint8Array(10_000_000), 1000);
    await expect(new ZipArchive(bomb).read("bomb")).rejects.toThrow(/bomb: unpacks to more than the 1000/);
  });

  it("notices a flipped bit, a strange method, an encrypted entry and a missing one", async () => {
    const zip = writeZip(FILES);
    const flipped = zip.slice();
    flipped[30 + "rdf.yaml".length] ^= 1;
    await expect(new ZipArchive(flipped).read("rdf.yaml")).rejects.toThrow(/rdf\.yaml: is damaged/);
    const directory = new DataView(zip.buffer).getUint32(zip.length - 22 + 16, true);
    const strange = zip.slice();
    strange[directory + 10] = 14;
    await expect(new ZipArchive(strange).read("rdf.yaml")).rejects.toThrow(/method 14/);
    const encrypted = zip.slice();
    encrypted[directory + 8] |= 1;
    expect(() => new ZipArchive(encrypted)).toThrow(/encrypted/);
    await expect(new ZipArchive(zip).read("../rdf.yaml")).rejects.toThrow(ZipError);
  });

  it("survives any single damaged byte with a ZipError or the true content", async () => {
    const small = writeZip(new Map([["a", text("abc")]]));
    for (let i = 0; i < small.length; i++) {
      const damaged = small.slice();
      damaged[i] ^= 0xff;
      try {
        const archive = new ZipArchive(damaged);
        for (const name of archive.names) expect(await archive.read(name)).toEqual(text("abc"));
      } catch (error) {
        expect(error).toBeInstanceOf(ZipError);
      }
    }
  });
});
