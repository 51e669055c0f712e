// LiveCodeBench's private tests: JSON, or base64 of zlib of a pickle of one string that is JSON. The pickle is read,
// never run: of its 60 operations, those that write one string.

import { inflateSync } from "node:zlib";

/** Longest encoded text and longest content, in bytes. */
export const MOST_ENCODED = 2 ** 28;
const MOST_CONTENT = 2 ** 29 - 24; // V8's longest string

/** The JSON text of private tests. Throws an `Error` that says why there is none. */
export function decodePrivateTests(encoded: string, most = MOST_CONTENT): string {
  if (encoded.length > MOST_ENCODED) throw new Error(`more than ${MOST_ENCODED} characters`);
  if (/^\s*\[/.test(encoded)) return encoded;
  const packed = encoded.replace(/\s+/g, "").replace(/={1,2}$/, "");
  if (packed === "" || /[^A-Za-z0-9+/]/.test(packed)) throw new Error("neither JSON nor base64");
  return unpickledString(inflateSync(Buffer.from(packed, "base64"), { maxOutputLength: most }));
}

/** Operations by their bytes: see pickletools of Python. */
const PROTO = 0x80;
const FRAME = 0x95;
const STOP = 0x2e;
/** Strings in UTF-8, by the bytes of their length: SHORT_BINUNICODE, BINUNICODE, BINUNICODE8. */
const STRINGS = new Map([
  [0x8c, 1],
  [0x58, 4],
  [0x8d, 8],
]);
/** Remember the string, by the bytes of a number that nothing refers to: MEMOIZE, BINPUT, LONG_BINPUT. */
const MEMOS = new Map([
  [0x94, 0],
  [0x71, 1],
  [0x72, 4],
]);

/** The string that a pickle (protocol 1 to 5) of a single string holds. Throws an `Error` for any other content. */
export function unpickledString(pickle: Uint8Array): string {
  const view = new DataView(pickle.buffer, pickle.byteOffset, pickle.byteLength);
  let at = 0;
  let content: string | null = null;
  const take = (bytes: number): number => {
    if (at + bytes > pickle.length) throw new Error("the pickle is cut off");
    at += bytes;
    return at - bytes;
  };
  const number = (bytes: number): number => {
    const from = take(bytes);
    if (bytes === 8) return Number(view.getBigUint64(from, true));
    return bytes === 4 ? view.getUint32(from, true) : view.getUint8(from);
  };
  for (;;) {
    const operation = number(1);
    const length = STRINGS.get(operation);
    const memo = MEMOS.get(operation);
    if (operation === STOP && content !== null && at === pickle.length) return content;
    if (operation === PROTO && at === 1) {
      const protocol = number(1);
      if (protocol < 2 || protocol > 5) throw new Error(`a pickle of protocol ${protocol}`);
    } else if (operation === FRAME) {
      const frame = number(8);
      if (frame > pickle.length - at) throw new Error("the pickle is cut off");
    } else if (length !== undefined && content === null) {
      const bytes = number(length);
      const from = take(bytes);
      content = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(pickle.subarray(from, from + bytes));
    } else if (memo !== undefined && content !== null) take(memo);
    else throw new Error(`a pickle of more than a string: operation 0x${operation.toString(16)} at ${at - 1}`);
  }
}
