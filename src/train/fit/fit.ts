// Fits a surrogate: reads prompts twice, learns from what their keys were worth, and asks of held-out ones how well.
import { badArgument, HyperthinkError } from "../../base/errors.ts";
import { mean } from "../../base/mean.ts";
import type { Session } from "../../request/session.ts";
import type { Pieces } from "../data/pieces.ts";
import { Judge } from "./judge.ts";
import type { Learner } from "./learner.ts";
import { promptsOf } from "./prompts.ts";
import { type ScoreOptions, ScoreReader } from "./scores.ts";
import { Predictor, type Surrogate } from "./surrogate.ts";

/** Texts to learn from and to judge by; several sources take turns. */
export interface FitData {
  train: readonly Pieces[];
  test: readonly Pieces[];
}

export interface FitProgress {
  part: "reading" | "learning" | "judging";
  done: number; // prompts; of learning: layers
  total: number;
}

export interface FitOptions extends Pick<ScoreOptions, "scores" | "length"> {
  prompts: number; // to learn from, at most
  heldOut: number; // to judge by, at most
  signal?: AbortSignal;
  onProgress?: (progress: FitProgress) => void;
}

export interface Fit {
  /** The candidate that explains most, on average over layers. */
  surrogate: Surrogate;
  /** R^2 on held-out prompts, [layers]: the mean over KV heads. */
  explained: number[];
  /** Predictions for held-out keys below which these shares lie. */
  quantiles(shares: readonly number[]): number[];
  /** What was learned from, and what judged. */
  tokens: { learned: number; judged: number };
}

/** Prompts to learn from and to judge by, where nothing else is said. */
export const FIT = { prompts: 64, heldOut: 8, length: 1024 } as const;

/** What KVzip has a model read after a prompt. */
export const replays = (session: Session) => session.policy("kvzip:cr=2").cut!.watch.further!;

/** Throws `bad-argument` where options make no sense or nothing is held out; `aborted`. */
export async function fitSurrogate(
  session: Session,
  features: ScoreOptions["features"],
  data: FitData,
  options: FitOptions,
  newLearner: () => Learner,
): Promise<Fit> {
  const { prompts, heldOut, length } = options;
  for (const [name, value] of Object.entries({ prompts, heldOut }))
    if (!(Number.isInteger(value) && value >= 1))
      throw badArgument(`${name}: expected a whole number from 1, got ${value}`);
  const { device, config, runner } = session;
  const reader = await ScoreReader.open(device, runner.model, replays(session), { ...options, features });
  const [train, test] = [first(data.train, prompts, length), first(data.test, heldOut, length)];
  const report = (part: FitProgress["part"], done: number, total: number) => {
    if (options.signal?.aborted)
      throw new HyperthinkError("aborted", `stopped while ${part}; nothing was saved`, {
        cause: options.signal.reason,
      });
    options.onProgress?.({ part, done, total });
  };
  const learner = newLearner();
  for (const [i, prompt] of train.entries()) {
    report("reading", i, train.length);
    for await (const scores of reader.read(prompt)) learner.add(scores, i);
  }
  report("learning", 0, config.layers);
  const candidates = await learner.finish((done) => report("learning", done, config.layers));
  const judges = candidates.map(() => new Judge(config));
  const predictor = new Predictor(device, { ...config, width: learner.width }, length);
  for (const [i, prompt] of test.entries()) {
    report("judging", i, test.length);
    for await (const { layer, x, y, rows } of reader.read(prompt))
      for (const [c, { layers }] of candidates.entries())
        judges[c].add(layer, y, await predictor.predict(layers[layer], x, rows));
  }
  report("judging", test.length, test.length);
  const explained = judges.map((judge) => judge.explained);
  const best = explained.reduce((best, r2, c) => (mean(r2) > mean(explained[best]) ? c : best), 0);
  return {
    surrogate: candidates[best],
    explained: explained[best],
    quantiles: (shares) => judges[best].quantiles(shares),
    tokens: { learned: tokensOf(train), judged: tokensOf(test) },
  };
}

const tokensOf = (prompts: readonly Int32Array[]): number => prompts.reduce((sum, { length }) => sum + length, 0);

function first(sources: readonly Pieces[], count: number, length: number): Int32Array[] {
  const prompts: Int32Array[] = [];
  for (const prompt of promptsOf(sources, length)) if (prompts.push(prompt) === count) break;
  if (prompts.length === 0) throw badArgument("expected a prompt to read, got no pieces");
  return prompts;
}
