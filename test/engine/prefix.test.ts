// What of a chat stays whatever a policy's ranks say.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { type GenerateOptions, type Prompt, policyOf } from "../../src/engine/generate.ts";
import { load, type Session } from "../../src/engine/session.ts";
import { compileTemplate, replyOpening } from "../../src/model/chat.ts";

const CHATML =
  "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

test("what opens the model's reply is read off the template", () => {
  assert.equal(replyOpening(compileTemplate(CHATML, {}, "t")), "<|im_end|>\n<|im_start|>assistant\n");
  assert.equal(replyOpening(compileTemplate("nothing of the question", {}, "t")), "");
});

describe("protected prefixes", () => {
  let session: Session;
  before(async () => {
    session = await load({ model: fileURLToPath(new URL("../../models/beads", import.meta.url)), kvMemory: 1 << 24 });
  });
  after(() => session.close());

  const protectedBy = async (prompt: Prompt, options: GenerateOptions) => {
    const { cut } = await policyOf(session, prompt, options, 60, 100);
    return cut!.protect;
  };
  const question = { role: "user", content: "move 3 from A to B." };
  const system = { role: "system", content: "count beads with care." };

  test("protect=system: the template's words and the system text, and nothing of the question", async () => {
    const text = session.chat.render([system, question], { addGenerationPrompt: true });
    const before = await session.tokenizer.encode(text.slice(0, text.indexOf(question.content)), { special: false });
    assert.ok(before.length > 1);
    assert.equal(await protectedBy([system, question], { policy: "snapkv:cr=2,protect=system" }), before.length);
    await assert.rejects(protectedBy([question], { policy: "snapkv:cr=2", protect: "system" }), /system message/);
  });

  test("kvzip keeps a chat's prefix by itself, with or without a system text, and no more where it is told", async () => {
    const prefix = await protectedBy([system, question], { policy: "snapkv:cr=2", protect: "system" });
    assert.equal(await protectedBy([system, question], { policy: "kvzip:cr=2,sinks=0" }), prefix);
    const short = await protectedBy(question.content, { policy: "kvzip:cr=2,sinks=0" });
    assert.equal(short, await protectedBy([question], { policy: "kvzip:cr=2,sinks=0" }));
    assert.ok(Number(short) < Number(prefix));
    assert.equal(await protectedBy([system, question], { policy: "kvzip:cr=2,sinks=0", protect: 1 }), 1);
    assert.equal(await protectedBy({ raw: "beads" }, { policy: "kvzip:cr=2,sinks=0" }), 0);
  });

  test("kvzip's budget is of what comes after the prefix", async () => {
    const { cut } = await policyOf(session, [system, question], { policy: "kvzip:cr=4,sinks=0" }, 60, 100);
    const prefix = Number(cut!.protect);
    assert.equal(
      cut!.budget({ layer: 0, head: 0, layers: 4, kvHeads: 2, prompt: 60, tokens: 100 }),
      prefix + (60 - prefix) / 4,
    );
  });

  test("kvzip's request ends the user's turn and opens the model's", async () => {
    const { replay } = session.policy("kvzip:cr=2").cut!.watch;
    const opening = await session.tokenizer.encode(replyOpening(session.chat), { special: false });
    assert.ok(opening.length > 0);
    assert.deepEqual(replay!.reply, opening);
  });
});
