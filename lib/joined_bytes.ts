/**
 * Putting the parts of a text together that came in pieces.
 *
 * @module
 */

/** The parts one after the other, which have `size` bytes in all; a single part is returned as it is. */
export function joinedBytes(parts: readonly Uint8Array[], size: number): Uint8Array {
  if (parts.length === 1) return parts[0]!;
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
