import assert from "node:assert/strict";
import { test } from "node:test";
import { seeded } from "../../src/base/rng.ts";
import { StopMatcher } from "../../src/request/stop-strings.ts";

/** All text shown, with what was shown after each piece. */
function stream(stops: string[], pieces: string[]): { shown: string; after: string[]; stop: string | null } {
  const matcher = new StopMatcher(stops);
  let shown = "";
  const after = pieces.map((piece) => {
    shown += matcher.push(piece).text;
    return shown;
  });
  return { shown: shown + matcher.end(), after, stop: matcher.stop };
}

/** The rule, by search: first end, then longest. */
function expected(stops: string[], text: string): { shown: string; stop: string | null } {
  for (let end = 1; end <= text.length; end++) {
    const ending = stops.filter((stop) => text.slice(0, end).endsWith(stop)).sort((a, b) => b.length - a.length)[0];
    if (ending) return { shown: text.slice(0, end - ending.length), stop: ending };
  }
  return { shown: text, stop: null };
}

test("a stop string across pieces is cut, and what might become one is held back", () => {
  assert.deepEqual(stream(["\nUser:"], ["Hello\n", "Us", "er: hi"]), {
    shown: "Hello",
    after: ["Hello", "Hello", "Hello"],
    stop: "\nUser:",
  });
  assert.deepEqual(stream(["\nUser:"], ["a\nUs", "ual"]).after, ["a", "a\nUsual"]);
  assert.equal(stream(["</s>"], ["x</", "s"]).shown, "x</s"); // flushed at the end
  assert.deepEqual(stream([], ["a", "", "b"]).after, ["a", "a", "ab"]);
});

test("after a stop nothing more is shown", () => {
  const matcher = new StopMatcher(["END"]);
  assert.deepEqual(matcher.push("a END b"), { text: "a ", stopped: true });
  assert.deepEqual(matcher.push("more"), { text: "", stopped: true });
  assert.equal(matcher.end(), "");
});

test("first end wins, then the longest", () => {
  assert.deepEqual(expected(["abcd", "bc"], "xabcd"), { shown: "xa", stop: "bc" });
  for (const [stops, text, shown] of [
    [["abcd", "bc"], "xabcd", "xa"],
    [["c", "bc", "abc"], "xabc", "x"],
    [["aab"], "aaab", "a"], // the held text shifts by one
    [["ababc"], "abababc", "ab"],
  ] as const)
    assert.equal(stream([...stops], [...text]).shown, shown, `${stops} in ${text}`);
});

test("random texts over two letters agree with a search, however they are cut, and only a stop's prefix is held", () => {
  const rng = seeded(7);
  const word = (longest: number) => Array.from({ length: 1 + rng.below(longest) }, () => "ab"[rng.below(2)]).join("");
  for (let round = 0; round < 3000; round++) {
    const stops = Array.from({ length: 1 + rng.below(3) }, () => word(5) + (rng.below(4) ? "" : "c"));
    const text = word(12);
    const pieces: string[] = [];
    for (let i = 0; i < text.length; ) {
      const n = 1 + rng.below(4);
      pieces.push(text.slice(i, i + n));
      i += n;
    }
    const got = stream(stops, pieces);
    const want = expected(stops, text);
    assert.deepEqual({ shown: got.shown, stop: got.stop }, want, JSON.stringify({ stops, pieces }));
    let read = "";
    for (const [i, piece] of pieces.entries()) {
      read += piece;
      if (expected(stops, read).stop !== null) break;
      const held = Math.max(
        0,
        ...stops.flatMap((s) => [...s].map((_, n) => (read.endsWith(s.slice(0, n + 1)) ? n + 1 : 0))),
      );
      assert.equal(got.after[i].length, read.length - held);
    }
  }
});

test("characters beyond the basic plane are never halved", () => {
  const { after, stop } = stream(["😀!"], ["a😁", "😀", "?", "😀!"]); // 😀 and 😁 share their first half
  assert.deepEqual(after, ["a😁", "a😁", "a😁😀?", "a😁😀?"]);
  assert.equal(stop, "😀!");
});

test("an empty or halved stop string is refused", () => {
  assert.throws(() => new StopMatcher([""]), { code: "bad-argument" });
  assert.throws(() => new StopMatcher(["\ud83d"]), { code: "bad-argument" });
});

test("a million characters that nearly match cost no more a piece at the end than at the start", () => {
  const matcher = new StopMatcher([`${"a".repeat(500)}b`]);
  let shown = 0;
  const began = performance.now();
  for (let i = 0; i < 200_000; i++) shown += matcher.push("aaaaa").text.length;
  assert.equal(shown, 1_000_000 - 500);
  assert.ok(performance.now() - began < 10_000, "quadratic work would take minutes");
  assert.equal(matcher.end().length, 500);
});
