import { badArgument, badFile } from "../../base/errors.ts";
import { greedy } from "../../engine/sampling.ts";
import type { ChatMessage } from "../../model/chat.ts";
import { generate } from "../../request/generate.ts";
import { encodePrompt } from "../../request/prompt.ts";
import { load } from "../../request/session.ts";
import type { Check, VerifyOptions } from "./check.ts";

interface Case {
  messages: ChatMessage[];
  prompt: string;
  prompt_ids: number[];
  greedy_ids: number[];
  gaps: number[];
  text: string;
}

/** Ids are compared up to the first step whose two best logits are closer than this: rounding decides there. */
const SMALLEST_GAP = 0.01;

/** Chat template, tokenizer and greedy text of a model against transformers'. */
export async function* verifyText(
  folder: string,
  golden: Record<string, unknown>,
  options: VerifyOptions,
): AsyncGenerator<Check> {
  const model = typeof options.model === "function" ? options.model(String(golden.model)) : options.model;
  if (model === null)
    return yield {
      name: "all",
      status: "UNRUN",
      detail: `the model ${golden.model} is not here: bring it into models, or say --model FOLDER with it`,
    };
  if (!model)
    throw badArgument(`${folder} compares texts of the model "${golden.model}": expected --model FOLDER with it`);
  const cases = golden.cases as Case[];
  const most = Number(golden.max_new_tokens);
  if (!Array.isArray(cases) || !Number.isInteger(most))
    throw badFile(`${folder}/golden.json: expected cases and max_new_tokens`);
  await using session = await load({
    ...options,
    model,
    weights: options.weights ?? "f32",
    kv: options.kv ?? "f32",
    chains: 1,
  });
  for (const [i, item] of cases.entries()) {
    const { text, ids } = await encodePrompt(session, item.messages);
    yield same(`case ${i}: rendered prompt`, text === item.prompt, text ?? "", item.prompt);
    yield same(`case ${i}: prompt ids`, sameIds(ids, item.prompt_ids), ids, item.prompt_ids);
    const drawn: number[] = [];
    const generation = generate(session, item.messages, { ...greedy, maxTokens: most, policy: "full" });
    for await (const piece of generation) if (piece.token) drawn.push(piece.token.id);
    const result = await generation.result;
    const cut = item.gaps.findIndex((gap) => gap < SMALLEST_GAP);
    const until = cut < 0 ? item.greedy_ids.length : cut;
    const wrong = item.greedy_ids.slice(0, until).findIndex((id, s) => id !== drawn[s]);
    yield {
      name: `case ${i}: greedy ids`,
      status: wrong < 0 && (cut >= 0 || drawn.length === item.greedy_ids.length) ? "PASS" : "FAIL",
      detail:
        wrong < 0
          ? `${until} of ${item.greedy_ids.length} compared, all equal`
          : `step ${wrong}: expected ${item.greedy_ids[wrong]}, got ${drawn[wrong]}`,
    };
    if (cut < 0) yield same(`case ${i}: text`, result.text === item.text, result.text, item.text);
    else
      yield {
        name: `case ${i}: text`,
        status: "UNRUN",
        detail: `two logits are within ${SMALLEST_GAP} at step ${cut}`,
      };
  }
}

const sameIds = (a: readonly number[], b: readonly number[]) =>
  a.length === b.length && a.every((id, i) => id === b[i]);

function same(name: string, ok: boolean, got: unknown, expected: unknown): Check {
  const show = (value: unknown) => JSON.stringify(value).slice(0, 200);
  return { name, status: ok ? "PASS" : "FAIL", detail: ok ? "equal" : `expected ${show(expected)}, got ${show(got)}` };
}
