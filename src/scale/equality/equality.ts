// Whether two answers are equal in mathematics, whatever their spelling.

import { badArgument } from "../../base/errors.ts";
import { answerKey } from "../key.ts";
import { otherNames } from "./compare.ts";
import type { EqualOptions } from "./judge.ts";
import { byKeys } from "./keys.ts";
import { plain } from "./plain.ts";
import { EqualityThread } from "./thread.ts";
import { compareBy, refusal, undecided, type Verdict } from "./verdict.ts";

export type { EqualOptions } from "./judge.ts";
export type { Verdict } from "./verdict.ts";

const LIMIT = 2000;

/**
 * Compares answers. Keys and forms decide first, in this thread: numbers, choices, lists and intervals of numbers. What
 * they leave open goes to a symbolic library in a worker thread, which is started when it is first needed and ended
 * when a pair takes too long. Use it with `await using`, or dispose of it.
 */
export class Equality implements AsyncDisposable {
  readonly #thread = new EqualityThread();
  readonly #limit: number;
  #closed = false;

  /** `limit`: ms of the library's time for one pair, default 2000. */
  constructor({ limit = LIMIT }: { limit?: number } = {}) {
    if (!(limit >= 1 && limit <= 600_000)) throw badArgument(`limit must be from 1 to 600000 ms, got ${limit}`);
    this.#limit = limit;
  }

  /** Whether two answers are equal. Symmetric. What cannot be decided within the limit is not equal. */
  async equal(a: string, b: string, options: EqualOptions = {}): Promise<Verdict> {
    const { decimals } = options;
    if (decimals !== undefined && !(Number.isInteger(decimals) && decimals >= 0 && decimals <= 15))
      throw badArgument(`decimals must be a whole number from 0 to 15, got ${decimals}`);
    if (this.#closed) throw badArgument("this equality was disposed of");
    return quickly(a, b, options) ?? this.#thread.ask({ a, b, options }, this.#limit);
  }

  /** How often the symbolic library was started. */
  get starts(): number {
    return this.#thread.starts;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await this.#thread.end();
  }
}

/** What needs no symbolic library; null where it does. */
export function quickly(a: string, b: string, options: EqualOptions): Verdict | null {
  const why = refusal(a) ?? refusal(b);
  if (why) return undecided(why);
  const key = answerKey(a);
  if (key !== "" && key === answerKey(b) && !otherNames(plain(a), plain(b)))
    return { equal: true, by: "key", why: `one key, ${key.slice(0, 100)}` };
  return compareBy(byKeys, a, b, options);
}
