import { registry } from "zarrita";
import { inflate } from "./inflate.js";
import { VolumeError } from "./types.js";

/**
 * Zarrita's decompressors, bounded: a chunk says how large it becomes, and a hostile or damaged one says gigabytes, or
 * makes the WebAssembly decoder read outside of its memory (after which numcodecs' blosc fails for every later chunk).
 * So each one here first checks what the header claims against what the array's metadata allows.
 */
interface BytesCodec {
  kind: "bytes_to_bytes";
  encode(bytes: Uint8Array): Promise<Uint8Array>;
  decode(bytes: Uint8Array): Promise<Uint8Array>;
}
type CodecEntry = NonNullable<Awaited<ReturnType<NonNullable<ReturnType<typeof registry.get>>>>>;
type Check = (bytes: Uint8Array, limit: number) => void;

const bytesPerElement: Readonly<Record<string, number>> = {
  bool: 1,
  int8: 1,
  uint8: 1,
  int16: 2,
  uint16: 2,
  float16: 2,
  int32: 4,
  uint32: 4,
  float32: 4,
  int64: 8,
  uint64: 8,
  float64: 8,
};

/** A second codec inside (blosc in gzip, a checksum) makes the bytes a little longer than the voxels. */
const SLACK = 4096;

let registered = false;

/** Puts the bounded decompressors in zarrita's registry, once. */
export function registerBoundedCodecs(): void {
  if (registered) return;
  registered = true;
  for (const prefix of ["", "numcodecs."]) {
    for (const [name, check] of [
      ["blosc", checkBlosc],
      ["zstd", checkZstd],
      ["lz4", checkLz4],
    ] as const) {
      const original = registry.get(prefix + name);
      if (original) registry.set(prefix + name, async () => bounded(await original(), check));
    }
    for (const [name, format] of [
      ["gzip", "gzip"],
      ["zlib", "deflate"],
    ] as const) {
      const original = registry.get(prefix + name);
      if (original) registry.set(prefix + name, async () => boundedInflate(await original(), name, format));
    }
  }
}

/** Most bytes that a decompressor may give for a chunk. */
function limitOf(meta: { dataType: unknown; shape: readonly number[] }): number {
  const size = bytesPerElement[String(meta.dataType)] ?? 8;
  return meta.shape.reduce((product, n) => product * n, size) + SLACK;
}

function bounded(original: CodecEntry, check: Check): CodecEntry {
  return {
    kind: "bytes_to_bytes",
    fromConfig(config, meta) {
      const inner = original.fromConfig(config, meta) as unknown as BytesCodec;
      const limit = limitOf(meta);
      const codec: BytesCodec = {
        kind: "bytes_to_bytes",
        encode: async (bytes) => inner.encode(bytes),
        decode: async (bytes) => {
          check(bytes, limit);
          const out = await inner.decode(bytes);
          if (out.length > limit)
            throw new RangeError(`inflates to ${out.length} bytes, more than the chunk has`);
          return out;
        },
      };
      return codec as unknown as ReturnType<CodecEntry["fromConfig"]>;
    },
  };
}

function boundedInflate(original: CodecEntry, name: string, format: "gzip" | "deflate"): CodecEntry {
  return {
    kind: "bytes_to_bytes",
    fromConfig(config, meta) {
      const inner = original.fromConfig(config, meta) as unknown as BytesCodec;
      const limit = limitOf(meta);
      const codec: BytesCodec = {
        kind: "bytes_to_bytes",
        encode: async (bytes) => inner.encode(bytes),
        decode: (bytes) => inflate(bytes, format, limit, name),
      };
      return codec as unknown as ReturnType<CodecEntry["fromConfig"]>;
    },
  };
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * The container of Blosc 1 (c-blosc README_CHUNK_FORMAT.rst): 16 bytes of header (version, lz version, flags, type
 * size, then nbytes, blocksize, cbytes as uint32), the start of each block as uint32, and each block as streams of a
 * length and that many bytes. Flag 2: stored as it is; flag 16: one stream a block, else one for each byte of a type.
 * @throws RangeError when a start or a length leaves the chunk.
 */
export function checkBlosc(bytes: Uint8Array, limit: number): void {
  if (bytes.length < 16) throw new RangeError("is shorter than a blosc header: cut off");
  const data = view(bytes);
  const [flags, typeSize] = [bytes[2], bytes[3]];
  const [size, blockSize, compressed] = [4, 8, 12].map((offset) => data.getUint32(offset, true));
  if (bytes[0] > 2) throw new RangeError(`has blosc format ${bytes[0]}, which is not known`);
  if (compressed !== bytes.length)
    throw new RangeError(`has ${bytes.length} bytes, ${compressed} were written: cut off`);
  if (size > limit) throw new RangeError(`inflates to ${size} bytes, more than the chunk has`);
  if (size === 0) return;
  if (flags & 2) {
    if (compressed !== size + 16) throw new RangeError("is not an intact blosc chunk");
    return;
  }
  if (blockSize === 0 || typeSize === 0) throw new RangeError("is not an intact blosc chunk");
  const blocks = Math.ceil(size / blockSize);
  const first = 16 + 4 * blocks;
  for (let block = 0; block < blocks; block++) {
    // The last block, when it is not a whole one, is never split.
    const leftOver = block === blocks - 1 && size % blockSize !== 0;
    const streams = flags & 16 || leftOver ? 1 : typeSize;
    let at = first <= bytes.length ? data.getUint32(16 + 4 * block, true) : 0;
    for (let stream = 0; stream < streams; stream++) {
      if (at < first || at + 4 > bytes.length) throw new RangeError("is not an intact blosc chunk");
      const length = data.getInt32(at, true);
      at += 4 + length;
      if (length < 0 || at > bytes.length) throw new RangeError("is not an intact blosc chunk");
    }
  }
}

/** The size in front of LZ4 data, as numcodecs writes it (int32). */
function checkLz4(bytes: Uint8Array, limit: number): void {
  if (bytes.length < 4) throw new RangeError("is cut off");
  const size = view(bytes).getInt32(0, true);
  if (size < 0 || size > limit) throw new RangeError(`inflates to ${size} bytes, more than the chunk has`);
}

/**
 * Zstandard frames (RFC 8878, section 3.1): the content size where the header has one, else what the blocks can give
 * at most (a compressed block 128 KiB), with room for an encoder that does not fill its blocks.
 */
function checkZstd(bytes: Uint8Array, limit: number): void {
  const data = view(bytes);
  const need = (end: number) => {
    if (end > bytes.length) throw new RangeError("is cut off");
  };
  let at = 0;
  let total = 0;
  while (at < bytes.length) {
    need(at + 8);
    const magic = data.getUint32(at, true);
    if (magic >>> 4 === 0x184d2a5) {
      at += 8 + data.getUint32(at + 4, true);
      continue;
    }
    if (magic !== 0xfd2fb528) throw new RangeError("is not zstd data");
    const descriptor = bytes[at + 4];
    const singleSegment = (descriptor >> 5) & 1;
    const sizeBytes = [singleSegment, 2, 4, 8][descriptor >> 6];
    at += 5 + (singleSegment ? 0 : 1) + [0, 1, 2, 4][descriptor & 3];
    need(at + sizeBytes);
    let stated: number | undefined;
    if (sizeBytes === 1) stated = bytes[at];
    else if (sizeBytes === 2) stated = data.getUint16(at, true) + 256;
    else if (sizeBytes === 4) stated = data.getUint32(at, true);
    else if (sizeBytes === 8) stated = Number(data.getBigUint64(at, true));
    at += sizeBytes;
    let atMost = 0;
    for (let last = false; !last; ) {
      need(at + 3);
      const header = bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16);
      last = (header & 1) === 1;
      const type = (header >> 1) & 3;
      atMost += type === 2 ? 2 ** 17 : header >> 3;
      at += 3 + (type === 1 ? 1 : header >> 3);
      need(at);
    }
    if (descriptor & 4) at += 4;
    need(at);
    total += stated ?? atMost / 4 - 2 ** 18;
    if (total > limit) throw new RangeError(`inflates to ${total} bytes, more than the chunk has`);
  }
}

/** What went wrong inside of zarrita, without its wrapping. */
export function codecProblem(error: unknown): string {
  let inner = error;
  while (inner instanceof Error && inner.cause instanceof Error) inner = inner.cause;
  if (inner instanceof VolumeError || inner instanceof RangeError) return inner.message;
  return inner instanceof Error ? inner.message.slice(0, 200) : String(inner).slice(0, 200);
}
