// What a record's files may hold. They are read as anyone's: sizes are bounded, types are checked.

import { z } from "zod";
import { MOST_NAME, RECORD_VERSION } from "../harness/record.ts";
import { MOST_ROWS } from "../tasks/data/limits.ts";

const name = z.string().min(1).max(MOST_NAME);
const hash = z.string().min(1).max(500);
const text = z.string().max(4000);
const MOST = 1000; // models, tasks, settings

/** run.json. */
export const headSchema = z.object({
  version: z.literal(RECORD_VERSION),
  models: z.array(z.object({ name, path: text, adapters: z.array(text).max(100), fingerprint: hash })).max(MOST),
  tasks: z
    .array(
      z.object({
        spec: name,
        name,
        source: text,
        fingerprint: hash,
        problems: z.array(z.object({ id: name, group: name.optional() })).max(MOST_ROWS),
        kind: z.enum(["vote", "pass", "value"]),
        measure: z.literal("perplexity").optional(),
        code: text.optional(),
      }),
    )
    .min(1)
    .max(MOST),
  settings: z
    .array(
      z.object({
        id: name,
        policy: name,
        model: name,
        length: z.int().min(1),
        width: z.int().min(1).max(1024),
        cr: z.number().min(1).max(1e6),
        thinkMost: z.int().min(1).optional(),
        nudges: z.int().min(0).optional(),
      }),
    )
    .min(1)
    .max(MOST),
  seed: z.number(),
  sampling: z.record(z.string().max(100), z.union([z.number(), z.string().max(100_000)]).nullable()),
  machine: z.object({ device: text, isa: text, dtype: text }),
  seconds: z.number().min(0).optional(),
});

/** What a report needs of a line of chains.jsonl; texts are passed over. */
export const chainSchema = z.object({
  task: name,
  setting: name,
  problem: name,
  chain: z.number(),
  key: z
    .string()
    .max(1 << 20)
    .nullable(),
  score: z.number(),
  end: z.enum(["finished", "truncated", "failed", "stopped"]),
  tokens: z.number(),
  reads: z.number(),
  fullReads: z.number(),
  peakKeys: z.number(),
  peakBytes: z.number(),
  seconds: z.number(),
  loop: z.object({ period: z.number(), length: z.number() }).nullish(),
  merged: z.object({ key: text, spelling: text, other: text, by: name, why: text }).optional(),
  graded: z.object({ gold: text, answer: text, by: name, why: text }).optional(),
  prompt: z.object({
    tokens: z.number(),
    keys: z.number(),
    bytes: z.number(),
    peakKeys: z.number(),
    peakBytes: z.number(),
  }),
});
