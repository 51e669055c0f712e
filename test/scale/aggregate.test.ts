// Aggregators as pure functions: by hand, against the vote, and on subsets of recorded chains.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { HyperthinkError } from "../../src/base/errors.ts";
import { seeded } from "../../src/base/rng.ts";
import type { Ballot } from "../../src/scale/aggregate/ballot.ts";
import { best } from "../../src/scale/aggregate/best.ts";
import { byConfidence } from "../../src/scale/aggregate/confidence.ts";
import { aggregatorRecipes, makeAggregator } from "../../src/scale/aggregate/index.ts";
import { longest } from "../../src/scale/aggregate/longest.ts";
import { majority } from "../../src/scale/aggregate/majority.ts";
import { chainConfidence, confidenceOptions, tokenConfidence } from "../../src/scale/aggregate/measure.ts";
import { passAll } from "../../src/scale/aggregate/pass.ts";
import { byScore } from "../../src/scale/aggregate/weighted.ts";
import { Vote } from "../../src/scale/vote.ts";

const close = (got: number | null | undefined, expected: number) =>
  assert.ok(typeof got === "number" && Math.abs(got - expected) < 1e-12, `${got}, expected ${expected}`);
const refuses = (run: () => unknown, words: RegExp) =>
  assert.throws(run, (error) => {
    assert.ok(error instanceof HyperthinkError && error.code === "bad-argument", String(error));
    return words.test(error.message);
  });

const ballot = (chain: number, key: string | null, rest: Partial<Ballot> = {}): Ballot => ({
  chain,
  key,
  answer: key && `the ${key}`,
  tokens: 10,
  finished: true,
  ...rest,
});
/** Keys by chain, with a number a chain in one field. */
const ballots = (field: "confidence" | "score" | "tokens", of: readonly (readonly [string | null, number | null])[]) =>
  of.map(([key, value], chain) => ballot(chain, key, { [field]: value }));

describe("DeepConf's measures", () => {
  test("a token's confidence is minus the mean log-probability of its likeliest tokens", () => {
    const top = [0.5, 0.25, 0.125].map((p, id) => ({ id, logprob: Math.log2(p) * Math.LN2 }));
    close(tokenConfidence({ top }), (Math.LN2 * (1 + 2 + 3)) / 3);
    close(tokenConfidence({ top: [...top, { id: 9, logprob: -Infinity }] }), 2 * Math.LN2);
    assert.equal(tokenConfidence({ top: [] }), null);
  });

  test("of a chain, by hand", () => {
    // Windows of 2: 7, 5, 3, 4, 6, 8, 10, 9, 7, 5, 4.5: the tenth that is lowest is one of 11.
    const tokens = [8, 6, 4, 2, 6, 6, 10, 10, 8, 6, 4, 5];
    const of = chainConfidence(tokens, 2)!;
    close(of.average, 75 / 12);
    close(of.lowest, 3);
    close(of.bottom, 3);
    close(of.tail, 4.5);
    assert.equal(of.tokens, 12);
  });

  test("the lowest tenth of 29 windows is two of them", () => {
    const tokens = Array.from({ length: 30 }, (_, i) => (i === 10 ? 0 : i === 20 ? 4 : 10));
    const of = chainConfidence(tokens, 2)!; // means 10, but for 5 5 and 7 7
    close(of.lowest, 5);
    close(of.bottom, 5);
    const more = chainConfidence(
      Array.from({ length: 31 }, (_, i) => (i === 30 ? 0 : i === 20 ? 4 : 10)),
      2,
    )!;
    close(more.lowest, 5); // 30 windows: 5, and two of 7
    close(more.bottom, (5 + 7 + 7) / 3);
    close(more.tail, 5);
  });

  test("a chain shorter than the window is one group, and an empty one has none", () => {
    const of = chainConfidence([1, 2, 6], 2048)!;
    for (const measure of ["average", "bottom", "lowest", "tail"] as const) close(of[measure], 3);
    assert.equal(chainConfidence([], 4), null);
  });

  test("against means taken one by one, on random chains", () => {
    const rng = seeded(4);
    for (let round = 0; round < 40; round++) {
      const tokens = Array.from({ length: 1 + rng.below(90) }, () => rng.below(1000) / 64);
      const window = 1 + rng.below(30);
      const size = Math.min(window, tokens.length);
      const means = tokens
        .flatMap((_, i) => (i + size <= tokens.length ? [tokens.slice(i, i + size)] : []))
        .map((group) => group.reduce((a, b) => a + b) / size)
        .sort((a, b) => a - b);
      const low = means.slice(0, Math.max(1, Math.floor(means.length / 10)));
      const of = chainConfidence(tokens, window)!;
      assert.ok(Math.abs(of.lowest - means[0]) < 1e-9);
      assert.ok(Math.abs(of.bottom - low.reduce((a, b) => a + b) / low.length) < 1e-9);
    }
  });

  test("the paper's k and window, and no others that make no sense", () => {
    assert.deepEqual(confidenceOptions(), { k: 20, window: 2048 });
    refuses(() => confidenceOptions({ k: 21 }), /k to be a whole number from 1 to 20, got 21/);
    refuses(() => confidenceOptions({ k: 0 }), /from 1 to 20/);
    refuses(() => confidenceOptions({ window: 1.5 }), /window to be a whole number/);
  });
});

describe("confidence", () => {
  const sure = ballots("confidence", [
    ["a", 1],
    ["b", 5],
    ["a", 2],
    ["a", 1.5],
    [null, 9],
    ["c", 3],
  ]);

  test("weighs votes: few sure chains beat many unsure ones", () => {
    assert.equal(majority.choose(sure).key, "a");
    const { key, answer, chosen, groups, votes } = byConfidence().choose(sure);
    assert.deepEqual([key, answer, chosen], ["b", "the b", 1]);
    assert.deepEqual(
      groups.map(({ key, chains, count, weight }) => [key, chains, count, weight]),
      [
        ["b", [1], 1, 5],
        ["a", [0, 2, 3], 3, 4.5],
        ["c", [5], 1, 3],
      ],
    );
    assert.deepEqual(votes[4], { chain: 4, weight: null, why: "it has no answer" });
    assert.deepEqual(votes[5], { chain: 5, weight: 3, why: null });
  });

  test("of the surest share alone, as its authors cut it", () => {
    // 1, 1.5, 2, 3, 5: the quantile 0.5 is 2, 0.1 is 1.2, 0.9 is 4.2.
    const voting = (top: number) =>
      byConfidence({ top })
        .choose(sure)
        .votes.flatMap(({ chain, weight }) => (weight === null ? [] : [chain]));
    assert.deepEqual(voting(0.5), [1, 2, 5]);
    assert.deepEqual(voting(0.9), [1, 2, 3, 5]);
    assert.deepEqual(voting(0.1), [1]);
    assert.deepEqual(voting(1e-9), [1]);
    const { groups, votes } = byConfidence({ top: 0.1 }).choose(sure);
    assert.deepEqual(
      groups.map(({ key, count, weight }) => [key, count, weight]),
      [
        ["b", 1, 5],
        ["a", 3, null],
        ["c", 1, null],
      ],
    );
    assert.match(votes[0].why!, /not among the surest/);
  });

  test("equal ones all stay; a chain that was not measured has no vote", () => {
    const even = ballots("confidence", [
      ["a", 2],
      ["b", 2],
      ["c", null],
    ]);
    const { tied, key, votes } = byConfidence({ top: 0.5 }).choose(even);
    assert.equal(key, "a");
    assert.deepEqual(
      tied.map((group) => group.key),
      ["b"],
    );
    assert.match(votes[2].why!, /not measured/);
    assert.equal(byConfidence().choose([ballot(0, "a"), ballot(1, "b", { confidence: Number.NaN })]).key, null);
  });
});

describe("a verifier's scores", () => {
  const scored = ballots("score", [
    ["a", -1],
    ["b", 0.4],
    ["b", 0.4],
    ["a", 0.7],
    [null, 3],
    ["c", null],
  ]);

  test("best of n: the highest score of a chain with an answer, whatever its sign", () => {
    const { key, chosen, groups, votes, tied } = best.choose(scored);
    assert.deepEqual([key, chosen, tied.length], ["a", 3, 0]);
    assert.deepEqual(
      groups.map(({ key, weight }) => [key, weight]),
      [
        ["a", 0.7],
        ["b", 0.4],
        ["c", null],
      ],
    );
    assert.deepEqual(votes[3], { chain: 3, weight: 0.7, why: null, score: 0.7 });
    assert.equal(votes[4].why, "it has no answer");
    assert.equal(votes[5].why, "it has no score");
    assert.equal(
      best.choose(
        ballots("score", [
          ["x", -3],
          ["y", -2],
        ]),
      ).key,
      "y",
    );
    const even = best.choose(
      ballots("score", [
        ["x", 1],
        ["y", 2],
        ["z", 2],
        ["x", 2],
      ]),
    );
    assert.deepEqual([even.key, even.chosen], ["y", 1]);
    assert.deepEqual(even.tied.map((group) => group.key).sort(), ["x", "z"]);
  });

  test("best of texts without answers: of those that ended by themselves", () => {
    const texts = [
      ballot(0, null, { score: 2 }),
      ballot(1, null, { score: 9, finished: false }),
      ballot(2, null, { score: 4 }),
    ];
    assert.deepEqual(
      best.scored!(texts).map(({ chain }) => chain),
      [0, 2],
    );
    const { key, answer, chosen, groups, tied } = best.choose(texts);
    assert.deepEqual([key, answer, chosen, groups, tied], [null, null, 2, [], []]);
  });

  test("weighted: the sum of scores", () => {
    const { key, votes, groups } = byScore().choose(scored);
    assert.equal(key, "b"); // 0.8 against 0.7: a score below 0 is no weight
    assert.match(votes[0].why!, /below 0/);
    assert.deepEqual(
      groups.map(({ weight }) => weight),
      [0.8, 0.7, null],
    );
    const logits = byScore({ sigmoid: 1 }).choose(scored);
    close(logits.votes[0].weight, 1 / (1 + Math.E));
    close(logits.groups[0].weight, 2 / (1 + Math.exp(-0.4)));
    assert.equal(logits.votes[0].score, -1);
  });

  test("pass@all: the first chain that passes, with or without an answer that could be read", () => {
    const checked = [
      ballot(0, "a", { score: 0 }),
      ballot(1, null, { score: null, fault: "it was slow" }),
      ballot(2, null, { score: 1 }),
      ballot(3, "b", { score: 1 }),
    ];
    assert.equal(passAll().scored!(checked).length, 4);
    const { chosen, key, votes } = passAll().choose(checked);
    assert.deepEqual([chosen, key], [2, null]);
    assert.deepEqual(
      votes.map(({ weight, why }) => weight ?? why),
      ["it does not pass: its score is 0", "it was slow", 1, 1],
    );
    assert.deepEqual(passAll().choose(checked.slice(0, 2)).chosen, null);
    assert.equal(passAll({ least: 0.5 }).choose([ballot(0, "a", { score: 0.5 })]).key, "a");
  });
});

test("longest: the most tokens of those with an answer", () => {
  const { key, chosen } = longest.choose(
    ballots("tokens", [
      ["a", 5],
      ["b", 9],
      [null, 50],
      ["c", 9],
    ]),
  );
  assert.deepEqual([key, chosen], ["b", 1]);
});

describe("all of them", () => {
  const random = (seed: number): Ballot[] => {
    const rng = seeded(seed);
    return Array.from({ length: 1 + rng.below(9) }, (_, chain) =>
      ballot(chain, rng.below(5) === 0 ? null : "abcd"[rng.below(4)], {
        confidence: 1 + rng.below(4),
        score: rng.below(6) === 0 ? null : rng.below(4) / 2,
        tokens: rng.below(6),
        finished: rng.below(3) > 0,
      }),
    );
  };

  test("majority is the vote", () => {
    for (let seed = 0; seed < 300; seed++) {
      const chains = random(seed);
      const vote = new Vote();
      for (const { chain, key } of chains.toReversed())
        vote.cast(
          chain,
          key === null
            ? { kind: "abstain", reason: "no-answer" }
            : { kind: "answer", key, text: `the ${key}`, source: "boxed" },
        );
      const { answer, groups, tied } = majority.choose(chains);
      assert.equal(answer, vote.winner()?.text ?? null);
      const plain = ({ weight: _, ...group }: (typeof groups)[number]) => group;
      assert.deepEqual(groups.map(plain), vote.groups());
      assert.deepEqual(tied.map(plain), vote.tied());
    }
  });

  test("depend neither on the order of ballots nor change them, name what is no vote, and choose what weighs most", () => {
    for (const { name } of aggregatorRecipes) {
      const aggregator = makeAggregator(name);
      for (let seed = 0; seed < 60; seed++) {
        const chains = random(seed);
        const before = structuredClone(chains);
        const choice = aggregator.choose(chains);
        assert.deepEqual(aggregator.choose(chains.toReversed()), choice);
        assert.deepEqual(chains, before);
        assert.equal(choice.votes.length, chains.length);
        for (const { weight, why } of choice.votes) assert.ok((weight === null) !== (why === null));
        const weights = choice.groups.map(({ weight }) => weight ?? -Infinity);
        assert.deepEqual(
          weights,
          weights.toSorted((a, b) => b - a),
        );
        assert.equal(
          choice.chosen === null,
          choice.votes.every(({ weight }) => weight === null),
        );
        if (choice.key !== null) {
          assert.equal(choice.groups[0].key, choice.key);
          assert.equal(chains[choice.chosen!].key, choice.key);
        }
      }
    }
  });

  test("are none without ballots", () => {
    for (const { name } of aggregatorRecipes) {
      const { key, answer, chosen, groups, tied, votes } = makeAggregator(name).choose([]);
      assert.deepEqual([key, answer, chosen, groups, tied, votes], [null, null, null, [], [], []]);
    }
  });

  test("have names and settings, and no others", () => {
    assert.equal(
      makeAggregator("confidence:measure=tail,top=0.1, window=512,k=5").key,
      "confidence measure=tail top=0.1 k=5 window=512",
    );
    assert.equal(makeAggregator("weighted:sigmoid=1").key, "weighted sigmoid=1");
    assert.equal(makeAggregator("pass:least=0.5").key, "pass least=0.5");
    for (const { name, summary, source } of aggregatorRecipes) {
      assert.equal(makeAggregator(name).name, name);
      assert.ok(summary && source);
    }
    for (const [spec, words] of [
      ["mode", /unknown aggregator "mode": expected one of majority, confidence/],
      ["", /unknown aggregator/],
      ["confidence:", /measure, top, k, window, got ""/],
      ["confidence:measure", /got "measure"/],
      ["confidence:measure=median", /one of average, bottom, lowest, tail, got median/],
      ["confidence:measure=3", /got 3/],
      ["confidence:top=0", /above 0 and up to 1, got 0/],
      ["confidence:top=x", /got x/],
      ["confidence:k=40", /1 to 20/],
      ["confidence:k=5,k=6", /once, got it twice/],
      ["best:window=3", /no settings, got "window=3"/],
      ["weighted:sigmoid=2", /0 or 1/],
      ["pass:least=high", /a number, got high/],
      ["confidence:__proto__=1", /got "__proto__=1"/],
      ["confidence:toString=1", /got "toString=1"/],
    ] as const)
      refuses(() => makeAggregator(spec), words);
  });
});
