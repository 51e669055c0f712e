import type { Tokenizer as LibraryClass } from "tokenizers";
import { badArgument, badFile, HyperthinkError, unsupported } from "../base/errors.ts";
import type { Source } from "./source.ts";
import { ControlTokens, isControl, unusedCharacter } from "./tokenizer/control.ts";
import { leastTokens } from "./tokenizer/least.ts";
import { TokenizerProcess } from "./tokenizer/process.ts";
import { SLICE, slicer } from "./tokenizer/slices.ts";
import { checkSteps, readVocabulary } from "./tokenizer/vocabulary.ts";

/** How a text becomes tokens. */
export interface Encoding {
  /**
   * Add what the tokenizer puts around a text, such as a start token. A text that already begins with it, as one that a
   * template rendered, does not get it twice; nor does one that ends so.
   */
  special: boolean;
  /** Offsets, ascending, where the spelling of a control token is text and not that token. */
  literal?: readonly number[];
}

export interface EncodeOptions extends Encoding {
  signal?: AbortSignal;
}

export interface Tokenizer {
  /** Ids of a text. Throws `bad-argument` for one that the tokenizer cannot encode, `aborted`. */
  encode(text: string, options: EncodeOptions): Promise<number[]>;
  /** Ids of each of many texts, in fewer requests. Throws as `encode` does, for all where one fails. */
  encodeAll(texts: readonly (Encoding & { text: string })[], signal?: AbortSignal): Promise<number[][]>;
  /** Fewest tokens that a text may have, without tokenising it; 0 where nothing is certain. */
  least(text: string): number;
  /**
   * Text of ids, special tokens left out unless asked for. Incomplete characters come out as
   * U+FFFD, ids of no token as nothing.
   */
  decode(ids: readonly number[], options?: { special?: boolean }): string;
  /**
   * One more than the highest id. A model's vocabulary is often padded beyond that. Where it is smaller (a
   * padding token that was added and never trained), the model loads, and a prompt that needs such an id
   * is refused by the engine, by the id.
   */
  readonly size: number;
  /** Whether an id stands for a token. */
  has(id: number): boolean;
  /** The id of a token by its text; null where there is none. */
  idOf(content: string): number | null;
  /** Ids that `decode` leaves out unless asked. */
  readonly special: ReadonlySet<number>;
  /** Tokens that text can spell without being them (`literal`). */
  readonly control: ControlTokens;
  /** Ends the process that encodes. */
  close(): void;
}

/**
 * Throws `bad-file` where tokenizer.json is missing or not one, `unsupported` where the
 * library has no build for this machine.
 */
export async function loadTokenizer(source: Source): Promise<Tokenizer> {
  const json = await source.json("tokenizer.json");
  if (json === null)
    throw badFile(`${source.path}: expected tokenizer.json, found none; copy it from the base model's folder`);
  try {
    return await openTokenizer(json);
  } catch (error) {
    if (error instanceof HyperthinkError) throw error;
    throw badFile(`${source.path}/tokenizer.json: not a tokenizer that can be read: ${(error as Error).message}`);
  }
}

async function openTokenizer(json: object): Promise<Tokenizer> {
  const { tokens, added } = readVocabulary(json);
  checkSteps(json);
  const Library = await loadLibrary();
  const { process: encoder, opened } = await TokenizerProcess.open(
    JSON.stringify(forUse(json)),
    added.map(({ content }) => content),
  );
  try {
    const specialIds = new Set<number>();
    const byContent = new Map<string, number>();
    for (const [i, id] of opened.added.entries()) {
      if (id < 0) continue; // of no text: the library passes over it
      tokens[id] = added[i].content;
      byContent.set(added[i].content, id);
      if (added[i].special) specialIds.add(id);
    }
    const control = new ControlTokens(added.filter(isControl).map(({ content }) => content));
    const slices = slicer(json, added);
    const decode = decoderOf(Library, json);
    const prepare = (text: string, literal: readonly number[] = []) => {
      const marker = literal.length ? unusedCharacter(text) : null;
      if (literal.length && marker === null)
        throw badArgument(
          "the text holds all of U+FDD0 to U+FDEF, which no text needs: expected one of them to be free",
        );
      return { marker, slices: slices(marker === null ? text : control.mark(text, marker, literal)) };
    };
    const encodeAll: Tokenizer["encodeAll"] = async (texts, signal) => {
      const ids = texts.map((): number[] => []);
      const prepared = texts.map(({ text, literal }) => prepare(text, literal));
      for (const marker of new Set(prepared.map((own) => own.marker))) {
        const parts = prepared.flatMap((own, of) =>
          own.marker === marker ? own.slices.map((slice) => ({ of, slice })) : [],
        );
        for (const batch of batches(parts)) {
          const encoded = await encoder.encode(
            batch.map(({ slice }) => slice),
            marker,
            signal,
          );
          for (const [i, { of }] of batch.entries()) for (const id of encoded[i]) ids[of].push(id);
        }
      }
      return ids.map((own, i) => (texts[i].special ? surround(own, opened) : own));
    };
    return {
      size: tokens.length,
      has: (id) => tokens[id] !== undefined,
      idOf: (content) => byContent.get(content) ?? (tokens.includes(content) ? tokens.indexOf(content) : null),
      special: specialIds,
      control,
      least: leastTokens(json, added, tokens),
      encodeAll,
      encode: async (text, { signal, ...encoding }) => (await encodeAll([{ text, ...encoding }], signal))[0],
      decode(ids, options) {
        const shown = ids.filter((id) => tokens[id] !== undefined && (options?.special || !specialIds.has(id)));
        return decode(shown.map((id) => tokens[id]!));
      },
      close: () => encoder.close(),
    };
  } catch (error) {
    encoder.close();
    throw error;
  }
}

/** Models can be inspected, and run on token ids, without it. */
async function loadLibrary(): Promise<typeof LibraryClass> {
  try {
    return (await import("tokenizers")).Tokenizer;
  } catch (error) {
    throw unsupported(
      `the npm package "tokenizers" does not load here: expected Linux, macOS or Windows on x64 or arm64; ${(error as Error).message.split("\n")[0]}`,
    );
  }
}

/** Consecutive parts that one request may hold together. */
function batches<T extends { slice: string }>(parts: readonly T[]): T[][] {
  const all: T[][] = [];
  let room = 0;
  for (const part of parts) {
    if (part.slice.length > room || all.length === 0) {
      all.push([]);
      room = SLICE;
    }
    all.at(-1)!.push(part);
    room -= part.slice.length;
  }
  return all;
}

function surround(ids: number[], { before, after }: { before: number[]; after: number[] }): number[] {
  const begins = before.every((id, i) => ids[i] === id);
  const ends = ids.length >= after.length && after.every((id, i) => ids[ids.length - after.length + i] === id);
  return [...(begins ? [] : before), ...ids, ...(ends ? [] : after)];
}

/** The file as the library is to have it: nothing is cut, filled or left to chance, whatever training wanted. */
function forUse(json: object): object {
  const { model } = json as { model: object };
  return {
    ...json,
    truncation: null,
    padding: null,
    model: { ...model, ...("dropout" in model && { dropout: null }) },
  };
}

/** The file's decoder alone. It is quick, and the other process has tried it, so it may work in this one. */
function decoderOf(Library: typeof LibraryClass, json: object): (tokens: string[]) => string {
  const { decoder } = json as { decoder?: object | null };
  if (!decoder) return (tokens) => tokens.join(" ");
  const empty = { type: "BPE", vocab: {}, merges: [] };
  const library = Library.fromString(JSON.stringify({ version: "1.0", added_tokens: [], decoder, model: empty }));
  const own = library.getDecoder()!;
  return (tokens) => own.decode(tokens);
}
