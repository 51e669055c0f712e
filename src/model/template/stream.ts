import type { TemplateError } from "./budget.ts";
import { fail, type Token, type TokenKind } from "./lexer.ts";

/** Expressions, blocks and brackets inside one another. */
const MOST_NESTING = 200;

/** Tokens, read one by one. */
export class Stream {
  readonly #tokens: readonly Token[];
  #at = 0;
  #depth = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  get current(): Token {
    return this.#tokens[this.#at];
  }

  look(): Token {
    return this.#tokens[Math.min(this.#at + 1, this.#tokens.length - 1)];
  }

  next(): Token {
    const token = this.current;
    if (token.kind !== "end") this.#at++;
    return token;
  }

  is(kind: TokenKind, ...texts: string[]): boolean {
    return this.current.kind === kind && (texts.length === 0 || texts.includes(this.current.text));
  }

  skip(kind: TokenKind, text: string): boolean {
    if (!this.is(kind, text)) return false;
    this.next();
    return true;
  }

  expect(kind: TokenKind, text?: string): Token {
    if (this.current.kind === kind && (text === undefined || this.current.text === text)) return this.next();
    throw this.fail(`expected ${text ?? kind}, got ${described(this.current)}`);
  }

  fail(message: string): TemplateError {
    return fail(this.current.line, message);
  }

  /** Bounds how deep a parser calls itself. */
  nested<T>(parse: () => T): T {
    if (++this.#depth > MOST_NESTING) throw this.fail(`it nests more than ${MOST_NESTING} deep`);
    try {
      return parse();
    } finally {
      this.#depth--;
    }
  }
}

export const described = (token: Token): string =>
  token.kind === "end" ? "the end of the template" : `"${token.text}"`;
