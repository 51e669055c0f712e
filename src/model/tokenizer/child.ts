// The program of the tokenizer's own process (process.ts says why it has one): opens a
// tokenizer, then encodes text by text.

import { Tokenizer as Library } from "tokenizers";
import { rename } from "./rename.ts";

/** What the parent asks, one at a time. The first opens (and tells the file's added tokens); the others need it. */
export type Request = { open: string; added: string[] } | { encode: readonly string[]; marker: string | null };
export type Answer = { opened: Opened } | { ids: Uint32Array[] } | { error: string };

export interface Opened {
  /** Ids of the added tokens, in the file's order. The library gives them: a file may say others. */
  added: number[];
  /** Ids that the post-processor puts around a text. */
  before: number[];
  after: number[];
}

let json = "";
let plain: Library | null = null;
/** The same tokenizer with its control tokens renamed by a marker. */
let renamed: { marker: string; library: Library } | null = null;

// Ctrl-C in a terminal reaches every process of a group; it is the parent that decides what it means.
process.on("SIGINT", () => {});
// The parent is gone. A plain exit would wait for work in hand.
process.on("disconnect", () => process.kill(process.pid, "SIGKILL"));
process.on("message", async (request: Request) => {
  let answer: Answer;
  try {
    if ("open" in request) answer = { opened: await open(request.open, request.added) };
    else answer = { ids: await encodeAll(await libraryFor(request.marker), request.encode) };
  } catch (error) {
    answer = { error: (error as Error).message };
  }
  process.send!(answer);
});

const ids = async (library: Library, text: string, special = false): Promise<number[]> =>
  (await library.encode(text, null, { addSpecialTokens: special })).getIds();

/** Several texts are spread over the machine's cores. */
async function encodeAll(library: Library, texts: readonly string[]): Promise<Uint32Array[]> {
  if (texts.length === 1) return [Uint32Array.from(await ids(library, texts[0]))];
  const encodings = await library.encodeBatch([...texts], { addSpecialTokens: false });
  return encodings.map((encoding) => Uint32Array.from(encoding.getIds()));
}

/** One of these has tokens in any vocabulary of text. */
const PROBES = ["a", "1", " ", "一"];

async function open(text: string, contents: string[]): Promise<Opened> {
  json = text;
  plain = Library.fromString(json);
  const added = contents.map((content) => plain!.tokenToId(content) ?? -1);
  let [body, whole] = [[] as number[], [] as number[]];
  for (const probe of PROBES) {
    [body, whole] = [await ids(plain, probe), await ids(plain, probe, true)];
    if (body.length) break;
  }
  const from = [...whole, null].findIndex((_, i) => body.every((id, j) => whole[i + j] === id));
  if (from < 0) throw new Error("its post_processor does not leave a text in one piece");
  tryDecoder(plain);
  return { added, before: whole.slice(0, from), after: whole.slice(from + body.length) };
}

/** Short tokens of every form that decoders look at. */
const FORMS = ["", "a", " ", "▁", "é", "<0x41>", "<0xFF>", "##a", "a</w>"];

/** What the library does not survive must not reach the parent, which decodes by itself. */
function tryDecoder(library: Library): void {
  const decoder = library.getDecoder();
  for (const tokens of [[], FORMS, ...FORMS.map((form) => [form])]) decoder?.decode(tokens);
}

async function libraryFor(marker: string | null): Promise<Library> {
  if (marker === null) return plain!;
  if (renamed?.marker !== marker) {
    const { text, tokens, unknown } = rename(json, marker);
    const library = Library.fromString(text);
    const own = tokens.map(({ content }) => plain!.tokenToId(content));
    const found = await ids(library, tokens.map(({ marked }) => marked).join(""));
    const spelled = new Set(await ids(library, tokens.map(({ content }) => content).join("\n")));
    if (found.length !== own.length || found.some((id, i) => id !== own[i] || (id !== unknown && spelled.has(id))))
      throw new Error("its control tokens cannot be told from their spelling");
    renamed = { marker, library };
  }
  return renamed.library;
}
