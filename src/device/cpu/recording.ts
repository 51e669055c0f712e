// What a recorded pass is made of: words, for the kernels to read, and the calls, whose lists are checked before they
// run.
import type { Work } from "../device.ts";
import type { Field } from "../fields.ts";
import { OPS } from "../ops.ts";
import { type Call, checkLists, FIELDS } from "../recorder.ts";

const pair = new Int32Array(2);
const [single, double] = [new Float32Array(pair.buffer), new Float64Array(pair.buffer)];

/** Whole numbers beyond what 32 bits hold act like the greatest. */
const MOST = 2 ** 32 - 1;

const CODES = new Map<string, number>(Object.keys(OPS).map((op, code) => [op, code]));

function wordOf(field: Field, value: unknown): number {
  switch (field.kind) {
    case "layer":
    case "whole":
    case "flag":
      return Math.min(Number(value), MOST);
    case "choice":
      return field.of.indexOf(value as string);
    case "real":
      single[0] = value as number;
      return pair[0];
    default:
      return value === null ? -1 : (value as { id: number }).id;
  }
}

/** The operations recorded so far; used again, so that a step allocates little. */
export class Recording {
  words = new Int32Array(4096);
  length = 0;
  readonly #calls: Call[] = [];

  push(call: Call): void {
    this.#calls.push(call);
    this.#put(CODES.get(call.op)!);
    for (const [name, field] of FIELDS[call.op]) this.#encode(field, call.args[name]);
  }

  /** Doubles take two words, lists three: an id, the first item and their number. */
  #encode(field: Field, value: unknown): void {
    if (field.kind === "list") {
      const { list, first, count } = value as Work;
      for (const word of [list.id, first, count]) this.#put(word);
    } else if (field.kind === "double") {
      double[0] = value as number;
      for (const word of pair) this.#put(word);
    } else this.#put(wordOf(field, value));
  }

  #put(word: number): void {
    if (this.length === this.words.length) {
      const wider = new Int32Array(2 * this.words.length);
      wider.set(this.words);
      this.words = wider;
    }
    this.words[this.length++] = word;
  }

  /** Throws where a list names what is not there; the host may write lists until the pass runs. */
  check(): void {
    for (const call of this.#calls) checkLists(call);
  }

  clear(): void {
    this.length = 0;
    this.#calls.length = 0;
  }
}
