// What the tokenizer library reads over without a word: such a tokenizer would give other ids than its makers' program.
import { brief } from "./brief.ts";

interface PreTokenizer {
  type?: unknown;
  behavior?: unknown;
  invert?: unknown;
  pattern?: { String?: unknown };
  pretokenizers?: unknown;
}

/** Throws for the first setting of a tokenizer.json that the library does not follow. */
export function refuseUnread(json: { pre_tokenizer?: unknown; added_tokens?: unknown }): void {
  for (const step of steps(json.pre_tokenizer)) {
    const why = unread(step);
    if (why) throw new Error(`its pre-tokenizer ${brief(step.type)} has ${why}`);
  }
  const added = Array.isArray(json.added_tokens) ? json.added_tokens : [];
  const single = added.find((token) => token?.single_word === true);
  if (single) throw new Error(`its added token ${brief(single.content)} has single_word true; expected false`);
}

const MOST_STEPS = 256;

/** All pre-tokenizers, sequences within sequences laid out. */
function steps(root: unknown): PreTokenizer[] {
  const found: PreTokenizer[] = [];
  const open = [root];
  while (open.length) {
    const step = open.pop() as PreTokenizer | null | undefined;
    if (typeof step !== "object" || step === null) continue;
    if (found.push(step) > MOST_STEPS) throw new Error(`it has more than ${MOST_STEPS} pre-tokenizers`);
    if (Array.isArray(step.pretokenizers)) open.push(...step.pretokenizers.slice(0, MOST_STEPS + 1));
  }
  return found;
}

function unread({ type, behavior = "Isolated", invert, pattern }: PreTokenizer): string | null {
  if (type === "FixedLength")
    return "lengths that would be counted in UTF-16 units; expected Split, ByteLevel, Digits, Metaspace and the like";
  if (type === "Punctuation" && behavior !== "Isolated" && behavior !== "Contiguous")
    return `behavior ${brief(behavior)}; expected Isolated or Contiguous`;
  if (type !== "Split") return null;
  if (behavior === "Removed" && pattern?.String !== undefined)
    return "behavior Removed for a plain text; expected a regular expression there, or Isolated";
  if (behavior !== "Isolated" && behavior !== "Removed")
    return `behavior ${brief(behavior)}; expected Isolated or Removed`;
  return invert === true && behavior === "Isolated" ? "invert true; expected false, or behavior Removed" : null;
}
