import { type HyperthinkError, unsupported } from "../base/errors.ts";
import { brief } from "./brief.ts";

/** From places in a text to the places where a part of a pattern may have ended. */
type Step = (text: string, at: ReadonlySet<number>) => ReadonlySet<number>;

const MOST_LENGTH = 512;
const MOST_LOOPS = 2; // one within another: a match takes at most text^loops * pattern steps
const MOST_DEPTH = 16; // of groups

/**
 * How PEFT picks modules: `re.match(rf"(.*\.)?({pattern})$", name)`. Patterns come from untrusted files, and those of
 * JavaScript's own can take forever: these are followed from all places at once, so that none is tried twice. Throws
 * `unsupported` for what is not known here, such as {2,3}, lookarounds and references.
 */
export function modulePattern(pattern: string): (name: string) => boolean {
  if (pattern.length > MOST_LENGTH) throw unknown(pattern, MOST_LENGTH);
  const step: Step = /^[\w.]+$/.test(pattern) ? literal(pattern) : new Parser(pattern).whole();
  return (name) => {
    const starts = [0, ...[...name.matchAll(/\./g)].map(({ index }) => index + 1)];
    return step(name, new Set(starts)).has(name.length);
  };
}

/** A name, in which a dot stands for any character. */
function literal(word: string): Step {
  const begins = (text: string, at: number): boolean => {
    for (let i = 0; i < word.length; i++) if (word[i] !== "." && word[i] !== text[at + i]) return false;
    return at + word.length <= text.length;
  };
  return (text, at) => new Set([...at].filter((i) => begins(text, i)).map((i) => i + word.length));
}

/** One character, as a native pattern of one character says. */
function character(source: string): Step {
  const pattern = new RegExp(`^${source}$`);
  return (text, at) => new Set([...at].filter((i) => i < text.length && pattern.test(text[i])).map((i) => i + 1));
}

const begin: Step = (_, at) => new Set(at.has(0) ? [0] : []);
const end: Step = (text, at) => new Set(at.has(text.length) ? [text.length] : []);
const either =
  (steps: readonly Step[]): Step =>
  (text, at) =>
    steps.map((step) => step(text, at)).reduce((a, b) => a.union(b));
const sequence =
  (steps: readonly Step[]): Step =>
  (text, at) =>
    steps.reduce((places, step) => (places.size ? step(text, places) : places), at);
const maybe =
  (step: Step): Step =>
  (text, at) =>
    at.union(step(text, at));
const repeated =
  (step: Step): Step =>
  (text, at) => {
    let all = at;
    for (let fresh = at; fresh.size > 0; ) {
      fresh = step(text, fresh).difference(all);
      all = all.union(fresh);
    }
    return all;
  };

const ATOM = /\\[dDwW]|\\[^\w\s]|\[\^?(?:\\[dDwW]|\\[^\w\s]|[^\\\][])+\]|[^\\[\](){}*+?|^$]/y;

class Parser {
  readonly #pattern: string;
  #at = 0;
  #depth = 0;

  constructor(pattern: string) {
    this.#pattern = pattern;
  }

  whole(): Step {
    const { step } = this.#alternatives();
    if (this.#at < this.#pattern.length) throw this.#unknown();
    return step;
  }

  #alternatives(): { step: Step; loops: number } {
    const steps: Step[] = [];
    let loops = 0;
    do {
      const parts: Step[] = [];
      while (this.#at < this.#pattern.length && !/[|)]/.test(this.#pattern[this.#at])) {
        const part = this.#repeated();
        parts.push(part.step);
        loops = Math.max(loops, part.loops);
      }
      steps.push(sequence(parts));
    } while (this.#skip("|"));
    return { step: either(steps), loops };
  }

  #repeated(): { step: Step; loops: number } {
    const { step, loops } = this.#atom();
    const sign = ["*", "+", "?"].find((character) => this.#skip(character));
    if (sign === undefined) return { step, loops };
    this.#skip("?"); // lazy: the same texts match
    if (sign === "?") return { step: maybe(step), loops };
    if (loops + 1 > MOST_LOOPS) throw this.#unknown();
    return { step: sign === "*" ? repeated(step) : sequence([step, repeated(step)]), loops: loops + 1 };
  }

  #atom(): { step: Step; loops: number } {
    if (this.#skip("^")) return { step: begin, loops: 0 };
    if (this.#skip("$")) return { step: end, loops: 0 };
    if (this.#skip("(")) {
      if (++this.#depth > MOST_DEPTH) throw this.#unknown();
      if (this.#skip("?") && !this.#skip(":")) throw this.#unknown();
      const group = this.#alternatives();
      if (!this.#skip(")")) throw this.#unknown();
      this.#depth--;
      return group;
    }
    ATOM.lastIndex = this.#at;
    const [source] = ATOM.exec(this.#pattern) ?? [];
    if (source === undefined) throw this.#unknown();
    this.#at += source.length;
    try {
      return { step: character(source), loops: 0 };
    } catch {
      throw this.#unknown(); // such as [z-a]
    }
  }

  #skip(character: string): boolean {
    if (this.#pattern[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  #unknown(): HyperthinkError {
    return unknown(this.#pattern, this.#at);
  }
}

const unknown = (pattern: string, at: number): HyperthinkError =>
  unsupported(
    `pattern ${brief(pattern)}, character ${at + 1}: expected module names, or a regular expression of at most ${MOST_LENGTH} characters out of groups, |, ., classes, \\d, \\w, *, + and ?`,
  );
