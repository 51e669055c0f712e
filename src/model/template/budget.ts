/** What a template says is wrong: with the conversation (raise_exception) or with itself. */
export class TemplateError extends Error {}

/** A render that was stopped because it ran too long or grew too large. */
export class TemplateLimit extends Error {}

/** Milliseconds a render may take. */
const MOST_TIME = 2000;
/** Characters of one text, the prompt included. */
const MOST_TEXT = 16 << 20;
/** Characters that a render may make in all, those it drops included: bounds its memory. */
const MOST_MADE = 256 << 20;
/** An entry of a list counts as so many. */
const ENTRY = 8;
/** Elements that range() may count to, as in jinja2's sandbox. */
export const MOST_RANGE = 100_000;
/** Macros and loops that call themselves. */
const MOST_DEPTH = 200;
const LOOKS = 4096;

/** Bounds of one render. A template comes with a checkpoint and is as little trusted as any file. */
export class Budget {
  readonly #until = performance.now() + MOST_TIME;
  #made = 0;
  #spent = 0;
  #depth = 0;

  /** Counts steps; looks at the clock now and then. */
  step(steps = 1): void {
    this.#spent += steps;
    if (this.#spent < LOOKS) return;
    this.#spent = 0;
    if (performance.now() > this.#until)
      throw new TemplateLimit(`it ran longer than ${MOST_TIME / 1000} s; expected a template that ends`);
  }

  /** Counts entries of lists before they are made. */
  entries(count: number): void {
    this.#make(ENTRY * count);
  }

  /** Counts characters that are read, not made. */
  read(length: number): void {
    this.step(1 + length / 64);
  }

  /** Counts the characters of a text before it is made; of those, `fresh` are new. */
  text(length: number, fresh = length): void {
    if (length > MOST_TEXT) throw new TemplateLimit(`it made a text of more than ${MOST_TEXT} characters`);
    this.#make(fresh);
  }

  #make(characters: number): void {
    this.#made += characters;
    if (this.#made > MOST_MADE) throw new TemplateLimit(`it made more than ${MOST_MADE} characters in all`);
    this.read(characters);
  }

  /** Runs a call that may call itself. */
  deeper<T>(call: () => T): T {
    if (++this.#depth > MOST_DEPTH) throw new TemplateLimit(`its calls nest more than ${MOST_DEPTH} deep`);
    try {
      return call();
    } finally {
      this.#depth--;
    }
  }
}
