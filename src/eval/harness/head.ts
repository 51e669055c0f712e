// What an evaluation says of how chains are drawn, and on what: a run that goes on must have the same.

import { badArgument } from "../../base/errors.ts";
import type { Device } from "../../device/device.ts";
import { instructionSet } from "../../device/isa.ts";
import { checkSampling } from "../../engine/sampling.ts";
import { depthOf } from "../../request/depth.ts";
import { stopIdsOf } from "../../request/limits.ts";
import type { LoadOptions, Session } from "../../request/session.ts";
import type { Style } from "../tasks/task.ts";
import { type ChainOptions, samplingOf, thinkingOf } from "./chains.ts";
import type { RecordHead } from "./record.ts";

/** Options of chains as a record has them. */
export function recordedSampling(
  options: ChainOptions,
  { style, context }: { style: Style; context?: number },
): RecordHead["sampling"] {
  const { temperature, topK, topP, minP, repetitionPenalty, thinkMost, thinkLast, thinkLeast, nudges, nudge } = options;
  const { stop, stopIds, template, thinking } = options;
  const plain = { temperature, topK, topP, minP, repetitionPenalty, thinkMost, thinkLast, thinkLeast, nudges, nudge };
  const lists = { stop: stop?.length ? stop : undefined, stopIds: stopIds?.length ? stopIds : undefined, template };
  return {
    ...Object.fromEntries(Object.entries(plain).map(([name, value]) => [name, value ?? null])),
    ...Object.fromEntries(Object.entries(lists).map(([name, value]) => [name, value ? JSON.stringify(value) : null])),
    thinking: thinking === null ? "none" : thinking ? `${thinking.open},${thinking.close}` : null,
    style,
    context: context ?? null,
  };
}

/** What equal bits depend on. */
export const recordedMachine = (
  device: Device,
  { weights, kv, chunk }: Pick<LoadOptions, "weights" | "kv" | "chunk">,
): RecordHead["machine"] => ({
  device: device.name,
  isa: device.name === "cpu" ? instructionSet() : "none",
  dtype: `weights ${weights ?? "as stored"}, keys ${kv ?? "bf16"}, chunks of ${chunk ?? 256}`,
});

/** Throws `bad-argument` or `unsupported` where chains could not be drawn so, before any is asked for. */
export async function checkChains(session: Session, options: ChainOptions, style: Style): Promise<void> {
  checkSampling(samplingOf(session, { options }));
  stopIdsOf(session, options.stopIds);
  const { stopIds: _, ...depth } = options;
  const { thinkMost, thinkLeast, nudges } = depth;
  const thinking = thinkingOf(style, options);
  if (style === "text" && (thinkMost ?? thinkLeast ?? nudges) !== undefined)
    throw badArgument("a budget of thinking: expected the style chat, got text, which has no thinking");
  await depthOf(session, { ...depth, thinking }, () => true);
}
