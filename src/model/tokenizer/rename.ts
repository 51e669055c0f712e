import { type AddedToken, isControl } from "./control.ts";

interface File {
  added_tokens?: AddedToken[];
  model: { vocab: [string, number][] | Record<string, number>; unk_token?: string | null; unk_id?: number | null };
}

/**
 * A tokenizer.json whose control tokens stand between two markers. Text that spells one as it was is then
 * text like any other for that tokenizer, and a control token is what the caller marks. Ids stay.
 * `unknown` is the id of what no token spells.
 */
export function rename(
  json: string,
  marker: string,
): { text: string; tokens: { content: string; marked: string }[]; unknown: number | null } {
  const file = JSON.parse(json) as File;
  const { model } = file;
  const tokens = (file.added_tokens ?? [])
    .filter(isControl)
    .map((token) => ({ token, content: token.content, marked: marker + token.content + marker }));
  const names = new Map(tokens.map(({ content, marked }) => [content, marked]));
  for (const { token, marked } of tokens) token.content = marked;
  const renamed = (name: string) => names.get(name) ?? name;
  model.vocab = Array.isArray(model.vocab)
    ? model.vocab.map(([name, score]) => [renamed(name), score])
    : Object.fromEntries(Object.entries(model.vocab).map(([name, id]) => [renamed(name), id]));
  if (model.unk_token) model.unk_token = renamed(model.unk_token);
  const unknown = Array.isArray(model.vocab) ? model.unk_id : model.vocab[model.unk_token ?? ""];
  // Tokens around a text are not asked of it, and those of the file have other names now.
  const text = JSON.stringify({ ...file, post_processor: null });
  return { text, tokens: tokens.map(({ content, marked }) => ({ content, marked })), unknown: unknown ?? null };
}
