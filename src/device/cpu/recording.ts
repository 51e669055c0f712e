// What a recorded pass is made of: words, for the kernels to read, and the calls, whose lists are checked before they
// run.
import type { Work } from "../device.ts";
import type { Field } from "../fields.ts";
import { OPS, type OpName } from "../ops.ts";
import { type Call, checkLists, FIELDS } from "../recorder.ts";
import { wordsOf } from "./layout.ts";

const pair = new Int32Array(2);
const [single, double] = [new Float32Array(pair.buffer), new Float64Array(pair.buffer)];

/** Whole numbers beyond what 32 bits hold act like the greatest. */
const MOST = 2 ** 32 - 1;

type Encoder = (words: Int32Array, at: number, value: unknown) => void;
const ENCODERS: Record<Field["kind"], (field: Field) => Encoder> = {
  floats: () => id,
  ints: () => id,
  table: () => id,
  result: () => id,
  matrix: () => id,
  lanes: () => id,
  layer: () => whole,
  whole: () => whole,
  flag: () => (words, at, value) => {
    words[at] = value ? 1 : 0;
  },
  choice: (field) => {
    const { of } = field as Extract<Field, { kind: "choice" }>;
    return (words, at, value) => {
      words[at] = of.indexOf(value as string);
    };
  },
  real: () => (words, at, value) => {
    single[0] = value as number;
    words[at] = pair[0];
  },
  double: () => (words, at, value) => {
    double[0] = value as number;
    words.set(pair, at);
  },
  list: () => (words, at, value) => {
    const { list, first, count } = value as Work;
    words[at] = list.id;
    words[at + 1] = first;
    words[at + 2] = count;
  },
};

function id(words: Int32Array, at: number, value: unknown): void {
  words[at] = value === null ? -1 : (value as { id: number }).id;
}
function whole(words: Int32Array, at: number, value: unknown): void {
  words[at] = Math.min(value as number, MOST);
}

interface Argument {
  readonly name: string;
  readonly encode: Encoder;
  readonly at: number; // from the operation's code on
}
interface Layout {
  readonly code: number;
  readonly words: number;
  readonly args: readonly Argument[];
}

const LAYOUTS = Object.fromEntries(
  (Object.keys(OPS) as OpName[]).map((op, code) => {
    let words = 1;
    const args = FIELDS[op].map(([name, field]): Argument => {
      const argument = { name, encode: ENCODERS[field.kind](field), at: words };
      words += wordsOf(field);
      return argument;
    });
    return [op, { code, words, args }];
  }),
) as unknown as Record<OpName, Layout>;

/** The operations recorded so far; used again, so that a step allocates little. */
export class Recording {
  words = new Int32Array(4096);
  length = 0;
  readonly #calls: Call[] = [];

  push(call: Call): void {
    const { code, words, args } = LAYOUTS[call.op];
    if (this.length + words > this.words.length) {
      const wider = new Int32Array(2 * this.words.length);
      wider.set(this.words);
      this.words = wider;
    }
    this.words[this.length] = code;
    for (const { name, encode, at } of args) encode(this.words, this.length + at, call.args[name]);
    this.length += words;
    this.#calls.push(call);
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
