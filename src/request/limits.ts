import { badArgument } from "../base/errors.ts";
import type { Session } from "./session.ts";

/** What ends a reply. */
export interface LimitOptions {
  /** Most new tokens; default: what the context leaves. */
  maxTokens?: number;
  /**
   * Texts that end the output; they are not part of it. They may name special tokens, which the output does not show.
   */
  stop?: readonly string[];
  /** End ids; default: the model's. */
  stopIds?: readonly number[];
}

/** End ids: as asked, else the model's. Throws `bad-argument` for one that the model cannot draw. */
export function stopIdsOf({ config }: Session, asked: readonly number[] | undefined): Set<number> {
  const wrong = asked?.find((id) => !Number.isInteger(id) || id < 0 || id >= config.vocabulary);
  if (wrong !== undefined)
    throw badArgument(`stop id ${wrong}: expected a token id from 0 to ${config.vocabulary - 1}`);
  return new Set(asked ?? config.eosIds);
}

/** Most new tokens for a prompt: as asked, else what the context leaves. */
export function tokenLimit(session: Session, promptTokens: number, asked: number | undefined): number {
  return asked ?? Math.max(1, session.runner.options.contextLength - promptTokens);
}
