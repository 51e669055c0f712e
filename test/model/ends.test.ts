// What ends a reply: all that the files name, the tokenizer's end token, and the template's end of a turn.
import assert from "node:assert/strict";
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { generate } from "../../src/request/generate.ts";
import { load } from "../../src/request/session.ts";
import { withFolder } from "../support/checkpoint.ts";

const beads = fileURLToPath(new URL("../../models/beads/", import.meta.url));
const question = "A drum has 3 beads. How many beads are in the drum?";
const [ENDOFTEXT, IM_START, IM_END] = [475, 476, 477];
type Json = Record<string, unknown>;
const BARE = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}";

/** End ids and notes of models/beads with other files, and its reply to the question where one is asked for. */
const altered = (change: { config?: Json; generation?: Json | null; tokenizer?: Json; map?: Json }, asks = false) =>
  withFolder({}, async (folder) => {
    cpSync(beads, folder, { recursive: true });
    const edit = (file: string, changes: Json = {}) => {
      const json = { ...JSON.parse(readFileSync(join(beads, file), "utf8")), ...changes };
      writeFileSync(join(folder, file), JSON.stringify(json));
    };
    edit("config.json", { eos_token_id: ENDOFTEXT, ...change.config });
    edit("tokenizer_config.json", change.tokenizer);
    if (change.generation) edit("generation_config.json", change.generation);
    else rmSync(join(folder, "generation_config.json"));
    if (change.map) writeFileSync(join(folder, "special_tokens_map.json"), JSON.stringify(change.map));
    await using session = await load({ model: folder, kvMemory: 1 << 24 });
    const reply = asks
      ? await generate(session, question, { temperature: 0, maxTokens: 400 }).result
      : { text: "", finish: "" };
    return { ids: session.config.eosIds, notes: session.notes, ...reply };
  });

describe("ends of a reply", () => {
  test("only the tokenizer names it: the reply ends there", async () => {
    const { ids, notes } = await altered({ tokenizer: { chat_template: BARE } });
    assert.deepEqual([ids, notes], [[ENDOFTEXT, IM_END], []]);
    await using session = await load({ model: beads, kvMemory: 1 << 24 });
    const whole = await generate(session, question, { temperature: 0, maxTokens: 400 }).result;
    const reply = await altered({}, true);
    assert.deepEqual([reply.finish, reply.text], ["stop", whole.text]);
  });

  test("special_tokens_map.json, where tokenizer_config.json names none; an object with its content", async () => {
    const map = { eos_token: { content: "<|im_end|>", lstrip: false } };
    const tokenizer = { eos_token: null, chat_template: BARE };
    assert.deepEqual((await altered({ tokenizer, map })).ids, [ENDOFTEXT, IM_END]);
    const other = { ...tokenizer, eos_token: { content: "<|im_start|>" } };
    assert.deepEqual((await altered({ tokenizer: other, map })).ids, [ENDOFTEXT, IM_START]);
  });

  test("all that config.json and generation_config.json name", async () => {
    const generation = { eos_token_id: [IM_START, ENDOFTEXT] };
    const { ids, notes } = await altered({ generation });
    assert.deepEqual([ids, notes], [[ENDOFTEXT, IM_START, IM_END], []]);
  });

  test("the template ends a turn with another token: that too, and a note says so", async () => {
    const tokenizer = { eos_token: "<|endoftext|>" };
    const { ids, notes, finish } = await altered({ tokenizer }, true);
    assert.deepEqual(ids, [ENDOFTEXT, IM_END]);
    assert.match(notes.join(), /^replies end at <\|im_end\|> too.*the files name <\|endoftext\|>$/);
    assert.equal(finish, "stop");
  });

  test("a token that the vocabulary or the model does not have", async () => {
    const { ids, notes } = await altered({ tokenizer: { eos_token: "<|none|>", chat_template: BARE } });
    assert.deepEqual(ids, [ENDOFTEXT]);
    assert.match(notes.join(), /end token "<\|none\|>" is none of the model's tokens/);
    const beyond = await altered({ config: { eos_token_id: [ENDOFTEXT, 1 << 20] } });
    assert.deepEqual(beyond.ids, [ENDOFTEXT, IM_END]);
  });

  test("none is known", async () => {
    const { ids, notes } = await altered({
      config: { eos_token_id: null },
      tokenizer: { eos_token: null, chat_template: BARE },
    });
    assert.deepEqual(ids, []);
    assert.match(notes.join(), /no end token is known/);
  });
});
