// Stop strings in a stream of text: an Aho-Corasick automaton, so a piece costs its own length, whatever came before.

import { badArgument } from "../base/errors.ts";

/** A prefix of some stop string, reached by reading it. */
interface Prefix {
  next: Map<number, Prefix>; // by UTF-16 unit
  /** The longest proper suffix that is also a prefix of a stop string; null for the empty prefix. */
  fallback: Prefix | null;
  length: number; // units
  stop: string | null; // the longest stop string that ends here
}

/**
 * Text that is safe to show, out of text that may hold a stop string.
 *
 * The match that ends first wins; of those that end at the same character, the longest. So the outcome does not depend
 * on how the text is cut into pieces, and nothing is held back that could still turn into an earlier match.
 */
export class StopMatcher {
  /** The stop string that was met, once one was. */
  stop: string | null = null;
  readonly #root: Prefix;
  #at: Prefix;
  #held = ""; // the text of `#at`, which may yet become a stop string

  /** Throws `bad-argument` for an empty or ill-formed (half a surrogate pair) stop string. */
  constructor(stops: readonly string[]) {
    for (const stop of stops)
      if (stop === "" || !stop.isWellFormed())
        throw badArgument(
          `a stop string must be non-empty, well-formed text, got ${JSON.stringify(stop)}; leave it out`,
        );
    this.#root = automaton(stops);
    this.#at = this.#root;
  }

  /**
   * The next piece: what is now safe to show, and whether a stop string ended it. After that every piece is dropped.
   */
  push(piece: string): { text: string; stopped: boolean } {
    if (this.stop !== null) return { text: "", stopped: true };
    const text = this.#held + piece;
    let at = this.#at;
    for (let i = this.#held.length; i < text.length; i++) {
      at = step(at, text.charCodeAt(i));
      if (at.stop === null) continue;
      this.stop = at.stop;
      this.#held = "";
      return { text: text.slice(0, i + 1 - at.stop.length), stopped: true };
    }
    this.#at = at;
    this.#held = text.slice(text.length - at.length);
    return { text: text.slice(0, text.length - at.length), stopped: false };
  }

  /** What was held back, once no more text comes; empty after a stop. */
  end(): string {
    const text = this.#held;
    this.#held = "";
    this.#at = this.#root;
    return text;
  }
}

function automaton(stops: readonly string[]): Prefix {
  const root: Prefix = { next: new Map(), fallback: null, length: 0, stop: null };
  for (const stop of stops) {
    let at = root;
    for (let i = 0; i < stop.length; i++) {
      const unit = stop.charCodeAt(i);
      let next = at.next.get(unit);
      if (!next) {
        next = { next: new Map(), fallback: root, length: at.length + 1, stop: null };
        at.next.set(unit, next);
      }
      at = next;
    }
    at.stop = stop;
  }
  // Breadth first: a prefix's fallback is shorter than it is, hence ready.
  const queue = [...root.next.values()];
  for (const prefix of queue) {
    prefix.stop ??= prefix.fallback!.stop;
    for (const [unit, next] of prefix.next) {
      next.fallback = step(prefix.fallback!, unit);
      queue.push(next);
    }
  }
  return root;
}

/** The longest suffix of what was read that is still a prefix of a stop string. */
function step(at: Prefix, unit: number): Prefix {
  for (;;) {
    const next = at.next.get(unit);
    if (next) return next;
    if (!at.fallback) return at;
    at = at.fallback;
  }
}
