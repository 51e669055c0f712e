// Prompts that several settings ask: whole chunks of each are read once.

import type { Stem } from "../../engine/chain.ts";
import type { Policy } from "../../policy/policy.ts";
import type { Session } from "../../request/session.ts";
import type { Place } from "./folder.ts";
import type { RecordedSetting } from "./record.ts";
import { policyOfSetting } from "./setting.ts";

interface Asking {
  settings: RecordedSetting[]; // that have not asked
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
    if (asking.stem === undefined) {
      const policies = asking.settings.flatMap((setting) => policyOf(this.#session, setting) ?? []);
      asking.stem = this.#session.engine.stem(prompt, policies);
    }
    return asking.stem;
  }

  /** A setting has asked a problem, or will not; after the last one the stem goes once all have begun. */
  leave(place: Place): void {
    const key = keyOf(place);
    const asking = this.#asking.get(key);
    if (!asking) return;
    asking.settings = asking.settings.filter(({ id }) => id !== place.setting);
    if (asking.settings.length > 0) return;
    if (asking.stem) this.#session.engine.closeStem(asking.stem);
    this.#asking.delete(key);
  }

  /** Lets go of stems whose problems were not asked by all. */
  close(): void {
    for (const { stem } of this.#asking.values()) if (stem) this.#session.engine.closeStem(stem);
    this.#asking.clear();
  }
}

function policyOf(session: Session, setting: RecordedSetting): Policy | null {
  try {
    return policyOfSetting(session.trained, setting);
  } catch {
    return null; // it cannot run, and says so itself
  }
}
