// Which function is which operation: what a description in ops.ts has no function for does not compile.
import type { OpName } from "../ops.ts";
import type { Call } from "../recorder.ts";
import { admit, fork, readmit } from "./admit.ts";
import { attend, attendChunk } from "./attention.ts";
import { type Given, given } from "./given.ts";
import { keep } from "./keep.ts";
import * as rows from "./rows.ts";
import { sample } from "./sample.ts";
import * as scorers from "./score.ts";
import { bound } from "./select.ts";
import * as backward from "./training/backward.ts";
import * as losses from "./training/losses.ts";
import * as products from "./training/products.ts";
import * as soft from "./training/soft.ts";
import * as watch from "./watch.ts";

const OPERATIONS: { readonly [K in OpName]: (given: Given<K>) => void } = {
  ...rows,
  ...watch,
  ...scorers,
  ...products,
  ...backward,
  ...soft,
  ...losses,
  ...{ attendChunk, attend, admit, readmit, fork, bound, sample, keep },
};

export function perform(call: Call): void {
  (OPERATIONS[call.op] as (numbers: unknown) => void)(given(call));
}
