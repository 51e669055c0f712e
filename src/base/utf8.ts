const NEWLINE = 10;

/**
 * Text of bytes, a byte order mark included; where they are not UTF-8, the number of
 * the first line (from 1) that is not.
 */
export function decodeUtf8(bytes: Uint8Array): string | number {
  const text = decode(bytes);
  if (text !== null) return text;
  // No character beyond ASCII holds a newline's byte.
  for (let line = 1, from = 0; ; line++) {
    const end = bytes.indexOf(NEWLINE, from);
    if (end < 0 || decode(bytes.subarray(from, end)) === null) return line;
    from = end + 1;
  }
}

function decode(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}
