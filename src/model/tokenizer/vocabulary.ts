import { brief } from "../brief.ts";
import type { AddedToken } from "./control.ts";

const MODELS: unknown[] = ["BPE", "Unigram", "WordPiece", "WordLevel"];
const MOST_TOKENS = 1 << 24;

export interface Vocabulary {
  /** Tokens of the model by id; holes where an id has none. */
  tokens: (string | undefined)[];
  added: AddedToken[];
}

/**
 * Throws for a file whose tokens have no proper names and ids, or that has none, in
 * words that the library does not have.
 */
export function readVocabulary(json: object): Vocabulary {
  const { model, added_tokens: added = [] } = json as {
    model: { type?: unknown; merges?: unknown; vocab: [string, number][] | Record<string, number> };
    added_tokens?: AddedToken[];
  };
  if (typeof model !== "object" || model === null)
    throw new Error(`its "model" is ${brief(model)}; expected an object`);
  const kind = model.type ?? (model.merges ? "BPE" : undefined); // old files leave it out
  if (!MODELS.includes(kind)) throw new Error(`its model has type ${brief(kind)}; expected ${MODELS.join(", ")}`);
  if (typeof model.vocab !== "object" || model.vocab === null)
    throw new Error(`its vocabulary is ${brief(model.vocab)}; expected an object or a list`);
  if (!Array.isArray(added)) throw new Error(`its added_tokens are ${brief(added)}; expected a list`);
  const tokens: (string | undefined)[] = [];
  const entries: [unknown, number][] = Array.isArray(model.vocab)
    ? model.vocab.map((entry, id) => [entry?.[0], id])
    : Object.entries(model.vocab);
  for (const [token, id] of [...entries, ...added.map((token) => [token?.content, token?.id] as [unknown, number])]) {
    if (!Number.isInteger(id) || id < 0 || id >= MOST_TOKENS)
      throw new Error(`a token has id ${brief(id)}; expected a whole number from 0 to ${MOST_TOKENS - 1}`);
    if (typeof token !== "string") throw new Error(`token ${id} is ${brief(token)}; expected text`);
  }
  for (const [token, id] of entries) tokens[id] = token as string;
  if (entries.length + added.length === 0) throw new Error("it has no tokens");
  return { tokens, added };
}

/** What the library can do with a text on its way in and out. */
const STEPS = {
  normalizer: [
    "BertNormalizer",
    "Strip",
    "StripAccents",
    "NFC",
    "NFD",
    "NFKC",
    "NFKD",
    "Sequence",
    "Lowercase",
    "Nmt",
    "Precompiled",
    "Replace",
    "Prepend",
    "ByteLevel",
  ],
  pre_tokenizer: [
    "BertPreTokenizer",
    "ByteLevel",
    "CharDelimiterSplit",
    "Metaspace",
    "Whitespace",
    "Sequence",
    "Split",
    "Punctuation",
    "WhitespaceSplit",
    "Digits",
    "UnicodeScripts",
    "FixedLength",
  ],
  decoder: [
    "BPEDecoder",
    "ByteLevel",
    "WordPiece",
    "Metaspace",
    "CTC",
    "Sequence",
    "Replace",
    "Fuse",
    "Strip",
    "ByteFallback",
  ],
  post_processor: ["RobertaProcessing", "BertProcessing", "ByteLevel", "TemplateProcessing", "Sequence"],
};

/** Throws for a step that the library does not know, by its name. */
export function checkSteps(json: object): void {
  for (const [part, known] of Object.entries(STEPS))
    for (const step of stepsOf((json as Record<string, unknown>)[part]))
      if (!known.includes(step.type as string))
        throw new Error(`its ${part} has type ${brief(step.type)}; expected ${known.join(", ")}`);
      // The decoder works in this process, where nothing could stop a pattern that takes for ever.
      else if (part === "decoder" && step.type === "Replace" && !(step.pattern as { String?: unknown })?.String)
        throw new Error("its decoder replaces a pattern; expected the text to replace ({ String })");
}

/** The pre-tokenizers of a file in their order, a sequence laid out; null: it has none. */
export function preTokenizers<T extends { type?: unknown; pretokenizers?: T[] }>(
  step: T | null | undefined,
): (T | null | undefined)[] {
  return step?.type === "Sequence" ? (step.pretokenizers ?? []) : [step];
}

type Step = Record<string, unknown>;
const MOST_STEPS = 256;

/** A step and those within it. */
function stepsOf(root: unknown): Step[] {
  const found: Step[] = [];
  const open = [root];
  while (open.length) {
    const step = open.pop() as Step | null | undefined;
    if (step === null || step === undefined) continue;
    if (found.push(step) > MOST_STEPS) throw new Error(`it has more than ${MOST_STEPS} steps`);
    for (const key of ["normalizers", "pretokenizers", "decoders", "processors"])
      if (Array.isArray(step[key])) open.push(...(step[key] as unknown[]));
  }
  return found;
}
