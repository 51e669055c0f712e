import { HyperthinkError } from "../base/errors.ts";

const aborted = (why: string, cause?: unknown) =>
  new HyperthinkError("aborted", `this call was aborted${why}`, { cause });

/** Ends a call from outside: the caller's signal fired, the reader left its loop, or the session closes. */
export class Stop {
  /** The reader left: what there is by then is the result. */
  left = false;
  readonly #controller = new AbortController();
  readonly #caller: AbortSignal | undefined;
  readonly #follow = () => this.#controller.abort(aborted("", this.#caller?.reason));

  constructor(caller?: AbortSignal) {
    this.#caller = caller;
    if (caller?.aborted) this.#follow();
    else caller?.addEventListener("abort", this.#follow);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  leave(): void {
    if (this.signal.aborted) return;
    this.left = true;
    this.#controller.abort(aborted(" before it began: its reader left"));
  }

  close(): void {
    this.#controller.abort(aborted(": its session was closed"));
  }

  /** Waits for `work`, which `end` cuts short. Throws `aborted` where it was, unless by its reader. */
  async during<T>(work: Promise<T>, end: () => void): Promise<T> {
    this.signal.addEventListener("abort", end);
    try {
      const value = await work;
      if (!this.left) this.signal.throwIfAborted();
      return value;
    } finally {
      this.signal.removeEventListener("abort", end);
    }
  }

  /** The call is over: a signal that many calls share must not keep them all. */
  release(): void {
    this.#caller?.removeEventListener("abort", this.#follow);
  }
}
