import { badArgument, noMemory } from "../../base/errors.ts";
import { badLogits } from "../../model/bad-logits.ts";
import { brief } from "../../model/brief.ts";
import type { Tokenizer } from "../../model/tokenizer.ts";
import type { Session } from "../../request/session.ts";
import { Stop } from "../../request/stop.ts";
import { type Baseline, newBaseline, record } from "./distance.ts";
import { readPrompt } from "./shared-prompt.ts";
import { feedSteps } from "./steps.ts";

/** What a model with its full cache says of one text. */
export interface Said {
  baseline: Baseline;
  nll: number; // mean, of the tokens that came
}

/** Reads `prefix` tokens of a text, feeds the others one by one, and keeps the distributions after each of these. */
export async function fullCacheOf(
  session: Session,
  ids: readonly number[],
  prefix: number,
  caller?: AbortSignal,
): Promise<Said> {
  const stop = new Stop(caller);
  const { signal } = stop;
  const work = () => session.engine.alone(() => said(session, ids, prefix, signal), signal);
  return session.during(stop, work).finally(() => stop.release());
}

async function said(session: Session, ids: readonly number[], prefix: number, signal: AbortSignal): Promise<Said> {
  const { runner } = session;
  const { sets } = runner;
  const baseline = newBaseline(ids.length - prefix, runner.model.config.vocabulary);
  const set = sets.take(session.policy("full"), prefix, ids.length);
  if (set < 0) throw noMemory("the reference: no set of lanes is free: raise --chains");
  let nll = 0;
  try {
    await readPrompt(runner, set, ids, prefix, async () => signal.throwIfAborted());
    await feedSteps(runner, {
      set,
      ids,
      from: prefix,
      signal,
      onRow: (at, logits) => {
        const { lse } = record(baseline, at - prefix, logits);
        if (!Number.isFinite(lse)) throw badLogits(`the reference, token ${at + 1} of the text`);
        if (at + 1 < ids.length) nll += lse - logits[ids[at + 1]];
      },
    });
  } finally {
    sets.close(set);
  }
  return { baseline, nll: nll / (ids.length - prefix - 1) };
}

/** Throws `bad-argument` where a reference's ids cannot be a session's. */
export function checkReference(session: Session, reference: Session): void {
  const [own, other] = [session, reference].map(({ config }) => config.vocabulary);
  if (own !== other)
    throw badArgument(
      `the reference has a vocabulary of ${other} tokens, this model one of ${own}: expected a model with the same tokenizer`,
    );
}

/** Throws `bad-argument` where two tokenizers differ in a token, or in how they read `text`. */
export async function checkTokens(own: Tokenizer, other: Tokenizer, text: string, signal?: AbortSignal): Promise<void> {
  const wrong = (what: string) => badArgument(`the reference ${what}: expected a model with the same tokenizer`);
  for (let id = 0; id < Math.max(own.size, other.size); id++) {
    const [mine, theirs] = [own, other].map((tokenizer) => tokenizer.decode([id], { special: true }));
    if (mine !== theirs) throw wrong(`has ${brief(theirs)} for token ${id}, this model ${brief(mine)}`);
  }
  const [mine, theirs] = await Promise.all(
    [own, other].map((tokenizer) => tokenizer.encode(text, { special: false, signal })),
  );
  if (mine.join() !== theirs.join()) throw wrong(`reads the text as ${theirs.length} other tokens than this model`);
}
