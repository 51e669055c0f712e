// Work of others that may never end.

export interface Patience<L> {
  /** After which `late` is the result; default: never. */
  seconds?: number;
  late?: L;
  signal?: AbortSignal;
}

const MOST_MS = 2 ** 31 - 1; // of a timer

/**
 * What the work comes to, or `late`. Throws what it throws, and the signal's reason at once. What does not heed the
 * signal that it gets goes on unheard.
 */
export async function within<T, L = T>(
  work: (signal: AbortSignal) => Promise<T>,
  { seconds = Infinity, late, signal }: Patience<L>,
): Promise<T | L> {
  signal?.throwIfAborted();
  const end = new AbortController();
  const over = Promise.withResolvers<null>();
  const stop = () => {
    over.resolve(null); // before the work, which the signal may make throw
    end.abort(signal?.reason);
  };
  const worked = async () => ({ value: await work(end.signal) });
  const timer = seconds < Infinity ? setTimeout(stop, Math.min(seconds * 1000, MOST_MS)) : undefined;
  signal?.addEventListener("abort", stop);
  try {
    const first = await Promise.race([worked(), over.promise]);
    signal?.throwIfAborted();
    return first ? first.value : (late as L);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", stop);
  }
}
