import { duration } from "../base/duration.ts";
import { count } from "./format.ts";
import { PAUSE, redraws, rowOf } from "./terminal.ts";

/** A step that was taken. */
export interface TrainingStep {
  step: number; // from 1
  steps: number; // of the run
  tokens: number; // that the step read
  loss: number;
  heldOut?: number; // where this step was followed by an evaluation: its loss
  heldOutCr?: number | null; // achieved in it
  targetCr?: number | null; // nominal
  cr?: number | null; // nominal, of the step's decisions
}

/** How a run goes on: one line that is redrawn where a terminal can, else a line now and then. */
export interface TrainingProgress {
  show(step: TrainingStep): void;
  /** Says something else, on a line of its own. */
  say(text: string): void;
  /** Leaves the last line there. */
  done(): void;
}

type Clock = () => number; // milliseconds

export const openTrainingProgress = (
  stream: NodeJS.WriteStream,
  clock: Clock = () => performance.now(),
  isLive = redraws(stream),
): TrainingProgress => (isLive ? new LiveProgress(stream, clock) : new PlainProgress(stream, clock));

/** Milliseconds between redraws. Evaluations always show. */
const FRAME = 80;

class PlainProgress implements TrainingProgress {
  readonly #stream: NodeJS.WriteStream;
  readonly #clock: Clock;
  readonly #status: Status;
  #last: number;

  constructor(stream: NodeJS.WriteStream, clock: Clock) {
    this.#stream = stream;
    this.#clock = clock;
    this.#status = new Status(clock());
    this.#last = clock();
  }

  show(step: TrainingStep): void {
    const now = this.#clock();
    this.#status.take(step, now);
    if (now - this.#last < PAUSE && step.heldOut === undefined && step.step < step.steps) return;
    this.#last = now;
    this.say(this.#status.line());
  }

  say(text: string): void {
    this.#stream.write(`${text}\n`);
  }

  done(): void {}
}

class LiveProgress implements TrainingProgress {
  readonly #stream: NodeJS.WriteStream;
  readonly #clock: Clock;
  readonly #status: Status;
  #last = Number.NEGATIVE_INFINITY;
  #line = "";

  constructor(stream: NodeJS.WriteStream, clock: Clock) {
    this.#stream = stream;
    this.#clock = clock;
    this.#status = new Status(clock());
  }

  show(step: TrainingStep): void {
    const now = this.#clock();
    this.#status.take(step, now);
    if (now - this.#last < FRAME && step.heldOut === undefined && step.step < step.steps) return;
    this.#last = now;
    this.#line = rowOf(this.#stream, this.#status.line());
    this.#stream.write(`\r${this.#line}\x1b[K`);
  }

  say(text: string): void {
    this.#stream.write(`\r\x1b[K${text}\n${this.#line}`);
  }

  done(): void {
    if (this.#line) this.#stream.write("\n");
    this.#line = "";
  }
}

/** Steps that speed is measured over. */
const RECENT = 20;

/** What a line tells: the newest step, the last evaluation, and how fast the last steps were. */
class Status {
  /** When these steps were done, and tokens up to then. */
  readonly #marks: { step: number; time: number; tokens: number }[] = [];
  readonly #started: number;
  #newest: TrainingStep | null = null;
  #heldOut: number | null = null;
  #achieved: number | null = null;

  constructor(started: number) {
    this.#started = started;
  }

  take(step: TrainingStep, time: number): void {
    if (this.#marks.length === 0) this.#marks.push({ step: step.step - 1, time: this.#started, tokens: 0 });
    this.#marks.push({ step: step.step, time, tokens: this.#marks.at(-1)!.tokens + step.tokens });
    if (this.#marks.length > RECENT + 1) this.#marks.shift();
    this.#newest = step;
    this.#heldOut = step.heldOut ?? this.#heldOut;
    this.#achieved = step.heldOutCr ?? this.#achieved;
  }

  line(): string {
    const { step, steps, loss, targetCr = null, cr = null } = this.#newest!;
    const [from, to] = [this.#marks[0], this.#marks.at(-1)!];
    const seconds = (to.time - from.time) / 1000;
    const parts = [`step ${step}/${steps}`, `loss ${short(loss)}`];
    if (this.#heldOut !== null) parts.push(`held out ${short(this.#heldOut)}`);
    if (this.#achieved !== null) parts.push(`CR ${this.#achieved.toFixed(2)}`);
    if (cr !== null && targetCr !== null) parts.push(`nominal ${cr.toFixed(2)} of ${targetCr.toFixed(2)}`);
    if (seconds > 0) {
      parts.push(`${count((to.tokens - from.tokens) / seconds)} tokens/s`);
      if (step < steps) parts.push(`${duration(((steps - step) * seconds) / (to.step - from.step))} left`);
    }
    return parts.join("  ");
  }
}

/** A loss in three digits or so. */
export const short = (loss: number): string => (Math.abs(loss) < 1 ? loss.toPrecision(3) : loss.toFixed(3));
