import assert from "node:assert/strict";
import { test } from "node:test";
import type { Extraction } from "../../src/scale/answer.ts";
import { Vote } from "../../src/scale/vote.ts";

const said = (key: string, text = key): Extraction => ({ kind: "answer", text, source: "boxed", key });
const silent: Extraction = { kind: "abstain", reason: "no-answer" };

function voteOf(keys: (string | null)[]): Vote {
  const vote = new Vote();
  for (const [chain, key] of keys.entries()) vote.cast(chain, key === null ? silent : said(key));
  return vote;
}

test("the largest group wins, a tie goes to the lower first chain, whatever the order of ending", () => {
  const forwards = voteOf(["7", "5", "5", null, "7", "9"]);
  assert.deepEqual(
    forwards.groups().map(({ key, chains, count }) => [key, chains, count]),
    [
      ["7", [0, 4], 2],
      ["5", [1, 2], 2],
      ["9", [5], 1],
    ],
  );
  assert.equal(forwards.abstained, 1);
  const backwards = new Vote();
  for (const [chain, key] of [...["7", "5", "5", null, "7", "9"].entries()].reverse())
    backwards.cast(chain, key === null ? silent : said(key));
  assert.deepEqual(backwards.groups(), forwards.groups());
});

test("groups that only the order of chains puts second are tied", () => {
  const tied = (keys: (string | null)[]) =>
    voteOf(keys)
      .tied()
      .map(({ key }) => key);
  assert.deepEqual(tied(["7", "9", "9", "7", "5"]), ["9"]);
  assert.deepEqual(tied(["1", "2", "3"]), ["2", "3"]);
  assert.deepEqual(tied(["7", "9", "7"]), []);
  assert.deepEqual(tied([null]), []);
});

test("a group shows the text of its first chain", () => {
  const vote = new Vote();
  vote.cast(3, said("1/2", "0.5"));
  vote.cast(1, said("1/2", "\\frac12"));
  vote.cast(2, said("1/2", "50%"));
  assert.deepEqual(vote.winner(), { key: "1/2", text: "\\frac12", chains: [1, 2, 3], count: 3 });
});

test("no answers, no winner; one chain, one vote", () => {
  const vote = voteOf([null, null]);
  assert.equal(vote.winner(), null);
  assert.equal(vote.abstained, 2);
  assert.equal(vote.decided([]), true);
  assert.equal(vote.decided([2]), false);
  assert.throws(() => vote.cast(0, said("1")), { code: "bad-argument" });
  assert.throws(() => vote.cast(-1, said("1")), { code: "bad-argument" });
  assert.throws(() => vote.decided([1]), { code: "bad-argument" });
});

test("the tie rule decides when leads are short", () => {
  assert.equal(voteOf(["a", "a"]).decided([2, 3]), true); // b could tie, but starts later
  const late = new Vote();
  late.cast(2, said("a"));
  late.cast(3, said("a"));
  assert.equal(late.decided([0, 1]), false); // b would tie and start earlier
  late.cast(1, said("b"));
  assert.equal(late.decided([0]), false);
  late.cast(0, silent);
  assert.equal(late.decided([4]), false); // b, first at 1, can still tie
});

test("keys that name an object's own members are keys like others", () => {
  assert.equal(voteOf(["__proto__", "constructor", "__proto__"]).winner()?.key, "__proto__");
});

// Every partial state of up to 5 chains and every completion: decided must hold exactly when all completions agree.
test("decided is exact for all states of up to 5 chains", () => {
  const known = ["a", "b", "c", null];
  const running = Symbol("running");
  let states = 0;
  let early = 0;
  for (let width = 1; width <= 5; width++)
    for (let code = 0; code < 5 ** width; code++) {
      const state = Array.from({ length: width }, (_, i) => [...known, running][Math.floor(code / 5 ** i) % 5]);
      const open = state.flatMap((s, i) => (s === running ? [i] : []));
      const vote = new Vote();
      for (const [i, s] of state.entries()) if (s !== running) vote.cast(i, s === null ? silent : said(s as string));
      const winners = new Set<string | null>();
      for (const completion of completions(open.length, ["a", "b", "c", "d", "e", null])) {
        const full = [...state];
        for (const [at, i] of open.entries()) full[i] = completion[at] as string | null;
        winners.add(plainWinner(full as (string | null)[]));
      }
      assert.equal(vote.decided(open), winners.size === 1, `${state.map(String)}`);
      if (open.length && winners.size === 1) {
        assert.equal(vote.winner()?.key, [...winners][0]);
        early++;
      }
      states++;
    }
  assert.ok(states === 5 + 25 + 125 + 625 + 3125 && early > 100);
});

function* completions<T>(length: number, values: T[]): Generator<T[]> {
  for (let code = 0; code < values.length ** length; code++)
    yield Array.from({ length }, (_, i) => values[Math.floor(code / values.length ** i) % values.length]);
}

/** The rule once more, in other words: scan the chains; a key's first appearance fixes its place. */
function plainWinner(keys: (string | null)[]): string | null {
  let best: string | null = null;
  let most = 0;
  for (const key of keys) {
    const count = keys.filter((other) => other === key).length;
    if (key !== null && count > most) [best, most] = [key, count];
  }
  return best;
}
