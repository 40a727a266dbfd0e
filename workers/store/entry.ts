/** "CHP1": the layout below. */
const MAGIC = 0x31504843;
const HEADER_BYTES = 12;

/**
 * An entry as it is stored: magic, number of voxels, length of the key (32 bits each, little endian), the key, the
 * voxels as gzip. The gzip trailer holds CRC-32 and length of the voxels, so a torn or altered entry is noticed; the key
 * is there so that an entry cannot pass for another.
 */
export async function encodeEntry(
  key: string,
  voxels: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer>> {
  const name = new TextEncoder().encode(key);
  const packed = new Blob([voxels]).stream().pipeThrough(new CompressionStream("gzip"));
  const body = await new Response(packed).arrayBuffer();
  const entry = new Uint8Array(HEADER_BYTES + name.length + body.byteLength);
  const header = new DataView(entry.buffer);
  for (const [i, word] of [MAGIC, voxels.length, name.length].entries()) header.setUint32(4 * i, word, true);
  entry.set(name, HEADER_BYTES);
  entry.set(new Uint8Array(body), HEADER_BYTES + name.length);
  return entry;
}

/**
 * The voxels of an entry, or undefined when it is damaged, of another key, or not of `length` voxels. Never yields
 * or holds more than `length` voxels, whatever the entry claims.
 */
export async function decodeEntry(
  key: string,
  length: number,
  entry: Uint8Array,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const name = new TextEncoder().encode(key);
  const start = HEADER_BYTES + name.length;
  if (entry.length < start) return undefined;
  const header = new DataView(entry.buffer, entry.byteOffset, HEADER_BYTES);
  if (header.getUint32(0, true) !== MAGIC) return undefined;
  if (header.getUint32(4, true) !== length || header.getUint32(8, true) !== name.length) return undefined;
  if (name.some((byte, i) => entry[HEADER_BYTES + i] !== byte)) return undefined;
  const voxels = new Uint8Array(length);
  let filled = 0;
  const packed = new Blob([entry.slice(start)]).stream().pipeThrough(new DecompressionStream("gzip"));
  const reader = packed.getReader();
  try {
    while (true) {
      const { done, value } = await reader.read();
      if (done) break;
      if (filled + value.length > length) return undefined;
      voxels.set(value, filled);
      filled += value.length;
    }
  } catch {
    return undefined;
  } finally {
    // Only matters when the loop was left early; a stream that failed already rejects this too.
    reader.cancel().catch(() => {});
  }
  return filled === length ? voxels : undefined;
}
