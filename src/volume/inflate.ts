import { VolumeError } from "./types.js";

/**
 * Bytes of a gzip or zlib ("deflate") stream, stopped as soon as they are more than `limit`: a few kilobytes can
 * claim to be many gigabytes.
 * @throws VolumeError naming `where` when the stream is damaged, cut off, or longer than the limit.
 */
export async function inflate(
  bytes: Uint8Array,
  format: "gzip" | "deflate",
  limit: number,
  where: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new DecompressionStream(format);
  const writer = stream.writable.getWriter();
  // A failure shows up on the reading side as well; here it must only not be unhandled.
  const written = writer.write(bytes as Uint8Array<ArrayBuffer>).then(() => writer.close());
  written.catch(() => {});
  const reader = stream.readable.getReader();
  let out = new Uint8Array(Math.min(limit, Math.max(64, bytes.length * 4)));
  let length = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      if (length + value.length > limit) {
        reader.cancel().catch(() => {});
        throw new VolumeError(where, `inflates to more than the ${limit} bytes that it can honestly have`);
      }
      if (length + value.length > out.length) {
        const larger = new Uint8Array(Math.min(limit, Math.max(out.length * 2, length + value.length)));
        larger.set(out.subarray(0, length));
        out = larger;
      }
      out.set(value, length);
      length += value.length;
    }
  } catch (cause) {
    if (cause instanceof VolumeError) throw cause;
    throw new VolumeError(where, `is not intact ${format} data: damaged or cut off`, { cause });
  }
  return out.subarray(0, length);
}

/** Whether the bytes begin as a gzip file does (RFC 1952: magic 1f 8b, method 8). */
export function isGzip(bytes: Uint8Array): boolean {
  return bytes.length >= 18 && bytes[0] === 0x1f && bytes[1] === 0x8b && bytes[2] === 8;
}
