import type { Source } from "./source.ts";

/** Special tokens by the names that chat templates know them by. Null: the model says that it has none. */
export type SpecialTokens = Record<string, string | string[] | null>;

const NAMES = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/** Of tokenizer_config.json; those that it does not name, of special_tokens_map.json, where older folders have them. */
export async function specialTokens(source: Source, config: Record<string, unknown>): Promise<SpecialTokens> {
  const map = ((await source.json("special_tokens_map.json")) ?? {}) as Record<string, unknown>;
  const tokens: SpecialTokens = {};
  for (const name of NAMES) {
    const value = config[name] === undefined ? map[name] : config[name];
    const text = content(value);
    if (text !== null || value === null) tokens[name] = text;
  }
  const more = config.additional_special_tokens ?? map.additional_special_tokens;
  if (Array.isArray(more)) tokens.additional_special_tokens = more.map(content).filter((text) => text !== null);
  const { extra_special_tokens: extra } = config;
  if (typeof extra === "object" && extra !== null && !Array.isArray(extra))
    for (const [name, value] of Object.entries(extra)) {
      const text = content(value);
      if (text !== null) tokens[name] = text;
    }
  return tokens;
}

/** A token is a text, or an object with `content`. */
function content(value: unknown): string | null {
  const text = typeof value === "object" && value !== null ? (value as { content?: unknown }).content : value;
  return typeof text === "string" ? text : null;
}
