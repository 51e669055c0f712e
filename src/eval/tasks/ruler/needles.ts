// Needles as RULER makes them: "One of the special magic numbers for silent-otter is: 4812736.", hidden in a text.
// Source: arXiv 2404.06654; github.com/NVIDIA/RULER (Apache-2.0), scripts/data/synthetic/niah.py.

import { type Seeded, shuffled } from "../../../base/rng.ts";
import { NOISE } from "./haystack.ts";
import { type ListItem, NUMBER, UUID } from "./listed.ts";
import { fresh, type Recipe } from "./made.ts";
import { compound } from "./words.ts";

export interface NeedleShape {
  task: string;
  /** Sentences of essays, the noise line, or needles that nobody asks for. */
  haystack: readonly string[] | "noise" | "needles";
  keys: number; // needles with different keys
  values: number; // of each key
  queries: number; // keys that are asked for
  uuids: boolean; // instead of words as keys and 7-digit numbers as values
  /** Tokens of the prompt and the reply. */
  length: number;
  /** Where the needles stand: 0 the beginning, 1 the end; null: each anywhere. */
  depth: number | null;
}

/** How such a problem is made. */
export const needleRecipe = (shape: NeedleShape): Recipe => ({
  task: shape.task,
  purpose: 0x6e5d0001,
  length: shape.length,
  replyTokens: 128,
  least: shape.haystack === "needles" ? 1 : 0,
  most: 1 << 16, // keys must differ: half of all compound words
  guess: Math.ceil(shape.length / 25),
  make: (rng, size) => needleProblem(shape, size, rng),
});

/** A problem in `size` pieces of haystack; what is drawn does not depend on the size, but for the places. */
function needleProblem(
  { haystack, keys, values, queries, uuids, depth }: NeedleShape,
  size: number,
  rng: Seeded,
): Omit<ListItem, "id" | "maxTokens"> {
  const taken = new Set<string>();
  const kind = uuids ? "uuids" : "numbers";
  const newKey = () => fresh(taken, () => (uuids ? uuid(rng) : compound(rng)));
  const newValue = () => fresh(taken, () => (uuids ? uuid(rng) : String(1_000_000 + rng.below(9_000_000))));
  const said = (key: string, value: string) => `One of the special magic ${kind} for ${key} is: ${value}.`;
  const pairs = Array.from({ length: keys }, () => {
    const key = newKey();
    return { key, values: Array.from({ length: values }, newValue) };
  });
  const needles = shuffled(
    rng,
    pairs.flatMap(({ key, values }) => values.map((value) => said(key, value))),
  );
  const asked = shuffled(rng, pairs).slice(0, queries);
  const offset = rng.next();
  const places = needles.map(() => depth ?? rng.next());
  const pieces = Array.from({ length: size }, (_, i) =>
    haystack === "noise"
      ? NOISE
      : haystack === "needles"
        ? said(newKey(), newValue())
        : haystack[(Math.floor(offset * haystack.length) + i) % haystack.length],
  );
  // From the last place on, so that the earlier ones stay what they are.
  const order = places.map((place, i) => ({ at: Math.round(place * size), needle: needles[i] }));
  for (const { at, needle } of order.sort((a, b) => b.at - a.at)) pieces.splice(at, 0, needle);
  const words = asked.flatMap((pair) => pair.values);
  const names = asked.map(({ key }) => key);
  const query = names.length > 1 ? `${names.slice(0, -1).join(", ")}, and ${names.at(-1)}` : names[0];
  const context = pieces.join(typeof haystack === "string" ? "\n" : " ");
  return {
    ...wording(words.length > 1 ? kind : kind.slice(0, -1), words.length > 1, context, query),
    gold: words.join(", "),
    words,
    among: null,
    pattern: uuids ? UUID : NUMBER,
  };
}

/** RULER's template, in the plural or the singular. */
const wording = (
  kind: string,
  many: boolean,
  context: string,
  query: string,
): { question: string; prefix: string } => ({
  question:
    `${many ? `Some special magic ${kind} are` : `A special magic ${kind} is`} hidden within the following text. ` +
    `Make sure to memorize it. I will quiz you about the ${kind} afterwards.\n${context}\n` +
    `What ${many ? "are all" : "is"} the special magic ${kind} for ${query} mentioned in the provided text?`,
  prefix: ` The special magic ${kind} for ${query} mentioned in the provided text ${many ? "are" : "is"}`,
});

function uuid(rng: Seeded): string {
  const hex = (digits: number) => Array.from({ length: digits }, () => rng.below(16).toString(16)).join("");
  return `${hex(8)}-${hex(4)}-4${hex(3)}-${"89ab"[rng.below(4)]}${hex(3)}-${hex(12)}`;
}
