// Runs of a reproduction, each a folder of an evaluation, with what they take.

import { join } from "node:path";
import { type EvaluateEvent, type EvaluateOptions, evaluate } from "../harness/evaluate.ts";
import type { SettingChoice } from "../harness/setting.ts";
import type { SummaryRow } from "../harness/standing.ts";
import { openTask } from "../tasks/open.ts";
import { type State, saveState } from "./state.ts";

export interface RunnerOptions extends Pick<EvaluateOptions, "load" | "open" | "batch" | "signal"> {
  out: string;
  state: State;
  temperature?: number;
  onEvent: (event: EvaluateEvent) => void;
}

const TASK = "abacus";

export class Runner {
  readonly #options: RunnerOptions;

  constructor(options: RunnerOptions) {
    this.#options = options;
  }

  get out(): string {
    return this.#options.out;
  }

  get state(): State {
    return this.#options.state;
  }

  save(): Promise<void> {
    return saveState(this.#options.out, this.state);
  }

  /**
   * Rows of what a folder under `out` holds in the end. How fast it went is added to the state. Throws as `evaluate`
   * does.
   */
  async run(
    folder: string,
    settings: readonly SettingChoice[],
    { problems, seed }: { problems: number; seed: number },
  ): Promise<SummaryRow[]> {
    const { out, temperature, onEvent, load, open, batch, signal, state } = this.#options;
    const started = performance.now();
    let progress: { tokens: number } | null = null;
    try {
      const { rows } = await evaluate(
        {
          ...{ out: join(out, folder), settings, seed, limit: problems, load, open, batch, signal },
          tasks: [{ spec: TASK, task: await openTask(TASK) }],
          chains: { temperature },
        },
        (event) => {
          if (event.type === "start") progress = event.progress;
          onEvent(event);
        },
      );
      return rows;
    } finally {
      const tokens = (progress as { tokens: number } | null)?.tokens ?? 0;
      if (tokens > 0) {
        state.tokens += tokens;
        state.seconds += (performance.now() - started) / 1000;
        await this.save();
      }
    }
  }
}
