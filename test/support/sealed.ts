// A page format that seals full pages, to show where quantised ones go: keys in 8 bits with one scale per page, values
// as they are.
import { PAGE_SLOTS } from "../../src/device/device.ts";
import type { StoredFormat } from "../../src/device/reference/store.ts";

const MOST = 127;

export const SEALED: StoredFormat = {
  name: "sealed",
  bytes: (headDim) => PAGE_SLOTS * (headDim + 4 * headDim + 4) + 4,
  rewritable: false,
  round: (x) => x,
  seal(keys) {
    const scale = Math.fround(keys.reduce((most, x) => Math.max(most, Math.abs(x)), 0) / MOST);
    if (scale > 0) for (let i = 0; i < keys.length; i++) keys[i] = Math.round(keys[i] / scale) * scale;
  },
};
