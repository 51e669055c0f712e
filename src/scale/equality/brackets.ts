// What stands outside all brackets of a LaTeX text, and what one pair of them holds.

const OPENS = /\\(?:[{(]|langle(?![a-z])|lfloor(?![a-z])|lceil(?![a-z])|begin ?\{[a-z]+\*?\})|[([{⟨]/y;
const CLOSES = /\\(?:[})]|rangle(?![a-z])|rfloor(?![a-z])|rceil(?![a-z])|end ?\{[a-z]+\*?\})|[)\]}⟩]/y;
const TOKEN = /\\(?:[a-zA-Z]+|[\s\S])|[\s\S]/y;

/** Deepest nesting that is read; a deeper text is no answer. */
const DEEPEST = 50;

const at = (pattern: RegExp, text: string, index: number): string | null => {
  pattern.lastIndex = index;
  return pattern.exec(text)?.[0] ?? null;
};

/**
 * The parts of `text` between the marks that `separator` (sticky) finds outside all brackets, and these marks. Null
 * where brackets do not pair or nest too deep. An interval's brackets may differ: [0, 1) is a pair.
 */
export function apart(text: string, separator: RegExp): { parts: string[]; marks: string[] } | null {
  const parts: string[] = [];
  const marks: string[] = [];
  let depth = 0;
  let start = 0;
  for (let i = 0; i < text.length; ) {
    const mark = depth === 0 ? at(separator, text, i) : null;
    if (mark) {
      parts.push(text.slice(start, i).trim());
      marks.push(mark.trim());
      start = i += mark.length;
      continue;
    }
    const open = at(OPENS, text, i);
    const close = open ? null : at(CLOSES, text, i);
    depth += open ? 1 : close ? -1 : 0;
    if (depth < 0 || depth > DEEPEST) return null;
    i += (open ?? close ?? at(TOKEN, text, i) ?? " ").length;
  }
  return depth === 0 ? { parts: [...parts, text.slice(start).trim()], marks } : null;
}

/** Whether every bracket of `text` pairs, and none nests too deep. */
export const pairs = (text: string): boolean => apart(text, /(?!)/y) !== null;

export interface Enclosed {
  open: string;
  inside: string;
  close: string;
}

/** What the pair of brackets holds that encloses the whole text; null where none does. */
export function enclosed(text: string): Enclosed | null {
  const open = at(OPENS, text, 0);
  if (!open) return null;
  let depth = 1;
  for (let i = open.length; i < text.length; ) {
    const opens = at(OPENS, text, i);
    const closes = opens ? null : at(CLOSES, text, i);
    depth += opens ? 1 : closes ? -1 : 0;
    if (closes && depth === 0)
      return i + closes.length === text.length
        ? { open, inside: text.slice(open.length, i).trim(), close: closes }
        : null;
    i += (opens ?? closes ?? at(TOKEN, text, i) ?? " ").length;
  }
  return null;
}
