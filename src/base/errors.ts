/** What went wrong, for programs; the message says what was expected, what came, and what to do. */
export type ErrorCode =
  | "bad-argument" // a caller's value is out of range
  | "bad-file" // a file is damaged, or not what its name says
  | "bad-model" // a checkpoint lacks a tensor, has one too many, or of a wrong shape; or its numbers are no numbers
  | "unsupported" // well-formed, but not something this engine runs
  | "no-memory" // the KV pool or the machine cannot hold what was asked
  | "aborted"; // the caller's AbortSignal fired

/** The one error class that users meet. CLI exit codes: 2 for `bad-argument`, 1 for the rest. */
export class HyperthinkError extends Error {
  readonly code: ErrorCode;
  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "HyperthinkError";
    this.code = code;
  }
}

/** What was thrown, as an error. */
export const asError = (thrown: unknown): Error => (thrown instanceof Error ? thrown : new Error(String(thrown)));

const make = (code: ErrorCode) => (message: string) => new HyperthinkError(code, message);

export const badArgument = make("bad-argument");
export const badFile = make("bad-file");
export const badModel = make("bad-model");
export const unsupported = make("unsupported");
export const noMemory = make("no-memory");
