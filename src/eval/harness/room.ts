/** How many chains are in flight: problems enter while there is room, so that the machine has always more to do. */
export class Room {
  readonly #most: number;
  readonly #signal: AbortSignal;
  #inside = 0;
  #left = Promise.withResolvers<void>();

  /** `most`: chains that may be inside without keeping a further problem out. */
  constructor(most: number, signal: AbortSignal) {
    this.#most = most;
    this.#signal = signal;
    signal.addEventListener("abort", () => this.#left.resolve(), { once: true });
  }

  /** Waits for room for a problem with so many chains. Throws the signal's reason. */
  async enter(chains: number): Promise<void> {
    while (this.#inside > 0 && this.#inside >= Math.min(this.#most, MOST - chains)) {
      this.#signal.throwIfAborted();
      await this.#left.promise;
    }
    this.#signal.throwIfAborted();
    this.#inside += chains;
  }

  leave(chains = 1): void {
    this.#inside -= chains;
    this.#left.resolve();
    this.#left = Promise.withResolvers();
    if (this.#signal.aborted) this.#left.resolve();
  }
}

/** Chains that an engine takes, waiting ones included. */
const MOST = 1024;
