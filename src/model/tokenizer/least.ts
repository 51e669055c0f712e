import type { AddedToken } from "./control.ts";
import { preTokenizers } from "./vocabulary.ts";

interface Step {
  type?: unknown;
  pretokenizers?: Step[];
  behavior?: unknown;
}

/**
 * Fewest tokens that a text may have: its bytes, as many to a token as the longest has. Only where that is certain:
 * byte-level BPE that drops nothing of a text. Elsewhere 0.
 */
export function leastTokens(
  json: object,
  added: readonly AddedToken[],
  tokens: readonly (string | undefined)[],
): (text: string) => number {
  const { model, normalizer, pre_tokenizer } = json as {
    model: { vocab?: unknown };
    normalizer?: Step | null;
    pre_tokenizer?: Step | null;
  };
  const steps = preTokenizers(pre_tokenizer);
  const certain =
    !Array.isArray(model.vocab) &&
    (!normalizer || normalizer.type === "NFC") &&
    steps.some((step) => step?.type === "ByteLevel") &&
    steps.every(
      (step) => ["ByteLevel", "Digits", "Split"].includes(step?.type as string) && step?.behavior !== "Removed",
    ) &&
    !(added as (AddedToken & { lstrip?: boolean; rstrip?: boolean })[]).some(({ lstrip, rstrip }) => lstrip || rstrip);
  const known = new Set(tokens);
  if (!certain || !BYTES.every((byte) => known.has(byte))) return () => 0;
  // A character of the model's tokens is a byte of the text; added tokens are spelled as they are.
  const lengths = [...tokens.map((token) => token?.length ?? 0), ...added.map(({ content }) => utf8Length(content))];
  const longest = lengths.reduce((most, length) => Math.max(most, length), 1);
  return (text: string) => Math.ceil(utf8Length(normalizer ? text.normalize("NFC") : text) / longest);
}

/**
 * The characters that stand for bytes in byte-level vocabularies: printable Latin-1
 * for itself, the rest from U+0100 on.
 */
const BYTES = (() => {
  const own = Array.from({ length: 256 }, (_, byte) => byte).filter((byte) =>
    /[!-~¡-¬®-ÿ]/.test(String.fromCharCode(byte)),
  );
  const others = Array.from({ length: 256 - own.length }, (_, i) => 256 + i);
  return [...own, ...others].map((code) => String.fromCharCode(code));
})();

const encoder = new TextEncoder();
const utf8Length = (text: string): number => encoder.encode(text).length;
