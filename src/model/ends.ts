import type { ChatTemplate } from "./chat.ts";
import type { ModelConfig } from "./config.ts";
import type { Source } from "./source.ts";
import { specialTokens } from "./special.ts";
import type { Tokenizer } from "./tokenizer.ts";

/**
 * Token ids that end a reply: every end id that config.json and generation_config.json name, the tokenizer's end token,
 * and the special token by which the chat template ends an assistant's turn. A fine-tune is often saved with its base
 * model's ids, and a reply that runs past its end goes on with turns that nobody asked for.
 */
export async function endsOf(
  config: ModelConfig,
  source: Source,
  tokenizer: Tokenizer | Error,
  chat: ChatTemplate | Error,
  note: (text: string) => void,
): Promise<number[]> {
  const ids = new Set(config.eosIds.filter((id) => id < config.vocabulary));
  if (!(tokenizer instanceof Error)) {
    const named = await eosToken(source);
    const id = named === null ? null : tokenizer.idOf(named);
    if (named !== null && (id === null || id >= config.vocabulary))
      note(`the tokenizer's end token ${JSON.stringify(named)} is none of the model's tokens: it ends no reply`);
    else if (id !== null) ids.add(id);
    const turn = chat instanceof Error ? null : turnEnd(tokenizer, chat);
    if (turn !== null && turn < config.vocabulary && !ids.has(turn)) {
      const text = (of: number) => tokenizer.decode([of], { special: true });
      if (ids.size)
        note(
          `replies end at ${text(turn)} too, as turns of the chat template do; the files name ${[...ids].map(text).join(", ")}`,
        );
      ids.add(turn);
    }
  }
  if (ids.size === 0)
    note(
      "no end token is known (config.json, generation_config.json, the tokenizer, the chat template): replies end at a stop text or a limit",
    );
  return [...ids];
}

/** The tokenizer's end token, as its files name it; null: none. */
export async function eosToken(source: Source): Promise<string | null> {
  try {
    const config = ((await source.json("tokenizer_config.json")) ?? {}) as Record<string, unknown>;
    // A reply must end: a null here is as a name that is not there.
    const eos_token = config.eos_token ?? undefined;
    const { eos_token: token } = await specialTokens(source, { ...config, eos_token });
    return typeof token === "string" && token ? token : null;
  } catch {
    return null; // a file that cannot be read is told of where the chat template is looked for
  }
}

/**
 * The special token right after an assistant's words; null where the template writes
 * none, or takes no such conversation.
 */
function turnEnd(tokenizer: Tokenizer, chat: ChatTemplate): number | null {
  const words = "Because.";
  const turns = [
    { role: "user", content: "Why?" },
    { role: "assistant", content: words },
  ];
  let text: string;
  try {
    text = chat.render(turns, { addGenerationPrompt: false });
  } catch {
    return null;
  }
  const at = text.lastIndexOf(words);
  if (at < 0) return null;
  const rest = text.slice(at + words.length).trimStart();
  const id = tokenizer.idOf(rest.slice(0, tokenizer.control.at(rest, 0)));
  return id !== null && tokenizer.special.has(id) ? id : null;
}
