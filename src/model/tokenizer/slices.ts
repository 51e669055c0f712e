import type { AddedToken } from "./control.ts";
import { preTokenizers } from "./vocabulary.ts";

/** Characters of a slice, at least: the library takes some 200 bytes of memory for each while it works on them. */
export const SLICE = 1 << 18;
/**
 * Between a letter and one blank or newline before another letter, where every pattern below
 * cuts and no composition reaches over.
 */
const CUT = /(?<=\p{L})[ \n](?=\p{L})/gu;
/** Split patterns of Qwen 2 and 3 and of Llama 3; GPT-2's is the byte-level step's own. */
const PATTERNS = ["\\p{N}", "\\p{N}{1,3}"].map(
  (digits) =>
    `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`,
);

interface Step {
  type?: unknown;
  pretokenizers?: Step[];
  add_prefix_space?: unknown;
  use_regex?: unknown;
  behavior?: unknown;
  invert?: unknown;
  pattern?: { Regex?: unknown };
}

/**
 * Cuts a long text where its tokenizer cuts it in any case, so that the slices' ids in a row
 * are the text's; else leaves it whole.
 */
export function slicer(
  json: object,
  added: readonly (AddedToken & { rstrip?: boolean })[],
): (text: string) => string[] {
  const { normalizer, pre_tokenizer } = json as { normalizer?: Step | null; pre_tokenizer?: Step | null };
  const steps = preTokenizers(pre_tokenizer);
  const cutsThere = ({ type, use_regex, behavior, invert, pattern }: Step) =>
    (type === "ByteLevel" && use_regex !== false) ||
    (type === "Split" && behavior === "Isolated" && !invert && PATTERNS.includes(pattern?.Regex as string));
  const certain =
    (!normalizer || normalizer.type === "NFC") &&
    steps.every((step) => ["ByteLevel", "Digits", "Split"].includes(step?.type as string) && !step?.add_prefix_space) &&
    // What comes before it sees more than its own piece of the text.
    steps
      .slice(
        0,
        steps.findIndex((step) => cutsThere(step!)),
      )
      .every((step) => step?.type === "Digits") &&
    steps.some((step) => cutsThere(step!)) &&
    !added.some(({ content, rstrip }) => rstrip || content.search(CUT) >= 0);
  if (!certain) return (text) => [text];
  return (text) => {
    const slices: string[] = [];
    let from = 0;
    while (text.length - from > 2 * SLICE) {
      CUT.lastIndex = from + SLICE;
      const cut = CUT.exec(text);
      if (!cut) break;
      slices.push(text.slice(from, cut.index));
      from = cut.index;
    }
    return [...slices, text.slice(from)];
  };
}
