import type { LoadOptions } from "../../request/session.ts";

/** One thing that was compared. UNRUN is not a pass: it says that nothing was compared, and why. */
export interface Check {
  name: string;
  status: "PASS" | "FAIL" | "UNRUN";
  detail: string;
}

export type VerifyOptions = Pick<LoadOptions, "device" | "threads" | "weights" | "kv"> & {
  /**
   * The model of `text` folders: its folder, or how to find it by the name that
   * golden.json gives (null: it is not here).
   */
  model?: string | ((name: string) => string | null);
  onCheck?: (check: Check) => void;
};

/** Absolute tolerances of float32 (the golden README). */
export const LOGIT_TOLERANCE = 2e-4;
export const DECISION_TOLERANCE = 1e-3;
/** Prefill chunk sizes besides one shot. */
export const CHUNKS = [1, 7, 64];

export function within(name: string, off: number, tolerance: number): Check {
  return {
    name,
    status: off <= tolerance ? "PASS" : "FAIL",
    detail: `largest absolute error ${off.toExponential(1)}, tolerance ${tolerance.toExponential(0)}`,
  };
}
