/** A .zip file that cannot be read: says why and, where it is one entry, which. */
export class ZipError extends Error {
  override name = "ZipError";
}

export interface ZipLimits {
  /** Entries at most (1000). */
  readonly entries?: number;
  /** Bytes of all entries together once inflated (512 MiB). */
  readonly bytes?: number;
}

const LOCAL = 0x04034b50;
const CENTRAL = 0x02014b50;
const END = 0x06054b50;
const LOCAL_BYTES = 30;
const CENTRAL_BYTES = 46;
const END_BYTES = 22;
/** A comment may follow the end record. */
const MOST_COMMENT = 0xffff;
const STORED = 0;
const DEFLATED = 8;
const ENCRYPTED = 1;
const UTF8_NAMES = 1 << 11;
/** What 32 bits say of a length that stands in a Zip64 record instead. */
const ZIP64 = 0xffffffff;
/** 1980-01-01, the format's first day: the same files make the same bytes. */
const DATE = (1 << 5) | 1;
const VERSION = 20;

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc;
});

/** CRC-32 as zip and PNG use it (ISO 3309, reflected polynomial 0xEDB88320). */
export function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = CRC_TABLE[(crc ^ byte) & 255] ^ (crc >>> 8);
  return ~crc >>> 0;
}

/**
 * A .zip archive of the files, uncompressed: weights do not compress. Layout after PKWARE's APPNOTE.TXT 6.3, sections
 * 4.3.7 (local header), 4.3.12 (central directory) and 4.3.16 (end record).
 * @throws RangeError when the files are more than the plain format holds (4 GiB).
 */
export function writeZip(files: ReadonlyMap<string, Uint8Array>): Uint8Array<ArrayBuffer> {
  const utf8 = new TextEncoder();
  const entries = [...files].map(([name, bytes]) => ({ name: utf8.encode(name), bytes }));
  const length = entries.reduce(
    (sum, { name, bytes }) => sum + LOCAL_BYTES + CENTRAL_BYTES + 2 * name.length + bytes.length,
    END_BYTES,
  );
  if (length >= ZIP64 || entries.length > 0xffff) throw new RangeError("too much for one .zip file: 4 GiB");
  const out = new Uint8Array(length);
  const view = new DataView(out.buffer);
  const central: { offset: number; name: Uint8Array; size: number; crc: number }[] = [];
  let at = 0;
  /** The 26 bytes that local and central headers share, from "version needed" on. */
  const common = (from: number, name: Uint8Array, size: number, crc: number) => {
    view.setUint16(from, VERSION, true);
    view.setUint16(from + 2, UTF8_NAMES, true);
    view.setUint16(from + 4, STORED, true);
    view.setUint16(from + 8, DATE, true);
    view.setUint32(from + 10, crc, true);
    view.setUint32(from + 14, size, true);
    view.setUint32(from + 18, size, true);
    view.setUint16(from + 22, name.length, true);
  };
  for (const { name, bytes } of entries) {
    const crc = crc32(bytes);
    central.push({ offset: at, name, size: bytes.length, crc });
    view.setUint32(at, LOCAL, true);
    common(at + 4, name, bytes.length, crc);
    out.set(name, at + LOCAL_BYTES);
    out.set(bytes, at + LOCAL_BYTES + name.length);
    at += LOCAL_BYTES + name.length + bytes.length;
  }
  const directory = at;
  for (const { offset, name, size, crc } of central) {
    view.setUint32(at, CENTRAL, true);
    view.setUint16(at + 4, VERSION, true);
    common(at + 6, name, size, crc);
    view.setUint32(at + 42, offset, true);
    out.set(name, at + CENTRAL_BYTES);
    at += CENTRAL_BYTES + name.length;
  }
  view.setUint32(at, END, true);
  view.setUint16(at + 8, entries.length, true);
  view.setUint16(at + 10, entries.length, true);
  view.setUint32(at + 12, at - directory, true);
  view.setUint32(at + 16, directory, true);
  return out;
}

interface Entry {
  readonly method: number;
  readonly crc: number;
  readonly stored: number;
  readonly size: number;
  readonly offset: number;
}

function endOfDirectory(view: DataView): number {
  const last = view.byteLength - END_BYTES;
  for (let at = last; at >= Math.max(0, last - MOST_COMMENT); at--)
    if (
      view.getUint32(at, true) === END &&
      at + END_BYTES + view.getUint16(at + 20, true) === view.byteLength
    )
      return at;
  throw new ZipError("is not a .zip file, or is cut off");
}

function readDirectory(bytes: Uint8Array, limits: Required<ZipLimits>): Map<string, Entry> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = endOfDirectory(view);
  const count = view.getUint16(end + 10, true);
  if (count > limits.entries)
    throw new ZipError(`has ${count} entries, more than the ${limits.entries} allowed`);
  const names = new TextDecoder("utf-8", { fatal: true });
  const entries = new Map<string, Entry>();
  let at = view.getUint32(end + 16, true);
  let total = 0;
  for (let i = 0; i < count; i++) {
    if (at + CENTRAL_BYTES > end || view.getUint32(at, true) !== CENTRAL)
      throw new ZipError("has a damaged directory");
    const flags = view.getUint16(at + 8, true);
    const nameLength = view.getUint16(at + 28, true);
    const extra = view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
    if (at + CENTRAL_BYTES + nameLength + extra > end) throw new ZipError("has a damaged directory");
    let name: string;
    try {
      name = names.decode(bytes.subarray(at + CENTRAL_BYTES, at + CENTRAL_BYTES + nameLength));
    } catch (cause) {
      throw new ZipError("has an entry whose name is not UTF-8", { cause });
    }
    const entry: Entry = {
      method: view.getUint16(at + 10, true),
      crc: view.getUint32(at + 16, true),
      stored: view.getUint32(at + 20, true),
      size: view.getUint32(at + 24, true),
      offset: view.getUint32(at + 42, true),
    };
    if (flags & ENCRYPTED) throw new ZipError(`${name}: is encrypted`);
    if ([entry.stored, entry.size, entry.offset].includes(ZIP64))
      throw new ZipError(`${name}: is too large (Zip64)`);
    if (entries.has(name)) throw new ZipError(`${name}: is there twice`);
    total += entry.size;
    if (total > limits.bytes)
      throw new ZipError(`has more than the ${limits.bytes} bytes allowed once unpacked`);
    entries.set(name, entry);
    at += CENTRAL_BYTES + nameLength + extra;
  }
  return entries;
}

/** A zip archive in memory; entries are unpacked one by one, when they are asked for. */
export class ZipArchive {
  private readonly entries: ReadonlyMap<string, Entry>;

  /**
   * Reads the directory alone.
   * @throws ZipError when the bytes are no zip archive, or one beyond the limits, encrypted, or in the Zip64 form.
   */
  constructor(
    private readonly bytes: Uint8Array,
    { entries = 1000, bytes: total = 2 ** 29 }: ZipLimits = {},
  ) {
    if (bytes.byteLength < END_BYTES) throw new ZipError("is not a .zip file, or is cut off");
    this.entries = readDirectory(bytes, { entries, bytes: total });
  }

  /** Names as they stand there, folders ("a/") left out. */
  get names(): string[] {
    return [...this.entries.keys()].filter((name) => !name.endsWith("/"));
  }

  /**
   * One entry, unpacked: never more bytes than its directory says, and checked against its CRC-32.
   * @param maxBytes Refused beyond, before anything is unpacked.
   * @throws ZipError naming the entry.
   */
  async read(name: string, maxBytes = Number.POSITIVE_INFINITY): Promise<Uint8Array<ArrayBuffer>> {
    const entry = this.entries.get(name);
    if (entry === undefined) throw new ZipError(`${name}: is not in the archive`);
    const { bytes } = this;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const { offset, stored, size, method } = entry;
    if (size > maxBytes) throw new ZipError(`${name}: ${size} bytes, more than the ${maxBytes} expected`);
    if (offset + LOCAL_BYTES > bytes.length || view.getUint32(offset, true) !== LOCAL)
      throw new ZipError(`${name}: is not where the directory says`);
    const from = offset + LOCAL_BYTES + view.getUint16(offset + 26, true) + view.getUint16(offset + 28, true);
    if (from + stored > bytes.length) throw new ZipError(`${name}: is cut off`);
    const packed = bytes.subarray(from, from + stored);
    let out: Uint8Array<ArrayBuffer>;
    if (method === STORED) out = packed.slice();
    else if (method === DEFLATED) out = await inflateRaw(packed, size, name);
    else
      throw new ZipError(
        `${name}: packed by method ${method}, which is not supported (stored or deflate are)`,
      );
    if (out.length !== size || crc32(out) !== entry.crc) throw new ZipError(`${name}: is damaged`);
    return out;
  }
}

/** A raw deflate stream, stopped as soon as it gives more than the `size` it should have. */
async function inflateRaw(packed: Uint8Array, size: number, name: string): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new DecompressionStream("deflate-raw");
  const writer = stream.writable.getWriter();
  // A failure shows up on the reading side as well; here it must only not be unhandled.
  writer
    .write(packed as Uint8Array<ArrayBuffer>)
    .then(() => writer.close())
    .catch(() => {});
  const reader = stream.readable.getReader();
  const out = new Uint8Array(size);
  let length = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return out.subarray(0, length);
      if (length + value.length > size) {
        reader.cancel().catch(() => {});
        throw new ZipError(`${name}: unpacks to more than the ${size} bytes that it says`);
      }
      out.set(value, length);
      length += value.length;
    }
  } catch (cause) {
    if (cause instanceof ZipError) throw cause;
    throw new ZipError(`${name}: is damaged`, { cause });
  }
}
