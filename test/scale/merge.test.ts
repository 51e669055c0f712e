// Votes in which several spellings are one answer: what merges, what is listed, and when a winner is certain.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { load, type Session } from "../../src/request/session.ts";
import type { Extraction } from "../../src/scale/answer.ts";
import { Equality } from "../../src/scale/equality/equality.ts";
import { mergeGroups } from "../../src/scale/equality/merge.ts";
import { answerKey } from "../../src/scale/key.ts";
import { type ScaleEvent, type ScaleOptions, scale } from "../../src/scale/scale.ts";
import { type GroupMerges, Vote, type VoteGroup } from "../../src/scale/vote.ts";
import { Script } from "../support/scripted.ts";

const said = (key: string, text = key): Extraction => ({ kind: "answer", text, source: "boxed", key });

function groupsOf(texts: readonly string[]): VoteGroup[] {
  const vote = new Vote();
  for (const [chain, text] of texts.entries()) vote.cast(chain, said(answerKey(text), text));
  return vote.groups();
}

describe("groups", () => {
  test("equal spellings become one group, and every merge is listed with both and what showed it", async () => {
    await using equality = new Equality();
    const texts = ["7", "\\frac{\\sqrt{2}}{2}", "\\frac{1}{\\sqrt{2}}", "7", "x+1", "1+x", "\\sqrt{0.5}", "(1, 2)"];
    const { groups, merges } = await mergeGroups(equality, groupsOf(texts));
    assert.deepEqual(
      groups.map(({ text, chains, count }) => [text, chains, count]).sort((a, b) => Number(b[2]) - Number(a[2])),
      [
        ["\\frac{\\sqrt{2}}{2}", [1, 2, 6], 3],
        ["7", [0, 3], 2],
        ["x+1", [4, 5], 2],
        ["(1, 2)", [7], 1],
      ],
    );
    assert.equal(merges.length, 3);
    for (const { spellings, keys, by, why } of merges) {
      assert.ok(spellings[0] !== spellings[1] && keys[0] !== keys[1]);
      assert.ok(["form", "symbolic", "numeric"].includes(by) && why !== "");
    }
    assert.deepEqual(groups.find(({ count }) => count === 3)?.keys?.length, 3);
  });

  test("numbers and choices start no library", async () => {
    await using equality = new Equality();
    const groups = groupsOf(["7", "8", "1/2", "C", "D", "5 m", "500 cm", "\\{1, 2\\}", "\\{2, 1\\}"]);
    const { merges } = await mergeGroups(equality, groups);
    assert.deepEqual(
      merges.map(({ spellings }) => spellings.join(" = ")),
      ["5 m = 500 cm", "\\{1, 2\\} = \\{2, 1\\}"],
    );
    assert.equal(equality.starts, 0);
  });

  test("a vote is strict: what a grader forgives stays apart", async () => {
    await using equality = new Equality();
    const pairs = ["\\sqrt{2}\\text{ cm}", "\\sqrt{2}", "3:4", "\\frac34", "20\\%", "20", "(1,2)", "1,2", "a", "A"];
    const { merges } = await mergeGroups(equality, groupsOf(pairs));
    assert.deepEqual(merges, []);
  });

  test("the order in which chains end changes no group", async () => {
    await using equality = new Equality();
    const texts = ["\\sqrt{12}", "2\\sqrt{3}", "\\frac{6}{\\sqrt{3}}", "3\\sqrt{2}", "\\sqrt{18}"];
    const shown = async (order: number[]) => {
      const vote = new Vote();
      for (const chain of order) vote.cast(chain, said(answerKey(texts[chain]), texts[chain]));
      return (await mergeGroups(equality, vote.groups())).groups
        .map(({ text, chains }) => `${text}: ${chains}`)
        .sort()
        .join("; ");
    };
    assert.equal(await shown([0, 1, 2, 3, 4]), "3\\sqrt{2}: 3,4; \\sqrt{12}: 0,1,2");
    assert.equal(await shown([4, 2, 0, 3, 1]), await shown([0, 1, 2, 3, 4]));
  });
});

/** Merges out of what a test says of each pair of keys: equal, different or unknown. */
function knowing(of: (a: string, b: string) => boolean | null): GroupMerges {
  const keysOf = (group: VoteGroup) => group.keys ?? [group.key];
  return {
    merged(groups) {
      const joint: VoteGroup[][] = [];
      for (const group of groups) {
        const equal = joint.filter((others) => others.some((other) => of(group.key, other.key) === true));
        for (const others of equal) joint.splice(joint.indexOf(others), 1);
        joint.push([...equal.flat(), group]);
      }
      return joint.map((members) => {
        const chains = members.flatMap(({ chains }) => chains).sort((a, b) => a - b);
        const [first] = members.toSorted((a, b) => a.chains[0] - b.chains[0]);
        return { ...first, chains, count: chains.length, keys: members.map(({ key }) => key) };
      });
    },
    apart: (a, b) => keysOf(a).some((x) => keysOf(b).some((y) => of(x, y) === false)),
  };
}

/** Every way to say which of some keys are one answer: for each key the lowest one that it equals. */
function* partitions(keys: readonly string[]): Generator<Map<string, string>> {
  if (keys.length === 0) return yield new Map();
  const last = keys.at(-1)!;
  for (const before of partitions(keys.slice(0, -1)))
    for (const joins of [...new Set(before.values()), last]) yield new Map([...before, [last, joins]]);
}

describe("a certain winner", () => {
  test("stays it, whatever spellings still prove equal and whatever the chains still running say", () => {
    const keys = ["a", "b", "c", "d"];
    let certain = 0;
    for (let width = 2; width <= 4; width++)
      for (let code = 0; code < 4 ** width; code++) {
        const state = Array.from({ length: width }, (_, i) => ["a", "b", "c", null][Math.floor(code / 4 ** i) % 4]);
        const running = state.flatMap((key, i) => (key === null ? [i] : []));
        // Of the three pairs among what was said, each is known or not.
        for (const truth of partitions(keys))
          for (let mask = 0; mask < 8; mask++) {
            const place = ["ab", "ac", "bc"];
            const of = (x: string, y: string) => {
              const at = place.indexOf([x, y].sort().join(""));
              return at >= 0 && mask & (1 << at) ? truth.get(x) === truth.get(y) : null;
            };
            const vote = new Vote(knowing(of));
            for (const [i, key] of state.entries()) if (key) vote.cast(i, said(key));
            if (!vote.decided(running)) continue;
            const winner = vote.winner();
            if (!winner) continue;
            certain++;
            for (const whole of partitions(keys)) {
              if (
                place.some(
                  (pair, at) =>
                    mask & (1 << at) && of(pair[0], pair[1]) !== (whole.get(pair[0]) === whole.get(pair[1])),
                )
              )
                continue;
              for (const rest of fillings(running.length, [...keys, null])) {
                const end = new Vote(knowing((x, y) => whole.get(x) === whole.get(y)));
                for (const [i, key] of state.entries()) if (key) end.cast(i, said(key));
                for (const [at, i] of running.entries()) if (rest[at]) end.cast(i, said(rest[at]));
                assert.ok(
                  end.winner()?.keys?.includes(winner.key),
                  `${state.map(String)}: ${winner.key} was certain, then ${rest} with ${[...whole].join(" ")}`,
                );
              }
            }
          }
      }
    assert.ok(certain > 500, `${certain}`);
  });

  test("rivals that may be one answer count as one; known to differ, they do not", () => {
    const votes = (of: (a: string, b: string) => boolean | null) => {
      const vote = new Vote(knowing(of));
      for (const [i, key] of ["a", "a", "a", "b", "b", "c", "c"].entries()) vote.cast(i, said(key));
      return vote;
    };
    assert.equal(votes(() => false).decided([]), true);
    assert.equal(votes(() => null).decided([]), false);
    assert.equal(votes((x, y) => (x + y === "bc" || x + y === "cb" ? false : null)).decided([]), true); // into a only
    assert.equal(votes((x, y) => x !== "a" && y !== "a").winner()?.key, "b");
  });
});

function* fillings<T>(length: number, values: T[]): Generator<T[]> {
  for (let code = 0; code < values.length ** length; code++)
    yield Array.from({ length }, (_, i) => values[Math.floor(code / values.length ** i) % values.length]);
}

describe("scale", () => {
  let session: Session;
  before(async () => {
    session = await load({ model: fileURLToPath(new URL("../../models/beads", import.meta.url)) });
  });
  after(() => session.close());

  const prompt = { ids: [1, 2, 3] };
  const common = { policy: "full", stopIds: [], maxTokens: 300, thinking: null } satisfies ScaleOptions;

  /** What the events and the result are when chains say these texts in this order. */
  async function played(texts: readonly (readonly [chain: number, text: string])[], options: ScaleOptions) {
    const script = new Script(session);
    const scaling = scale(script.session, prompt, { ...common, ...options });
    const events: ScaleEvent[] = [];
    const read = (async () => {
      for await (const event of scaling) events.push(event);
    })();
    for (const [chain, text] of texts) await script.say(chain, text);
    const result = await scaling.result;
    await read;
    return { result, events, finishes: script.finishes };
  }
  const half = ["\\boxed{\\frac{\\sqrt{2}}{2}}", "\\boxed{\\frac{1}{\\sqrt{2}}}", "\\boxed{\\sqrt{0.5}}"];

  test("spellings of one answer vote as one, and events tell each merge before the result", async () => {
    const texts = [...half, "\\boxed{3}", "\\boxed{3}"].map((text, i) => [i, text] as const);
    const apart = await played(texts, { width: 5 });
    assert.equal(apart.result.answer, "3");
    assert.deepEqual(apart.result.merges, []);
    const { result, events } = await played(texts, { width: 5, merge: true });
    assert.equal(result.answer, "\\frac{\\sqrt{2}}{2}");
    assert.deepEqual(
      result.groups.map(({ chains }) => chains),
      [
        [0, 1, 2],
        [3, 4],
      ],
    );
    const told = events.flatMap((event) => (event.type === "merge" ? [event.merge] : []));
    assert.equal(told.length, 2);
    assert.deepEqual(told, result.merges);
    assert.deepEqual(
      events.slice(-2).map(({ type }) => type),
      ["vote", "result"],
    );
    const last = events.at(-2);
    assert.ok(last?.type === "vote" && last.decided && last.running === 0);
    assert.deepEqual(last.groups, result.groups);
  });

  test("early stop waits for rivals that may be one, and comes as soon as they differ", async () => {
    // 3 for 3, one each for two expressions that begin lower, one chain runs: together they would have 3, too.
    const first = new Script(session);
    const decided = scale(first.session, prompt, { ...common, width: 6, merge: true });
    for (const [i, text] of ["x+1", "x-1", "3", "3", "3"].entries()) await first.say(i, `\\boxed{${text}}`);
    assert.equal(first.finishes[5], null);
    const { answer, stopped, merges } = await decided.result; // nobody ends the last chain but the vote
    assert.deepEqual([answer, stopped, merges], ["3", 1, []]);
    // 2, 1 and 1, and one runs: the two are one, and the last chain decides.
    const script = new Script(session);
    await using equality = new Equality();
    const scaling = scale(script.session, prompt, { ...common, width: 5, merge: equality });
    scaling.result.catch(() => {});
    for (const [chain, text] of ["3", "3", "x+1", "1+x"].entries()) await script.say(chain, `\\boxed{${text}}`);
    while (!(await mergedYet(equality))) await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(script.finishes[4], null);
    await script.say(4, "\\boxed{x + 1}");
    assert.equal((await scaling.result).answer, "x+1");
  });

  /** The library has answered what was asked before this. */
  const mergedYet = async (equality: Equality) =>
    (await equality.equal("\\sqrt{8}", "2\\sqrt{2}")).equal && equality.starts === 1;

  test("what cannot be decided stays apart, and the last vote is decided all the same", async () => {
    await using equality = new Equality({ limit: 300 });
    const texts = ["9^{9^{9^9}}", "9^{9^{9^{9}}}+1"].map((text, i) => [i, `\\boxed{${text}}`] as const);
    const { result, events } = await played(texts, { width: 2, merge: equality, earlyStop: false });
    assert.equal(result.groups.length, 2);
    const last = events.at(-2);
    assert.ok(last?.type === "vote" && last.decided);
  });

  test("votes of numbers and choices start no library", async () => {
    await using equality = new Equality();
    const texts = ["3", "4", "\\frac12", "0.5", "C"].map((text, i) => [i, `\\boxed{${text}}`] as const);
    const { result } = await played(texts, { width: 5, merge: equality });
    assert.equal(result.groups[0].key, "1/2");
    assert.deepEqual(result.merges, []);
    assert.equal(equality.starts, 0);
  });

  test("an equality of one's own stays open; a call that is left leaves its own behind", async () => {
    await using equality = new Equality();
    const texts = half.map((text, i) => [i, text] as const);
    await played(texts, { width: 3, merge: equality });
    assert.equal((await equality.equal("x+x", "2x")).equal, true);
    assert.equal(equality.starts, 1);
    const script = new Script(session);
    const controller = new AbortController();
    const scaling = scale(script.session, prompt, { ...common, width: 3, merge: true, signal: controller.signal });
    await script.say(0, half[0]);
    await script.say(1, half[1]);
    controller.abort();
    await assert.rejects(scaling.result, { code: "aborted" });
  });
});
