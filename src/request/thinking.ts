// Where the thinking of a chain begins and ends: tags count unless the text merely mentions them.

export interface Thinking {
  open: string; // such as <think>
  close: string;
}

interface Tag {
  at: number;
  to: number; // after it
  open: boolean;
}

/**
 * What a chain said after its thinking; null while the thinking goes on. `opened`: the prompt opened it. The first
 * closing tag that is not quoted ends it; later, a tag that stands within a sentence is a mention, and one that begins
 * a line or follows a sentence opens a second thinking.
 */
export function afterThinking(text: string, thinking: Thinking, opened: boolean): string | null {
  let thinks = opened;
  let from = -1; // after the tag that ended it
  for (const tag of unquoted(text, thinking)) {
    if (tag.open) thinks ||= begins(text, tag);
    else if (thinks || from < 0) {
      from = tag.to;
      thinks = false;
    }
  }
  return thinks ? null : text.slice(Math.max(0, from));
}

/** Whether `text`, what stands in a prompt after the user's last turn, leaves the thinking open. */
export function leavesOpen(text: string, thinking: Thinking): boolean {
  let open = false;
  for (const tag of unquoted(text, thinking)) open = tag.open && (open || begins(text, tag));
  return open;
}

/**
 * Whether an opening tag can be meant: no word of the same sentence stands before it; a colon may, where the line ends.
 */
function begins(text: string, { at, to }: Tag): boolean {
  const before = text.slice(Math.max(0, at - 20), at);
  if (/[:;][^\S\n]*$/.test(before)) return /^[^\S\n]*(?:\n|$)/.test(text.slice(to, to + 20));
  return !/[^\s.!?})\]$*>|][^\S\n]*$/.test(before);
}

const QUOTES = "\"'`“”‘’«»";
const BRACKETS = new Map([
  ["(", ")"],
  ["[", "]"],
]);

/** The tags outside code fences, code spans and quotes. One pass. */
function* unquoted(text: string, { open, close }: Thinking): Generator<Tag> {
  const literal = (mark: string) => mark.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
  const known = [open, close].filter((tag) => tag !== "").map(literal);
  const marks = new RegExp([...known, "`+"].join("|"), "g");
  for (let match = marks.exec(text); match; match = marks.exec(text)) {
    const [mark] = match;
    const end = match.index + mark.length;
    if (mark !== open && mark !== close) marks.lastIndex = codeEnd(text, end, mark.length);
    else if (!isQuoted(text[match.index - 1], text[end])) yield { at: match.index, to: end, open: mark === open };
  }
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
