import type { Ballot, Choice } from "./ballot.ts";
import type { ConfidenceMeasure, ConfidenceOptions } from "./measure.ts";

/** A way to make one answer of many chains. A value, which `scale` and evaluations share. */
export interface Aggregator {
  readonly name: string;
  /** Name and settings. */
  readonly key: string;
  /** What must be measured of chains while they run; null: nothing. */
  readonly confidence: (ConfidenceOptions & { measure: ConfidenceMeasure }) | null;
  /** Which chains a verifier must score; null: it needs none. */
  readonly scored: ((ballots: readonly Ballot[]) => readonly Ballot[]) | null;
  choose(ballots: readonly Ballot[]): Choice;
}

export type Settings = Readonly<Record<string, string | number>>;

/** How an aggregator is made, and what a list of them shows. */
export interface AggregatorRecipe {
  name: string;
  summary: string;
  /** Where it comes from. */
  source: string;
  /** What each setting does, with its default. */
  settings: Readonly<Record<string, string>>;
  /** Throws `bad-argument` for values that are none. */
  make(settings: Settings): Aggregator;
}
