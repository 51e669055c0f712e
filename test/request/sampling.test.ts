// Who decides how tokens are drawn: the caller, the checkpoint's generation_config.json, or the default.
import assert from "node:assert/strict";
import { test } from "node:test";
import { greedy } from "../../src/engine/sampling.ts";
import { chooseSampling } from "../../src/request/sampling.ts";
import { suggestedSampling } from "../../src/request/suggested.ts";

test("generation_config.json is read as transformers reads it", () => {
  for (const [json, sampling] of [
    [null, {}],
    [{ eos_token_id: 2 }, {}],
    [
      { do_sample: true, temperature: 0.6, top_k: 20, top_p: 0.95, min_p: 0.1, repetition_penalty: 1.05 },
      { temperature: 0.6, topK: 20, topP: 0.95, minP: 0.1, repetitionPenalty: 1.05 },
    ],
    [
      { do_sample: true, top_k: 0 },
      { temperature: 1, topK: 0 },
    ],
    [
      { do_sample: false, temperature: 0.6, top_p: 0.9 },
      { temperature: 0, topP: 0.9 },
    ],
    [{ temperature: 0.9, top_p: 0.6 }, { topP: 0.6 }], // do_sample is false where it is missing
    [{ do_sample: null, temperature: null, top_k: null, repetition_penalty: 1.2 }, { repetitionPenalty: 1.2 }],
  ] as const)
    assert.deepEqual(suggestedSampling(json), { sampling, nudge: null, notes: [] }, JSON.stringify(json));
});

test("values out of range are left out, with a note each", () => {
  const { sampling, notes } = suggestedSampling({
    do_sample: true,
    temperature: -1,
    top_k: 2.5,
    top_p: "0.9",
    min_p: Number.NaN,
    repetition_penalty: [1],
  });
  assert.deepEqual(sampling, { temperature: 1 });
  assert.equal(notes.length, 5);
  assert.match(notes[0], /^generation_config\.json: temperature -1 is ignored: temperature must be a number from 0/);
  assert.deepEqual(suggestedSampling({ do_sample: "yes", temperature: 0.5 }), {
    sampling: {},
    nudge: null,
    notes: ['generation_config.json: do_sample "yes" is ignored: expected true or false'],
  });
});

test("a nudge of the thinking is a text that is not too long", () => {
  assert.deepEqual(suggestedSampling({ thinking_nudge: " wait\n" }), { sampling: {}, nudge: " wait\n", notes: [] });
  for (const thinking_nudge of ["", 3, "x".repeat(1001)]) {
    const { nudge, notes } = suggestedSampling({ thinking_nudge });
    assert.equal(nudge, null);
    assert.match(notes.join(), /^generation_config\.json: thinking_nudge .* is ignored: expected a text of up to 1000/);
  }
});

test("settings that this engine has not are told, unless they change nothing", () => {
  const neutral = { num_beams: 1, no_repeat_ngram_size: 0, typical_p: 1, penalty_alpha: null, suppress_tokens: [] };
  assert.deepEqual(suggestedSampling(neutral).notes, []);
  const [note, ...more] = suggestedSampling({ num_beams: 4, no_repeat_ngram_size: 3, stop_strings: ["\x1b"] }).notes;
  assert.match(note, /num_beams 4, no_repeat_ngram_size 3, stop_strings \["\\u001b"\]: not applied/);
  assert.deepEqual(more, []);
});

test("field by field the caller wins over the checkpoint, and the checkpoint over the default", () => {
  const { from, ...used } = chooseSampling({ temperature: 0, seed: 7 }, { temperature: 0.6, topK: 20 }, greedy);
  assert.deepEqual(used, { ...greedy, seed: 7, topK: 20 });
  assert.deepEqual(from, {
    temperature: "given",
    topK: "generation_config",
    topP: "default",
    minP: "default",
    repetitionPenalty: "default",
    seed: "given",
    logprobs: "default",
  });
});
