// Where the thinking of a chain begins and ends: tags count unless the text merely mentions them.

export interface Thinking {
  open: string; // such as <think>
  close: string;
}

interface Tag {
  at: number;
  open: boolean;
}

/**
 * What a chain said after its thinking; null while the thinking goes on. `opened`: the prompt opened it. The first closing
 * tag that is not quoted ends it; later, a tag that stands within a sentence is a mention, and one that begins a line or
 * follows a sentence opens a second thinking.
 */
export function afterThinking(text: string, thinking: Thinking, opened: boolean): string | null {
  const tags = unquoted(text, thinking);
  const first = tags.findIndex((tag) => !tag.open);
  if (first < 0) return opened || tags.some((tag) => begins(text, tag)) ? null : text;
  let from = tags[first].at + thinking.close.length;
  let again = false;
  for (const tag of tags.slice(first + 1)) {
    if (tag.open) again ||= begins(text, tag);
    else if (again) {
      from = tag.at + thinking.close.length;
      again = false;
    }
  }
  return again ? null : text.slice(from);
}

/** Whether `text`, what stands in a prompt after the user's last turn, leaves the thinking open. */
export function leavesOpen(text: string, thinking: Thinking): boolean {
  return (
    unquoted(text, thinking)
      .filter((tag) => !tag.open || begins(text, tag))
      .at(-1)?.open ?? false
  );
}

/** Whether an opening tag can be meant: no word of the same sentence stands before it. */
function begins(text: string, { at, open }: Tag): boolean {
  return open && !/[^\s.!?:;})\]$*>|][^\S\n]*$/.test(text.slice(Math.max(0, at - 20), at));
}

const QUOTES = "\"'`“”‘’«»";
const BRACKETS = new Map([
  ["(", ")"],
  ["[", "]"],
]);

/** The tags outside code fences, code spans and quotes. One pass. */
function unquoted(text: string, { open, close }: Thinking): Tag[] {
  const tags: Tag[] = [];
  const literal = (mark: string) => mark.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
  const marks = new RegExp(`${literal(open)}|${literal(close)}|\`+`, "g");
  for (let match = marks.exec(text); match; match = marks.exec(text)) {
    const [mark] = match;
    const end = match.index + mark.length;
    if (mark[0] === "`" && mark !== open && mark !== close) marks.lastIndex = codeEnd(text, end, mark.length);
    else if (!isQuoted(text[match.index - 1], text[end])) tags.push({ at: match.index, open: mark === open });
  }
  return tags;
}

const isQuoted = (before: string | undefined, after: string | undefined): boolean =>
  before !== undefined &&
  after !== undefined &&
  ((QUOTES.includes(before) && QUOTES.includes(after)) || BRACKETS.get(before) === after);

/** Where the code that `run` backticks before `at` open ends; `at` where nothing closes it. */
function codeEnd(text: string, at: number, run: number): number {
  const mark = "`".repeat(Math.min(run, 3));
  const ahead = text.slice(at, at + LONGEST_CODE);
  const end = ahead.indexOf(mark);
  const line = run < 3 ? ahead.indexOf("\n") : -1; // a span stays on its line, a fence does not
  return end < 0 || (line >= 0 && line < end) ? at : at + end + mark.length;
}

/** Longest code in characters within which a tag counts as quoted; bounds the work of text made of backticks. */
const LONGEST_CODE = 4096;
