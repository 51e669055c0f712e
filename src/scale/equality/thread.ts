import { Worker } from "node:worker_threads";
import { asError } from "../../base/errors.ts";
import { undecided, type Verdict } from "./verdict.ts";
import type { Question, Reply } from "./worker.ts";

/** How long the library may take to load, in ms: that is no pair's fault. */
const LOADING = 60_000;
/** The heap of the thread in MiB: a pair that wants more ends the thread, not the process. */
const HEAP = 512;

/**
 * The worker of one `Equality`: started by the first question, kept for the next ones, ended where a question takes
 * longer than its limit and started again. It keeps no process alive that waits for nothing of it.
 */
export class EqualityThread {
  #worker: Worker | null = null;
  #last: Promise<unknown> = Promise.resolve();
  #ended: Promise<unknown> = Promise.resolve();

  /** How often it was started. */
  starts = 0;

  /** In its turn. Rejects only where the library cannot be loaded. `limit`: ms from when its turn came. */
  ask(question: Question, limit: number): Promise<Verdict> {
    const answer = this.#last.then(() => this.#ask(question, limit));
    this.#last = answer.catch(() => {});
    return answer;
  }

  /** Ends the thread; what is asked of it meanwhile is undecided. */
  async end(): Promise<void> {
    this.#ended = Promise.all([this.#ended, this.#worker?.terminate()]);
    this.#worker = null;
    await this.#ended;
  }

  async #ask(question: Question, limit: number): Promise<Verdict> {
    this.#worker ??= await this.#start();
    const worker = this.#worker;
    worker.ref();
    try {
      const reply = heard(worker, limit);
      worker.postMessage(question);
      return ((await reply) as Extract<Reply, { verdict: Verdict }>).verdict;
    } catch (error) {
      // Not awaited: one operation on huge numbers may hold up the thread's end.
      if (this.#worker === worker) void this.end();
      return undecided(asError(error).message);
    } finally {
      worker.unref();
    }
  }

  async #start(): Promise<Worker> {
    const program = new URL(import.meta.url.endsWith(".ts") ? "./worker.ts" : "./worker.js", import.meta.url);
    const worker = new Worker(program, {
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: HEAP },
      // Neither printed, nor read: reading would keep the process alive.
      stdout: true,
      stderr: true,
    });
    this.starts++;
    worker.on("error", () => {}); // whoever asks is told
    await heard(worker, LOADING);
    return worker;
  }
}

/** The thread's next message. Rejects where it ends first, or after `limit` ms. */
function heard(worker: Worker, limit: number): Promise<Reply> {
  const { promise, resolve, reject } = Promise.withResolvers<Reply>();
  const ended = () => reject(new Error("the symbolic library's thread ended on it"));
  const timer = setTimeout(() => reject(new Error(`undecided after ${limit} ms`)), limit);
  worker.on("message", resolve).on("error", reject).on("exit", ended);
  return promise.finally(() => {
    clearTimeout(timer);
    worker.off("message", resolve).off("error", reject).off("exit", ended);
  });
}
