/**
 * Text from outside as a terminal may show it: what is invisible (but a blank), or moves the cursor, by its code point.
 */
export const visible = (text: string): string =>
  text.replace(/[\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}/gu, (char) => `\\u{${char.codePointAt(0)!.toString(16)}}`);
