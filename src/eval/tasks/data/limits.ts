// How much of an untrusted file is taken in.

export const MOST_BYTES = 256 << 20; // packed, and unpacked
export const MOST_ROWS = 1_000_000;
export const MOST_CHARACTERS = 4 << 20; // of one field: a book fits
