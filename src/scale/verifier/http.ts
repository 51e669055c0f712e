import { badArgument } from "../../base/errors.ts";
import { type EachOptions, judgeEach } from "./each.ts";
import { REWARD_FORMS, type RewardForm, type RewardFormName } from "./forms.ts";
import { told, type Verifier, type VerifierChain } from "./verifier.ts";

export interface RewardOptions extends EachOptions {
  /** The server's address; the form's path is added where it does not end in it. */
  url: string;
  /** Default vllm-classify. */
  form?: RewardFormName;
  /** The model's name, where the server has to be told. */
  model?: string;
  /** What is judged: what a chain said after its thinking (default), or all of it. */
  reads?: "reply" | "text";
  /** The model's template with {prompt} and {text} in it, where the server has none of its own. */
  template?: string;
  /** Which class of several is the score, from 0; default the last (sglang-classify: the first). */
  label?: number;
  /** sglang-score: ids of the label tokens, the one that means "right" first. */
  labelTokens?: readonly number[];
  /** Sent as `Authorization: Bearer`. */
  key?: string;
}

/** Most bytes of a reply: a reward a token of a long chain fits. */
const MOST_BYTES = 16 << 20;

/**
 * A reward model behind an HTTP server, asked chain by chain. What is no score (an error, a status other than 2xx,
 * another body than the form's, one that is too large, a redirection, or none within the limit) costs that chain its
 * vote. Throws `bad-argument` for options that make no request.
 */
export function rewardModel(options: RewardOptions): Verifier {
  const { form: name = "vllm-classify", model, reads = "reply", template, label, labelTokens, key } = options;
  if (!Object.hasOwn(REWARD_FORMS, name))
    throw badArgument(`unknown form "${name}": expected one of ${Object.keys(REWARD_FORMS).join(", ")}`);
  const form: RewardForm = REWARD_FORMS[name];
  const url = addressOf(options.url, form.path);
  checkOptions(options, name);
  const headers = { "content-type": "application/json", ...(key ? { authorization: `Bearer ${key}` } : {}) };
  return {
    name: `reward model at ${url}`,
    score: judgeEach(async (chain, signal) => {
      const words = chain[reads];
      if (words === null) throw new Error("its thinking did not end, so there is no reply to judge");
      const query = { model, chain, words, template, fill: filling(chain, words), label, labelTokens };
      const body = JSON.stringify({ ...(model === undefined ? {} : { model }), ...form.body(query) });
      const reply = await ask(url, { method: "POST", headers, body, signal, redirect: "error" });
      const score = form.score(reply, query);
      if (typeof score !== "number")
        throw new Error(`expected ${name}'s reply, got ${told(JSON.stringify(reply), 120)}`);
      return score;
    }, options),
  };
}

function addressOf(text: string, path: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (!url || !/^https?:$/.test(url.protocol))
    throw badArgument(`a reward model's address: expected http://HOST:PORT or https://.., got "${text}"`);
  if (url.username || url.password) throw badArgument("a reward model's address: expected no password in it");
  const [, base, query = ""] = /^([^?#]*?)\/*(\?[^#]*)?(?:#.*)?$/.exec(url.href)!;
  return (base.endsWith(path) ? base : base + path) + query;
}

function checkOptions({ reads, template, label, labelTokens }: RewardOptions, form: RewardFormName): void {
  if (reads !== undefined && reads !== "reply" && reads !== "text")
    throw badArgument(`a reward model reads reply or text, got ${reads}`);
  if (template !== undefined && !(template.includes("{text}") && template.includes("{prompt}")))
    throw badArgument(`a reward model's template: expected {prompt} and {text} in it, got "${template}"`);
  if (template !== undefined && form === "vllm-score")
    throw badArgument("vllm-score: the server has the template of the pair; leave it out");
  if (template === undefined && form === "sglang-classify")
    throw badArgument("sglang-classify: expected a template, as this server takes text and renders no chat");
  if (label !== undefined && !(Number.isInteger(label) && label >= 0))
    throw badArgument(`a reward model's label: expected a whole number from 0, got ${label}`);
  const tokens = labelTokens?.length ? labelTokens.every((id) => Number.isInteger(id) && id >= 0) : false;
  if (form === "sglang-score" ? !tokens : labelTokens !== undefined)
    throw badArgument(
      form === "sglang-score"
        ? 'sglang-score: expected ids of label tokens, such as those of "Yes" and "No"'
        : `label tokens belong to sglang-score, got them with ${form}`,
    );
}

/** In one pass: a prompt that spells {text} stays as it is. */
const filling =
  ({ prompt }: VerifierChain, text: string) =>
  (template: string): string =>
    template.replace(/\{(?:prompt|text)\}/g, (name) => (name === "{text}" ? text : prompt));

async function ask(url: string, request: RequestInit): Promise<unknown> {
  const response = await fetch(url, request).catch((error: Error) => {
    const { message } = (error.cause as Error | undefined) ?? error;
    throw new Error(`no reply: ${told(message)}`);
  });
  const text = await bodyOf(response);
  if (!response.ok) throw new Error(`HTTP ${response.status}: ${told(text, 200)}`);
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`expected JSON, got ${told(text, 120) || "nothing"}`);
  }
}

async function bodyOf({ body }: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of body ?? []) {
    bytes += part.length;
    if (bytes > MOST_BYTES) throw new Error(`its reply is larger than ${MOST_BYTES >> 20} MiB`);
    parts.push(part);
  }
  const all = new Uint8Array(bytes);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return new TextDecoder().decode(all);
}
