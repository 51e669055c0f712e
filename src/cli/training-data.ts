// What trainers learn from: a user's files, or problems without end.
import { badArgument } from "../base/errors.ts";
import { ABACUS_CONTEXT, type AbacusOptions, abacusPiece } from "../eval/abacus/example.ts";
import { textOf } from "../eval/abacus/vocabulary.ts";
import { loadChat } from "../model/chat.ts";
import { eosToken } from "../model/ends.ts";
import { openSource } from "../model/source.ts";
import { loadTokenizer, type Tokenizer } from "../model/tokenizer.ts";
import { loadPieces } from "../train/data/data.ts";
import { heldOut, onceShuffled, type Pieces, shuffledPieces } from "../train/data/pieces.ts";
import { fingerprintOf } from "../train/disk/fingerprint.ts";
import { nextTo } from "../train/run.ts";
import { note, openBar } from "./open.ts";
import { isGenerated, type TrainingFlags } from "./training-options.ts";

export interface TrainingData {
  train: Pieces; // endless
  test: Pieces;
  /** How they were read, as the recipe in a folder tells it. */
  reading: (folder: string) => Record<string, unknown>;
}

/** Share of the pieces that evaluations may read. */
const EVALUATED = 0.02;

/** Pieces to train on without end, and others to test on. `model`: folder of the tokenizer and chat template. */
export async function trainingData(
  flags: TrainingFlags,
  model: string | null,
  vocabulary: number,
  signal: AbortSignal,
): Promise<TrainingData> {
  const { data, seed, length, skipBadLines, learn, long } = flags;
  if (model === null) throw badArgument("expected --tokenizer DIR with the tokenizer of the data");
  const source = await openSource(model);
  const tokenizer = await loadTokenizer(source);
  try {
    const endless = generatedData(data, seed, length);
    if (endless) {
      await checkSpelling(endless.train.at(0).ids, tokenizer, model, vocabulary);
      return { ...endless, reading: () => ({ files: data }) };
    }
    const chat = await loadChat(source).catch((error: Error) => error);
    const reader = {
      tokenizer,
      get chat() {
        if (chat instanceof Error) throw chat;
        return chat;
      },
      config: { vocabulary },
    };
    const end = await endId(flags.end ?? (await eosToken(source)) ?? NONE, tokenizer, flags.end !== undefined);
    const bar = openBar("reading data");
    const options = { length, skipBadLines, learn, overflow: long, end, signal, onProgress: bar.show };
    const { pieces, notes } = await loadPieces(data, reader, options).finally(bar.done);
    notes.forEach(note);
    const { train, test } = heldOut(pieces, EVALUATED);
    const told = { learn, long, end: end ?? null };
    const reading = (folder: string) => ({ files: data.map((path) => nextTo(folder, path)), ...told });
    // The same order whatever the seed, so that the first few windows are of all files.
    return { train: shuffledPieces(train, seed), test: onceShuffled(test, 0), reading };
  } finally {
    tokenizer.close();
  }
}

const NONE = "none";

/** The token that ends texts. */
async function endId(text: string, tokenizer: Tokenizer, wanted: boolean): Promise<number | undefined> {
  if (text === NONE) return undefined;
  const id = tokenizer.idOf(text);
  if (id === null && wanted) throw badArgument(`--end: expected one token of the model, or ${NONE}, got "${text}"`);
  return id ?? undefined;
}

/** Generated problems come as tokens: throws `bad-argument` where a tokenizer spells them in others. */
export async function checkSpelling(
  ids: Int32Array,
  tokenizer: Pick<Tokenizer, "encode">,
  model: string,
  vocabulary: number,
): Promise<void> {
  const own = await tokenizer.encode(textOf(ids), { special: false });
  if (own.length !== ids.length || own.some((id, i) => id !== ids[i] || id >= vocabulary))
    throw badArgument(
      `--data abacus: expected the tokenizer of models/abacus, whose tokens these problems are made of, got that of ${model}`,
    );
}

/** Runs of any seed are tested on the same generated problems: odd numbers are no run's to train on. */
const TESTED = 1;

/** Settings of generated problems that have no value. */
const FLAGS: ReadonlySet<string> = new Set(["quotes", "settle", "unlearned"]);

/**
 * abacus:steps=2-12,distractors=0-10,slip=0.03/0.01,unlearned,checks=1/1/1,settle,cut=0.1,quotes: problems without end;
 * null where the data are files.
 */
export function generatedData(
  data: readonly string[],
  seed: number,
  length: number,
): Omit<TrainingData, "reading"> | null {
  const spec = data.find(isGenerated);
  if (spec === undefined) return null;
  if (data.length > 1) throw badArgument(`--data: expected ${spec} alone, got ${data.length} sources`);
  const [, settings = ""] = spec.split(/:(.*)/s);
  if (length < ABACUS_CONTEXT)
    throw badArgument(`--length: expected at least ${ABACUS_CONTEXT}, the longest abacus solution, got ${length}`);
  const options: AbacusOptions = {};
  for (const part of settings.split(",").filter((text) => text !== "")) {
    const [key, value = ""] = part.split("=");
    if (FLAGS.has(key) && part.includes("="))
      throw badArgument(`--data ${spec}: ${key} has no value: expected it alone, or left out`);
    const numbers = FLAGS.has(key) ? [] : value.split(/[-/]/).map(Number);
    if (numbers.some(Number.isNaN)) throw badArgument(`--data ${spec}: ${key}: expected numbers, got "${value}"`);
    if (key === "quotes") options.quotesOnly = true;
    else if (key === "settle" || key === "unlearned") options[key] = true;
    else if (key === "steps" || key === "distractors") options[key] = [numbers[0], numbers.at(-1)!];
    else if (key === "slip" || key === "checks") options[key] = numbers;
    else if (key === "cut") options.cut = numbers[0];
    else
      throw badArgument(
        `--data ${spec}: expected steps, distractors, slip, unlearned, checks, settle, cut or quotes, got ${key}`,
      );
  }
  const piecesOf = (own: number): Pieces => ({
    description: spec,
    fingerprint: fingerprintOf([spec, own]),
    count: Number.POSITIVE_INFINITY,
    at: (index) => abacusPiece(index, own, options),
  });
  return { train: piecesOf(2 * seed), test: piecesOf(TESTED) };
}
