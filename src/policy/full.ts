import { HyperthinkError } from "../base/errors.ts";
import type { Policy, Recipe } from "./policy.ts";

/** Keeps every key: live(t) = { i <= t }. */
export const full: Recipe = {
  name: "full",
  summary: "keeps every key",
  paper: null,
  make(_model, options): Policy {
    if (options.cr !== undefined && options.cr !== 1)
      throw new HyperthinkError(
        "bad-argument",
        `policy full keeps everything: expected --cr 1 or none, got ${options.cr}`,
      );
    return {
      name: "full",
      key: "full",
      watches: "nothing",
      prefill: "dense",
      labels: null,
      cut: null,
    };
  },
};
