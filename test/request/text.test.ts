// Stop strings are sought with special tokens; what is shown is without them.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { seeded } from "../../src/base/rng.ts";
import { generate } from "../../src/request/generate.ts";
import { load, type Session } from "../../src/request/session.ts";
import { ChainText } from "../../src/request/text.ts";
import { scale } from "../../src/scale/scale.ts";

const question = "A drum has 3 beads. How many beads are in the drum?";

describe("stop strings and special tokens", () => {
  let session: Session;
  before(async () => {
    session = await load({ model: fileURLToPath(new URL("../../models/beads", import.meta.url)), kvMemory: 1 << 25 });
  });
  after(() => session.close());

  const run = async (spelled: string, stops: string[], special = false) => {
    const ids = await session.tokenizer.encode(spelled, { special: false });
    const text = new ChainText(session.tokenizer, stops, { special });
    let shown = "";
    for (const id of ids) {
      shown += text.push(id);
      if (text.stopped) break;
    }
    shown += text.end();
    assert.equal(shown, text.text);
    return { shown, stopped: text.stopped };
  };

  const reply = "Let me see.</think>\n\nThe answer.<|im_end|>\n<|im_start|>user\nAnd?";
  const plain = "Let me see.\n\nThe answer.\nuser\nAnd?";
  for (const [stop, shown] of [
    ["</think>", "Let me see."],
    ["</think>\n\n", "Let me see."],
    ["see.</think>", "Let me "],
    ["\n\nThe", "Let me see."],
    ["<|im_end|>", "Let me see.\n\nThe answer."],
    ["<|im_end|>\n<|im_start|>user", "Let me see.\n\nThe answer."],
    ["\n<|im_start|>user", "Let me see.\n\nThe answer."],
    ["<|im_start|>", "Let me see.\n\nThe answer.\n"],
    ["answer.\nuser", null], // a special token stands between
    ["<|im_end|>\n<|im_start|>system", null],
  ] as const)
    test(JSON.stringify(stop), async () => {
      assert.deepEqual(await run(reply, [stop]), { shown: shown ?? plain, stopped: shown !== null });
      // With special tokens shown, as scale has them, the same stop acts at the same place.
      const all = reply.indexOf(stop);
      assert.deepEqual(await run(reply, [stop], true), {
        shown: all < 0 ? reply : reply.slice(0, all),
        stopped: all >= 0,
      });
    });

  test("at random: the spelled-out text up to the first stop, less its special tokens", async () => {
    const tokens = ["<think>", "</think>", "<|im_end|>"];
    const alphabet = ["a", "b", "ab", " ", "\n", "é", "😀", ...tokens];
    const hide = (text: string) => tokens.reduce((rest, token) => rest.replaceAll(token, ""), text);
    for (let seed = 0; seed < 200; seed++) {
      const rng = seeded(seed);
      const draw = (count: number) =>
        Array.from({ length: count }, () => alphabet[rng.below(alphabet.length)]).join("");
      const [text, stop] = [draw(40), draw(1 + rng.below(3))];
      const at = text.indexOf(stop);
      const expected = { shown: hide(at < 0 ? text : text.slice(0, at)), stopped: at >= 0 };
      assert.deepEqual(await run(text, [stop]), expected, JSON.stringify({ text, stop }));
    }
  });

  test("generate stops at the tag that ends the thinking, as scale does", async () => {
    const stop = ["</think>"];
    const whole = (await generate(session, question, { temperature: 0, maxTokens: 300 }).result).text;
    const { text, finish } = await generate(session, question, { temperature: 0, maxTokens: 300, stop }).result;
    const [chain] = (await scale(session, question, { temperature: 0, width: 1, maxTokens: 300, stop }).result).chains;
    assert.ok(text.length > 0 && whole.startsWith(text) && text.length < whole.length, JSON.stringify({ text, whole }));
    assert.equal(finish, "stop");
    assert.equal(chain.text, text);
  });
});
