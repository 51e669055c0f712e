// What a recorded pass is made of: words, for the kernels to read.
import { HyperthinkError } from "../../base/errors.ts";
import { OPS, type OpName } from "../native.ts";

const CODES = new Map(Object.keys(OPS).map((name, code) => [name, code]));

export function foreign(op: string): HyperthinkError {
  return new HyperthinkError("bad-argument", `${op}: expected a buffer, matrix or lanes of this device, got another's`);
}

/** Words of the operations recorded so far. */
export class Recording {
  words = new Int32Array(1024);
  length = 0;

  push(op: OpName, args: number[]): void {
    // One word too many or too few would turn all that follow into nonsense.
    if (args.length !== OPS[op]) throw new Error(`${op}: expected ${OPS[op]} words, got ${args.length}`);
    const end = this.length + 1 + args.length;
    if (end > this.words.length) {
      const wider = new Int32Array(2 * this.words.length);
      wider.set(this.words);
      this.words = wider;
    }
    this.words[this.length] = CODES.get(op)!;
    this.words.set(args, this.length + 1);
    this.length = end;
  }
}

const real = new Float32Array(1);
const word = new Int32Array(real.buffer);

/** The bits of a float32. */
export function bits(x: number): number {
  real[0] = x;
  return word[0];
}

const pair = new Int32Array(2);
const double = new Float64Array(pair.buffer);

/** The bits of a float64, as kernels read them. */
export function wide(x: number): [number, number] {
  double[0] = x;
  return [pair[0], pair[1]];
}

/** A window beyond what 32 bits hold never ends. */
export function window(w: number): number {
  return Math.min(w, 2 ** 31 - 1);
}
