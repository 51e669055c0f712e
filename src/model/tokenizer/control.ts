/** A token that the file adds to the vocabulary of its model. */
export interface AddedToken {
  id: number;
  content: string;
  special?: boolean;
}

/**
 * Whether an added token is a control token: one that steers (turns, thinking, tool calls) and must not come
 * out of a user's text. These are the special ones, and those that are spelled as markup (`<think>`,
 * `<tool_call>`: often not marked special). Blanks and single characters are text, however a file marks them;
 * so are words that were added without being special.
 */
export const isControl = ({ content, special }: Omit<AddedToken, "id">): boolean =>
  [...content].length > 1 && content.trim() !== "" && (special === true || /^<\S+>$/.test(content));

interface Node {
  next: Map<number, Node>; // by UTF-16 unit
  ends: boolean;
}

/** Finds spellings of control tokens in text. Time goes with the text's length times the longest token's. */
export class ControlTokens {
  readonly #root: Node = { next: new Map(), ends: false };
  readonly #first = new Set<string>();
  readonly #last = new Set<string>();

  constructor(contents: Iterable<string>) {
    for (const content of contents) {
      const characters = [...content];
      this.#first.add(characters[0]);
      this.#last.add(characters[characters.length - 1]);
      let at = this.#root;
      for (let i = 0; i < content.length; i++) {
        const unit = content.charCodeAt(i);
        let next = at.next.get(unit);
        if (!next) {
          next = { next: new Map(), ends: false };
          at.next.set(unit, next);
        }
        at = next;
      }
      at.ends = true;
    }
  }

  /** Length of the longest control token that is spelled at `from`; 0 where none is. */
  at(text: string, from: number): number {
    let length = 0;
    let node = this.#root.next.get(text.charCodeAt(from));
    for (let i = from + 1; node; i++) {
      if (node.ends) length = i - from;
      node = node.next.get(text.charCodeAt(i));
    }
    return length;
  }

  /** Where control tokens are spelled, overlapping ones too. */
  starts(text: string): number[] {
    const found: number[] = [];
    for (let i = 0; i < text.length; i++) if (this.at(text, i)) found.push(i);
    return found;
  }

  /**
   * Places inside any control token that could take a character of the text as its first
   * (after it) or its last (before it).
   */
  edges(text: string): number[] {
    const found: number[] = [];
    let i = 0;
    for (const character of text) {
      if (this.#last.has(character)) found.push(i);
      i += character.length;
      if (this.#first.has(character)) found.push(i);
    }
    return found;
  }

  /**
   * The text with `marker` before and after each control token, from left to right, save those
   * that start at `literal` (ascending).
   */
  mark(text: string, marker: string, literal: readonly number[]): string {
    const spelled = new Set(literal);
    const parts: string[] = [];
    let done = 0;
    for (let i = 0; i < text.length; i++) {
      const length = spelled.has(i) ? 0 : this.at(text, i);
      if (!length) continue;
      parts.push(text.slice(done, i), marker, text.slice(i, i + length), marker);
      done = i + length;
      i = done - 1;
    }
    parts.push(text.slice(done));
    return parts.join("");
  }
}

/**
 * A character that no text has a use for (Unicode's noncharacters) and that `text` does not hold, nor its escape in
 * JSON; null where it holds all of them.
 */
export function unusedCharacter(text: string): string | null {
  for (let code = 0xfdd0; code <= 0xfdef; code++) {
    const character = String.fromCharCode(code);
    if (text.search(anySpelling(character)) < 0) return character;
  }
  return null;
}

/** Finds such a character, also as a template that writes JSON may have escaped it. */
export const anySpelling = (character: string): RegExp =>
  new RegExp(`${character}|\\\\u${character.charCodeAt(0).toString(16)}`, "i");
