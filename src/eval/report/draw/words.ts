// How wide words are, so that they can be placed without a browser.

import { visible } from "../../../base/visible.ts";

/** Fonts of the same widths as Helvetica; fonts/Arimo.ttf is what bitmaps are drawn with. */
export const FONTS = "Arial, Arimo, Helvetica, Liberation Sans, sans-serif";

/** Widths of the characters from blank to ~ in thousandths of the font's size, as in Adobe's metrics of Helvetica. */
const WIDTHS =
  "278 278 355 556 556 889 667 191 333 333 389 584 278 333 278 278 556 556 556 556 556 556 556 556 556 556 278 278 584 584 584 556 1015 667 667 722 722 667 611 778 722 278 500 667 556 833 722 778 667 778 722 667 611 722 667 944 667 667 611 278 278 278 469 556 333 556 556 500 556 556 278 556 556 222 222 500 222 833 556 556 556 556 333 500 278 556 500 722 500 500 500 334 260 334 584"
    .split(" ")
    .map(Number);

/** In the unit of `size`. Characters beyond ASCII are taken for wide ones. */
export function widthOf(words: string, size: number): number {
  let sum = 0;
  for (const char of visible(words)) sum += WIDTHS[char.codePointAt(0)! - 32] ?? 1000;
  return (sum / 1000) * size;
}

/** The words, cut in their middle where they are wider: names differ at their ends. */
export function fitted(words: string, size: number, most: number): string {
  const chars = [...visible(words)];
  if (widthOf(words, size) <= most) return chars.join("");
  let keep = chars.length - 1;
  const cut = () => `${chars.slice(0, Math.ceil(keep / 2)).join("")}…${chars.slice(-Math.max(1, keep >> 1)).join("")}`;
  while (keep > 2 && widthOf(cut(), size) > most) keep--;
  return cut();
}
