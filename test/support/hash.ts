/** FNV-1a over the bits of a row of logits: equal hashes mean equal bits. */
export function hashBits(values: Float32Array): string {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  let hash = 0x811c9dc5;
  for (const word of words) hash = Math.imul(hash ^ word, 0x01000193) ^ (word >>> 15);
  return (hash >>> 0).toString(16);
}
