import { type ChildProcess, fork } from "node:child_process";
import { badArgument, HyperthinkError } from "../../base/errors.ts";
import type { Answer, Opened, Request } from "./child.ts";

/**
 * Hugging Face's tokenizers in a process of their own. The library is native code that ends its process on some files
 * and some texts (a template without its token; ten million blanks), and that cannot be told to stop. So a text in work
 * can be dropped at once, this process stays free meanwhile, and it ends when it wants to. One request is in work at a
 * time: what ends the other process is known. It is started again when it is needed.
 */
export class TokenizerProcess {
  readonly #json: string;
  readonly #added: string[];
  #child: ChildProcess | null = null;
  #last: Promise<unknown> = Promise.resolve();
  #closed = false;

  private constructor(json: string, added: string[]) {
    this.#json = json;
    this.#added = added;
  }

  /**
   * Opens a tokenizer.json, whose added tokens are `added`. Throws in the library's own
   * words where it cannot read the file.
   */
  static async open(json: string, added: string[]): Promise<{ process: TokenizerProcess; opened: Opened }> {
    const process = new TokenizerProcess(json, added);
    try {
      return { process, opened: await process.#start() };
    } catch (error) {
      process.close();
      throw error;
    }
  }

  /**
   * Ids of texts, none added; with a marker, of the tokenizer whose control tokens are renamed by
   * it. Throws `bad-argument` where one of them cannot be encoded, `aborted`.
   */
  encode(texts: readonly string[], marker: string | null, signal?: AbortSignal): Promise<Uint32Array[]> {
    const work = async () => {
      if (signal?.aborted) throw aborted(signal);
      if (this.#closed) throw closed();
      const abort = () => this.#end();
      signal?.addEventListener("abort", abort);
      try {
        if (!this.#child) await this.#start();
        const answer = await this.#ask({ encode: texts, marker });
        if ("ids" in answer) return answer.ids;
        throw new Error("error" in answer ? answer.error : "no ids");
      } catch (error) {
        if (signal?.aborted) throw aborted(signal);
        if (this.#closed) throw closed();
        const what = texts.length === 1 ? `this text (${texts[0].length} characters)` : `one of ${texts.length} texts`;
        throw badArgument(`the tokenizer cannot encode ${what}: ${(error as Error).message}`);
      } finally {
        signal?.removeEventListener("abort", abort);
      }
    };
    const result = this.#last.then(work);
    this.#last = result.catch(() => {});
    return orAborted(result, signal);
  }

  close(): void {
    this.#closed = true;
    this.#end();
  }

  #end(): void {
    this.#child?.kill("SIGKILL");
    this.#child = null;
  }

  async #start(): Promise<Opened> {
    const program = new URL(import.meta.url.endsWith(".ts") ? "./child.ts" : "./child.js", import.meta.url);
    this.#child = fork(program, {
      execArgv: [],
      serialization: "advanced",
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    });
    this.#child.on("error", () => {}); // whoever asks is told
    const answer = await this.#ask({ open: this.#json, added: this.#added });
    if ("opened" in answer) return answer.opened;
    this.#end();
    throw new Error("error" in answer ? answer.error : "it was not opened");
  }

  /** Rejects when the child ends before it answered. Only while it is asked does the child keep this process alive. */
  #ask(request: Request): Promise<Answer> {
    const child = this.#child!;
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    let said = "";
    const hear = (part: Buffer) => {
      if (said.length < 1 << 16) said += part;
    };
    const ended = (error?: unknown) => {
      if (this.#child === child) this.#child = null;
      reject(error instanceof Error ? error : new Error(`the tokenizer library ended on it${reason(said)}`));
    };
    child.on("message", resolve);
    child.on("error", ended);
    child.on("close", ended);
    child.stderr!.on("data", hear);
    child.ref();
    child.channel?.ref();
    if (child.connected) child.send(request, (error) => error && ended(error));
    else ended();
    return promise.finally(() => {
      child.off("message", resolve).off("error", ended).off("close", ended);
      child.stderr!.off("data", hear);
      child.unref();
      child.channel?.unref();
      (child.stderr as { unref?(): void }).unref?.();
    });
  }
}

/** A text that waits for another one need not wait to be aborted. */
function orAborted<T>(result: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return result;
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const abort = () => reject(aborted(signal));
  signal.addEventListener("abort", abort);
  result.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  return promise;
}

const closed = () => badArgument("this tokenizer is closed");
const aborted = ({ reason }: AbortSignal): HyperthinkError =>
  reason instanceof HyperthinkError
    ? reason
    : new HyperthinkError("aborted", "tokenising was aborted", { cause: reason });

/** The line of a native fault that says what was wrong. */
function reason(said: string): string {
  const lines = said.split("\n");
  const at = lines.findIndex((line) => line.includes("panicked at"));
  return at < 0 || !lines[at + 1] ? "" : `: ${lines[at + 1].slice(0, 200)}`;
}
