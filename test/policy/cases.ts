// Every policy beside its dense reference.
import { makePolicy } from "../../src/policy/index.ts";
import { makeKvzip } from "../../src/policy/kvzip.ts";
import { protect } from "../../src/policy/protect.ts";
import type { Case } from "./cases/case.ts";
import { decoding } from "./cases/decoding.ts";
import { labels } from "./cases/labels.ts";
import { once } from "./cases/once.ts";
import { wrapped } from "./cases/wrapped.ts";
import type { Setup } from "./rig.ts";

export type { Case, Place } from "./cases/case.ts";

export const cases: Case[] = [...labels, ...once, ...decoding, ...wrapped];

/** The policy of a case. KVzip's chunks are longer than any prompt here: a case may have it repeat less at a time. */
export const settle =
  ({ policy: name, options, replay: chunk }: Case): Setup["policy"] =>
  (model) => {
    if (chunk === undefined) return makePolicy(name, model, options);
    const policy = makeKvzip(model, options, chunk);
    return typeof options.protect === "number" ? protect(policy, options.protect) : policy;
  };
