// Prompts that several settings ask: whole chunks of each are read once.

import type { Stem } from "../../engine/chain.ts";
import { makePolicy } from "../../policy/index.ts";
import type { Policy } from "../../policy/policy.ts";
import { parseSpec } from "../../policy/spec.ts";
import type { Session } from "../../request/session.ts";
import type { Place } from "./folder.ts";
import type { RecordedSetting } from "./record.ts";

interface Asking {
  settings: RecordedSetting[]; // that have not ended
  stem: Stem | null | undefined; // undefined: not asked for yet
}

const keyOf = ({ task, problem }: Pick<Place, "task" | "problem">): string => JSON.stringify([task, problem]);

export class Stems {
  readonly #session: Session;
  readonly #asking = new Map<string, Asking>();

  /** `jobs`: every problem and setting that will be asked. */
  constructor(session: Session, jobs: readonly { place: Place; setting: RecordedSetting }[]) {
    this.#session = session;
    for (const [key, of] of Map.groupBy(jobs, ({ place }) => keyOf(place)))
      this.#asking.set(key, { settings: of.map(({ setting }) => setting), stem: undefined });
  }

  /** What chains of a problem begin from; null: from nothing. `prompt`: its tokens, the same under all settings. */
  of(place: Place, prompt: readonly number[]): Stem | null {
    const asking = this.#asking.get(keyOf(place));
    if (!asking) return null;
    asking.stem ??= this.#session.engine.stem(
      prompt,
      asking.settings.flatMap((setting) => policyOf(this.#session, setting) ?? []),
    );
    return asking.stem;
  }

  /** A setting has ended with a problem; the last one gives the lanes back. */
  leave(place: Place): void {
    const key = keyOf(place);
    const asking = this.#asking.get(key);
    if (!asking) return;
    asking.settings = asking.settings.filter(({ id }) => id !== place.setting);
    if (asking.settings.length > 0) return;
    if (asking.stem) this.#session.engine.closeStem(asking.stem);
    this.#asking.delete(key);
  }
}

/** What a setting watches: its budget, and what it protects, do not matter while a prompt is read. */
function policyOf(session: Session, { policy, cr, length }: RecordedSetting): Policy | null {
  const { name, options } = parseSpec(policy);
  const { protect: _, ...rest } = options;
  try {
    return makePolicy(name, session.trained, { ...rest, ...(cr > 1 ? { cr } : {}), tokens: length });
  } catch {
    return null; // it cannot run, and says so itself
  }
}
