import { greedy, type Sampling } from "../engine/sampling.ts";
import type { SamplingUsed } from "../request/sampling.ts";
import type { Session } from "../request/session.ts";
import { note } from "./open.ts";

type Source = SamplingUsed["from"][keyof Sampling];
const SOURCES: Record<Source, string> = {
  given: "flags",
  generation_config: "generation_config.json",
  default: "default",
};

const FILTERS = [
  ["topK", "top-k"],
  ["topP", "top-p"],
  ["minP", "min-p"],
] as const;

/** What the usage line says of sampling: "temperature 0.6, top-p 0.95 (generation_config.json), seed 3 (flags)". */
export function samplingText(used: SamplingUsed): string {
  const isGreedy = used.temperature === 0;
  const parts: { text: string; from: Source }[] = [];
  const say = (name: keyof Sampling, text: string) => parts.push({ text, from: used.from[name] });
  say("temperature", isGreedy ? "greedy" : `temperature ${used.temperature}`);
  for (const [name, words] of FILTERS)
    if (!isGreedy && used[name] !== greedy[name]) say(name, `${words} ${used[name]}`);
  if (used.repetitionPenalty !== greedy.repetitionPenalty)
    say("repetitionPenalty", `repetition penalty ${used.repetitionPenalty}`);
  if (!isGreedy) say("seed", `seed ${used.seed}`);
  // A source is named once for neighbours that share it.
  return parts
    .map(({ text, from }, i) => (parts[i + 1]?.from === from ? text : `${text} (${SOURCES[from]})`))
    .join(", ");
}

/** Says what of the checkpoint's suggestions, and of the flags, has no effect. */
export function noteSampling({ suggested }: Session, used: SamplingUsed): void {
  for (const text of suggested.notes) note(text);
  const idle = [...FILTERS, ["seed", "seed"] as const].filter(([name]) => used.from[name] === "given");
  if (used.temperature === 0 && idle.length)
    note(
      `decoding is greedy, so ${idle.map(([, words]) => `--${words}`).join(", ")} changes nothing: raise --temperature`,
    );
}
