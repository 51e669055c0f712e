// How long a chain thinks: its end is forced at a budget, or replaced by a nudge where it comes too early (budget
// forcing, arXiv 2501.19393).
import { badArgument, unsupported } from "../base/errors.ts";
import type { ChainSpec, Steered, Token } from "../engine/chain.ts";
import type { Session } from "./session.ts";
import type { Thinking } from "./thinking.ts";

/** Tokens count from where the thinking begins; nudges are among them. */
export interface DepthOptions {
  /** Most tokens of thinking: then its end is forced. Default: no limit. */
  thinkMost?: number;
  /** Text before the forced end, such as a sentence that says that time is up. Default: a newline. */
  thinkLast?: string;
  /** Fewest tokens of thinking: an end that comes before is replaced by the nudge. Default: none. */
  thinkLeast?: number;
  /** Most ends that are replaced. Default: none, with `thinkLeast` as many as it takes. */
  nudges?: number;
  /** Text in place of an end. Default: `thinking_nudge` of generation_config.json, else a line that begins "Wait,". */
  nudge?: string;
  /** Tags of the thinking, default <think> and </think>; null where the model has none. */
  thinking?: Thinking | null;
}

const THINK: Thinking = { open: "<think>", close: "</think>" };

const DEFAULT_NUDGE = "\nWait,";
const DEFAULT_LAST = "\n";

/** Makes what steers one chain; null where nothing is asked for. */
export type Depth = (() => NonNullable<ChainSpec["steer"]>) | null;

/** Tags of the thinking: as asked, else the usual ones. */
export const tagsOf = ({ thinking }: Pick<DepthOptions, "thinking">): Thinking | null =>
  thinking === undefined ? THINK : thinking;

/**
 * `opened`: whether the prompt opens the thinking, asked only where there is a budget. Throws `bad-argument` for
 * budgets that make no sense, `unsupported` where the tags are not tokens of the model: what was drawn of them could
 * not be taken back.
 */
export async function depthOf(
  session: Session,
  options: DepthOptions & { stopIds?: ReadonlySet<number> },
  opened: (thinking: Thinking) => boolean,
): Promise<Depth> {
  const { thinkMost: most, thinkLeast: least = 0, nudges } = options;
  for (const [name, value, from] of [
    ["thinkMost", most ?? 1, 1],
    ["thinkLeast", least, 0],
    ["nudges", nudges ?? 0, 0],
  ] as const)
    if (!(Number.isInteger(value) && value >= from))
      throw badArgument(`${name}: expected a whole number from ${from}, got ${value}`);
  if (most !== undefined && least > most)
    throw badArgument(`thinkLeast: expected at most thinkMost, ${most} tokens, got ${least}`);
  const mostNudges = nudges ?? (least > 0 ? Number.POSITIVE_INFINITY : 0);
  if (most === undefined && mostNudges === 0) return null;
  const thinking = tagsOf(options);
  if (thinking === null) throw badArgument("expected tags of the thinking to budget it, got none");
  const begun = opened(thinking);
  const { tokenizer } = session;
  const [open, close] = [tokenizer.idOf(thinking.open), tokenizer.idOf(thinking.close)];
  if (close === null || (open === null && !begun))
    throw unsupported(
      `a budget of thinking expects tags that are tokens of the model, got ${thinking.open} and ${thinking.close}; name others, or leave the budget out`,
    );
  const [nudge, end] = await tokenizer.encodeAll([
    { text: options.nudge ?? session.suggested.nudge ?? DEFAULT_NUDGE, special: false },
    { text: (options.thinkLast ?? DEFAULT_LAST) + thinking.close, special: false },
  ]);
  if (nudge.length === 0) throw badArgument("nudge: expected a text, got an empty one");
  const budget = { most: most ?? Number.POSITIVE_INFINITY, least, nudges: mostNudges };
  return () => {
    const state = new Depths(budget, { open, close, stops: options.stopIds ?? new Set() }, { nudge, end }, begun);
    return (token) => state.steer(token);
  };
}

interface Budget {
  most: number;
  least: number; // nudges stop once the thinking is that long; 0: any end may be replaced
  nudges: number;
}

interface Ids {
  open: number | null;
  close: number;
  stops: ReadonlySet<number>;
}

interface Texts {
  nudge: readonly number[];
  end: readonly number[];
}

/** How far one chain has thought. */
class Depths {
  readonly #budget: Budget;
  readonly #ids: Ids;
  readonly #texts: Texts;
  #thinks: boolean;
  #tokens = 0;
  #nudged = 0;

  constructor(budget: Budget, ids: Ids, texts: Texts, opened: boolean) {
    this.#budget = budget;
    this.#ids = ids;
    this.#texts = texts;
    this.#thinks = opened;
  }

  steer({ id }: Token): Steered | null {
    const { open, close, stops } = this.#ids;
    if (!this.#thinks) {
      this.#thinks = id === open;
      return null;
    }
    const { most, least, nudges } = this.#budget;
    const { nudge, end } = this.#texts;
    // A reply that ends within its thinking has ended that too.
    if (id === close || stops.has(id)) {
      const early = least === 0 || this.#tokens < least;
      if (early && this.#nudged < nudges && this.#tokens + nudge.length < most) {
        this.#nudged++;
        this.#tokens += nudge.length;
        return { keep: false, forced: nudge };
      }
      this.#thinks = false;
      return null;
    }
    this.#tokens++;
    if (this.#tokens < most) return null;
    this.#thinks = false;
    return { keep: true, forced: end };
  }
}
