import { badFile } from "./errors.ts";
import { visible } from "./visible.ts";

/**
 * Parses an untrusted file's text. Throws `bad-file` that names `what`, the line and
 * the column (from 1, in UTF-16 units).
 */
export function parseJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const { message } = error as SyntaxError;
    const before = text.slice(0, placeOf(text, message)).split("\n");
    const reason = visible(message.replace(/ in JSON at position.*|(?<=^Unexpected token '.{1,2}'),.*/su, ""));
    throw badFile(`${what}: expected JSON: line ${before.length}, column ${before.at(-1)!.length + 1}: ${reason}`);
  }
}

const TOKEN = "Unexpected token";

function placeOf(text: string, message: string): number {
  const said = / at position (\d+)/.exec(message);
  if (said) return Number(said[1]);
  if (!message.startsWith(TOKEN)) return text.length;
  // Of a wrong token V8 tells no place: it is where the shortest beginning of the text that has the same fault ends.
  const faulty = (length: number) => {
    try {
      JSON.parse(text.slice(0, length));
    } catch (error) {
      return (error as SyntaxError).message.startsWith(TOKEN);
    }
    return false;
  };
  let [sound, wrong] = [0, text.length];
  while (wrong - sound > 1) {
    const middle = (sound + wrong) >> 1;
    if (faulty(middle)) wrong = middle;
    else sound = middle;
  }
  return sound;
}
