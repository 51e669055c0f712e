// Which instruction set the native device runs: the best that this machine has, as far as the environment does not say
// otherwise.
import { badArgument, unsupported } from "../base/errors.ts";
import { native } from "./native.ts";

/** Instruction sets and their names for people. Arm's NEON is what `baseline` means there. */
export const ISA_NAMES = { avx512: "AVX-512", avx2: "AVX2", baseline: "baseline instructions" } as const;
export type Isa = keyof typeof ISA_NAMES;

const isIsa = (name: string): name is Isa => Object.hasOwn(ISA_NAMES, name);

/**
 * The sets that this machine and build have, the best first. `HYPERTHINK_HIDE_ISA` = avx512 or avx2 (or both, with a
 * comma) hides them: all is then as on a CPU without them, so AVX-512 goes with the AVX2 that it needs. Throws
 * `bad-argument` for another name.
 */
export function instructionSets(hide = process.env.HYPERTHINK_HIDE_ISA ?? ""): Isa[] {
  const hidden = hide
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
  const wrong = hidden.find((name) => !isIsa(name) || name === "baseline");
  if (wrong !== undefined) {
    throw badArgument(`HYPERTHINK_HIDE_ISA: expected avx512, avx2 or both, got ${wrong}`);
  }
  const gone = (name: string) => hidden.includes(name) || (name === "avx512" && hidden.includes("avx2"));
  return native()
    .sets()
    .filter((name): name is Isa => isIsa(name) && !gone(name));
}

/**
 * The set to run: `HYPERTHINK_ISA` = baseline | avx2 | avx512 forces one, else the best. Throws `unsupported` where
 * this machine or build lacks it (or it is hidden), `bad-argument` for another name.
 */
export function instructionSet(forced = process.env.HYPERTHINK_ISA ?? "", sets = instructionSets()): Isa {
  if (forced === "") return sets[0];
  if (!isIsa(forced)) {
    throw badArgument(`HYPERTHINK_ISA: expected baseline, avx2 or avx512, got ${forced}`);
  }
  if (sets.includes(forced)) return forced;
  throw unsupported(
    `expected an instruction set that this machine and build have (${sets.join(", ")}), got ${forced}; ` +
      "unset HYPERTHINK_ISA for the best",
  );
}

/** Whether AVX-512 runs with a unit for products of bf16 factors here: elsewhere rounding them gains nothing. */
export const hasBf16Unit = (isa = instructionSet()): boolean => isa === "avx512" && native().bf16Unit();
