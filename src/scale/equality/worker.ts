// The thread of the symbolic library: asked one pair at a time, and ended from outside where one takes long.

import { parentPort } from "node:worker_threads";
import type { EqualOptions } from "./judge.ts";
import { Symbolic } from "./symbolic.ts";
import { compareBy, undecided, type Verdict } from "./verdict.ts";

export interface Question {
  a: string;
  b: string;
  options: EqualOptions;
}
export type Reply = { ready: true } | { verdict: Verdict };

// The library tells the console what it makes of odd answers: nobody is there to read it, and it would pile up.
for (const name of ["log", "info", "warn", "error"] as const) console[name] = () => {};

const judge = new Symbolic();
const port = parentPort!;
port.on("message", ({ a, b, options }: Question) => {
  const verdict = compareBy(judge, a, b, options) ?? undecided("neither proven nor refuted");
  port.postMessage({ verdict } satisfies Reply);
});
port.postMessage({ ready: true } satisfies Reply);
