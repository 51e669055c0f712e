// A session whose chains say what a test has them say, when it has them say it: everything is real but the engine and
// the tokenizer, of which an id is a character.
import { newMeter } from "../../src/cache/meter.ts";
import { type Chain, type ChainSpec, type Group, newGroup } from "../../src/engine/chain.ts";
import type { Policy } from "../../src/policy/policy.ts";
import type { Session } from "../../src/request/session.ts";

export class Script {
  readonly session: Session;
  #group: Group | null = null;
  #begun = Promise.withResolvers<void>();

  constructor(session: Session) {
    const engine = {
      submit: (ids: number[], policy: Policy, specs: ChainSpec[]) => this.#submit(ids, policy, specs),
      abort: (chain: Chain) => end(chain, "aborted"),
    };
    const tokenizer = {
      special: new Set<number>(),
      has: () => true,
      decode: (ids: readonly number[]) => String.fromCharCode(...ids),
    };
    const parts: Record<PropertyKey, unknown> = { engine, tokenizer };
    this.session = new Proxy(session, {
      get(target, name) {
        if (Object.hasOwn(parts, name)) return parts[name];
        const value = Reflect.get(target, name, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  }

  /** Chain `index` says `text` and ends; it must be running. */
  async say(index: number, text: string): Promise<void> {
    await this.#begun.promise;
    const chain = this.#group!.chains[index];
    if (chain.finish) throw new Error(`chain ${index} has ended: ${chain.finish}`);
    for (const c of text) {
      const id = c.charCodeAt(0);
      chain.tokens.push(id);
      chain.spec.onToken?.({ id, logprob: null, top: [] });
    }
    end(chain, "stop");
  }

  /** How each chain ended; null: it runs. */
  get finishes(): (string | null)[] {
    return this.#group!.chains.map(({ finish }) => finish);
  }

  #submit(ids: number[], policy: Policy, specs: ChainSpec[]): Group {
    const group = newGroup(ids, policy, Math.max(...specs.map(({ maxTokens }) => maxTokens)));
    for (const spec of specs)
      group.chains.push({
        spec,
        group,
        tokens: [],
        meter: newMeter(),
        finish: null,
        aborted: false,
      } as unknown as Chain);
    this.#group = group;
    this.#begun.resolve();
    return group;
  }
}

function end(chain: Chain, finish: "stop" | "aborted"): void {
  if (chain.finish) return;
  chain.finish = finish;
  chain.spec.onFinish?.(finish);
}
