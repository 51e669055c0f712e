// What of a chat stays whatever a policy's ranks say.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { compileTemplate, replyOpening } from "../../src/model/chat.ts";
import type { GenerateOptions } from "../../src/request/generate.ts";
import { policyOf } from "../../src/request/policy.ts";
import type { Prompt } from "../../src/request/prompt.ts";
import { load, type Session } from "../../src/request/session.ts";
import { scale } from "../../src/scale/scale.ts";
import { beadsFiles, withFolder } from "../support/checkpoint.ts";

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
    const { further } = session.policy("kvzip:cr=2").cut!.watch;
    const opening = await session.tokenizer.encode(replyOpening(session.chat), { special: false });
    assert.ok(opening.length > 0);
    const prompt = [1, 2, 3];
    const [{ ids }] = further!.readings(prompt);
    assert.deepEqual(ids.slice(-opening.length - 3), [...opening, ...prompt]);
  });
});

test("scale protects the prefix of the text that it reads, with what variables write there", async () => {
  const files = {
    ...beadsFiles(),
    "chat_template.jinja": `{% if enable_thinking %}count with care.\n{% endif %}${CHATML}`,
  };
  await withFolder(files, async (model) => {
    await using session = await load({ model, kvMemory: 1 << 24 });
    const question = { role: "user", content: "move 3 from A to B." };
    const prompt = [{ role: "system", content: "count beads." }, question];
    const prefixes = async (policy: string, template?: Record<string, unknown>) => {
      const result = await scale(session, prompt, { policy, template, width: 1, maxTokens: 1 }).result;
      const text = result.prompt.text!;
      const read = await session.tokenizer.encode(text.slice(0, text.indexOf(question.content)), { special: false });
      return { kept: Number(/(?:prefix|protect)=(\d+)$/.exec(result.policy)?.[1]), read: read.length };
    };
    for (const policy of ["kvzip:cr=2,sinks=0", "snapkv:cr=1.1,protect=system"]) {
      const thinking = await prefixes(policy);
      const silent = await prefixes(policy, { enable_thinking: false });
      assert.equal(thinking.kept, thinking.read, policy);
      assert.equal(silent.kept, silent.read, policy);
      assert.ok(thinking.read > silent.read, "the variable changes nothing: this test shows nothing");
    }
  });
});
