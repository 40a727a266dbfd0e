import { beforeAll, describe, expect, it } from "vitest";
import { loadWeights } from "../../../src/exchange/load_weights.js";
import { readNpy, writeNpy } from "../../../src/exchange/npy.js";
import { decodeFloats, elements, halfValue } from "../../../src/exchange/numbers.js";
import { readForeignWeights } from "../../../src/exchange/read.js";
import { ExchangeError } from "../../../src/exchange/types.js";
import { selectBackend } from "../../../src/kernels/backend_node.js";
import { tf } from "../../../src/kernels/tf.js";
import { halfBits } from "../../../src/model/float16.js";
import { writeZip } from "../../../src/model/zip.js";
import { Random } from "../../../src/network/random.js";
import { foreignFile } from "../../support/foreign.js";

beforeAll(async () => {
  await selectBackend("wasm");
});

/** Reads and uses bytes; whatever is wrong with them must come out as an ExchangeError. */
async function attempt(file: string, bytes: Uint8Array): Promise<Error | null> {
  try {
    const foreign = await readForeignWeights(file, bytes);
    (await loadWeights(foreign, "attention-u-net", { gate: "paper" })).whole.dispose();
    return null;
  } catch (error) {
    if (!(error instanceof ExchangeError)) throw error;
    return error;
  }
}

const FILES = [
  "keras3_model.h5",
  "keras3.weights.h5",
  "keras2_weights.h5",
  "keras3_batch.keras",
  "torch.safetensors",
  "torch_state.pt",
];

describe("damaged files", () => {
  it.each(FILES)("%s cut off anywhere is refused by name", async (file) => {
    const whole = foreignFile(file);
    const random = new Random(3);
    for (let i = 0; i < 5; i++) {
      // HDF5 tells what is missing by the end that its first block says; archives by their directory.
      const error = await attempt(file, whole.slice(0, random.integer(whole.length - 64)));
      expect(error?.message.startsWith(`${file}: `)).toBe(true);
    }
  });

  it.each(FILES)("%s with flipped bits gives weights or an error, and no tensor stays", async (file) => {
    const random = new Random(5);
    const before = tf.memory().numTensors;
    for (let i = 0; i < 10; i++) {
      const bytes = foreignFile(file);
      for (let flips = 0; flips < 1 + (i % 4); flips++)
        bytes[random.integer(i % 2 === 0 ? Math.min(4096, bytes.length) : bytes.length)] ^=
          1 << random.integer(8);
      await attempt(file, bytes);
    }
    expect(tf.memory().numTensors).toBe(before);
  });

  it("that are something else are told so", async () => {
    const message = async (bytes: Uint8Array) => (await attempt("x", bytes))?.message;
    expect(await message(new Uint8Array(0))).toContain("is neither HDF5");
    expect(await message(new TextEncoder().encode("version https://git-lfs"))).toContain("is neither HDF5");
    expect(await message(Uint8Array.of(0x80, 2, 0x8a, 10))).toContain("is a bare pickle");
    expect(await message(writeZip(new Map([["a.txt", new Uint8Array(3)]])))).toContain("without data.pkl");
  });
});

/** A safetensors file with this header, and data. */
function safetensors(header: object | string, data = new Uint8Array(16)): Uint8Array {
  const text = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + text.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  bytes.set(data, 8 + text.length);
  return bytes;
}

describe("a safetensors header that lies", () => {
  const entry = { dtype: "F32", shape: [2, 2], data_offsets: [0, 16] };
  it.each<[string, object | string, RegExp]>([
    ["beyond the file", { a: { ...entry, data_offsets: [0, 20] } }, /tensor a: lies outside/],
    ["of another size", { a: { ...entry, shape: [2, 3] } }, /tensor a: has 16 bytes for 6 elements/],
    ["of huge shape", { a: { ...entry, shape: [1e9, 1e9] } }, /tensor a: .*more than 100000000 elements/],
    ["of negative shape", { a: { ...entry, shape: [-2, -2] } }, /tensor a: .*which is none/],
    ["of ten dimensions", { a: { ...entry, shape: Array(10).fill(1) } }, /tensor a: has 10 dimensions/],
    ["of unknown type", { a: { ...entry, dtype: "F8_E4M3" } }, /tensor a: is of type F8_E4M3/],
    ["with prototype keys", '{"__proto__": {"dtype": "F32"}}', /header is damaged/],
    ["that is a list", "{]", /header is damaged/],
  ])("%s is refused", async (_, header, message) => {
    expect((await attempt("x", safetensors(header)))?.message).toMatch(message);
  });

  it("about its own length is refused before anything is read", async () => {
    const bytes = safetensors({});
    new DataView(bytes.buffer).setUint32(0, 0xfffffff0, true);
    expect((await attempt("x", bytes))?.message).toContain("its header is longer than the file");
  });
});

const ascii = (text: string) => [...text].map((letter) => letter.charCodeAt(0));
/** An archive of PyTorch's with this pickle. */
const torchFile = (...pickle: number[]) =>
  writeZip(new Map([["x/data.pkl", Uint8Array.from([0x80, 2, ...pickle, 46])]]));

describe("a hostile pickle", () => {
  it.each<[string, number[], RegExp]>([
    [
      "a function of the system",
      [...ascii("cos\nsystem\n"), 0x58, 1, 0, 0, 0, 97, 0x85, 0x52],
      /names "os\.system"/,
    ],
    [
      "a function by its newer opcode",
      [0x8c, 2, ...ascii("os"), 0x8c, 4, ...ascii("exec"), 0x93],
      /names "os\.exec"/,
    ],
    ["code of builtins", ascii("c__builtin__\neval\n"), /names "__builtin__\.eval"/],
    [
      "an allowed name called with nonsense",
      [...ascii("ctorch._utils\n_rebuild_tensor_v2\n"), 0x29, 0x52],
      /not understood/,
    ],
    ["a string longer than the file", [0x58, 255, 255, 255, 255], /cut off/],
    ["an unknown opcode", [0xfe], /opcode 254/],
    ["a pop from nothing", [0x30], /damaged/],
    ["a memo that is not there", [0x68, 7], /damaged/],
    ["no state dict", [0x7d], /no state dict/],
  ])("with %s is refused", async (_, pickle, message) => {
    expect((await attempt("x.pt", torchFile(...pickle)))?.message).toMatch(message);
  });

  it("that doubles itself does not grow: references stay references", async () => {
    // ( ... ) tuples of tuples, each holding the one before twice: 2^60 leaves in all.
    const doubled = Array.from({ length: 60 }, () => [0x32, 0x86]).flat();
    expect((await attempt("x.pt", torchFile(0x4e, ...doubled)))?.message).toContain("no state dict");
  });
});

describe("numbers", () => {
  it("reads every half as the writer of packages rounds it", () => {
    for (let bits = 0; bits < 0x10000; bits += 7) {
      const value = halfValue(bits);
      if (!Number.isNaN(value)) expect(halfBits(value)).toBe(bits);
    }
  });

  it("reads bfloat16 as the upper half of a 32-bit number", () => {
    expect([...decodeFloats(Uint8Array.of(0x80, 0x3f, 0x20, 0xc0), "bfloat16")]).toEqual([1, -2.5]);
  });

  it("counts elements, and refuses what no model has", () => {
    expect(elements([])).toBe(1);
    expect(elements([3, 0, 5])).toBe(0);
    expect(() => elements([10_000, 10_001])).toThrow(/more than 100000000/);
    expect(() => elements([1.5])).toThrow(/which is none/);
  });
});

describe(".npy files", () => {
  it("come back as they were written, data on a multiple of 64 bytes", () => {
    const values = Float32Array.from({ length: 30 }, (_, i) => i / 7);
    for (const shape of [[30], [5, 6], [1, 2, 15, 1]]) {
      const bytes = writeNpy(values, shape);
      expect((bytes.length - 120) % 64).toBe(0);
      expect(readNpy("a.npy", bytes)).toEqual({ shape, type: "<f4", values });
    }
  });

  it.each<[string, (bytes: Uint8Array) => Uint8Array, RegExp]>([
    ["cut off", (b) => b.slice(0, -1), /has 119 bytes for 30 values/],
    ["without its header", (b) => b.slice(0, 20), /cut off/],
    ["of another kind", (b) => b.slice(3), /is no \.npy file/],
    ["of objects", (b) => spoil(b, "'<f4'", "'|O8'"), /no array of plain numbers/],
    ["of complex numbers", (b) => spoil(b, "'<f4'", "'<c8'"), /bytes for 30 values of type <c8/],
    ["in Fortran order", (b) => spoil(b, "False", "True "), /Fortran order/],
    ["of a huge shape", (b) => spoil(b, "(30,)", "(9e9)"), /no array|which is none/],
  ])("%s are refused", (_, change, message) => {
    const bytes = change(writeNpy(new Float32Array(30), [30]));
    expect(() => readNpy("a.npy", bytes)).toThrow(message);
  });
});

function spoil(bytes: Uint8Array, from: string, to: string): Uint8Array {
  const text = new TextDecoder("latin1").decode(bytes).replace(from, to);
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}
