// Chains with long prompts that decode, of Qwen3-0.6B's shape with random weights and gates: over the sources of this
// checkout, or of a commit whose core held one policy at a time. As a program it answers a parent's messages.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Runner, Segment } from "../src/engine/runner.ts";
import type { Policy } from "../src/policy/policy.ts";
import type { FILL, filler } from "./fill.ts";
import { median } from "./median.ts";

export interface Size {
  width: number; // chains per policy
  context: number; // tokens of a prompt
  room: number; // most tokens after it
  policies: number; // that have chains at a time
}

export interface Chain {
  set: number;
  at: number; // tokens so far
}

export interface Decoder {
  /** Chains under a policy, each with keys of its own. */
  open(spec: string, width: number): Promise<Chain[]>;
  close(chains: readonly Chain[]): void;
  /** All chains take a token per step: median seconds of a step, with its planning. */
  steps(chains: readonly Chain[], count: number): Promise<number>;
  /** Frees all memory. */
  end(): void;
}

/** A measurement that a parent asks for; a number answers it. */
export type Request = { open: string } | { steps: number };

const CR = 8;
const WINDOW = 256;

/** What differs between the two cores. */
interface Core {
  open(policy: Policy): Promise<number>;
  close(set: number): void;
  step(segments: readonly Segment[]): Promise<void>;
}

/** The core of a commit that held one policy at a time, and what its benches filled lanes with. */
interface Before {
  runner: {
    adopt(policy: Policy): void;
    open(prompt: number, tokens: number): number;
    cutPrompt(of: { set: number; ids: Int32Array; prompt: number }, newest: number): Promise<void>;
    reserve(segment: Segment & { prompt: number }): unknown;
    step(segments: readonly Segment[], draws: readonly never[]): Promise<void>;
    table: { close(set: number): void };
  };
  fill(runner: Before["runner"], set: number, length: number, seed: number): Promise<void>;
}

export async function openDecoder(root: string, size: Size): Promise<Decoder> {
  const { width, context, room, policies } = size;
  const from = async (file: string) => import(pathToFileURL(join(root, file)).href);
  const { cpu } = await from("src/device/cpu.ts");
  const { qwen3_06b, syntheticGates, syntheticWeights } = await from(
    existsSync(join(root, "bench/synthetic.ts")) ? "bench/synthetic.ts" : "src/model/synthetic.ts",
  );
  const { makePolicy } = await from("src/policy/index.ts");
  const { parseSpec } = await from("src/policy/spec.ts");
  const { Runner: RunnerThere } = await from("src/engine/runner.ts");
  const filling: { FILL: typeof FILL } = await from("bench/fill.ts");
  const device = cpu();
  const config = { ...qwen3_06b(), dms: syntheticGates(CR, WINDOW) };
  const model = { config, weights: syntheticWeights(device, config, { weights: "bf16", seed: 1 }) };
  const policyOf = (spec: string): Policy => {
    const { name, options } = parseSpec(spec);
    return makePolicy(name, config, options);
  };
  const compressed = context / CR + WINDOW + 64;
  const tokens = width * (context + (policies - 1) * compressed + policies * (room + 64)) + 2 * context;
  const options = {
    kv: "bf16",
    kvBytes: tokens * config.layers * config.kvHeads * (2 * config.headDim * 2 + 4),
    chains: width * policies,
    sets: width * policies,
    contextLength: context + room,
    chunk: filling.FILL,
    rows: filling.FILL + width,
    logitRows: width,
    samplers: width,
  };
  const ids = new Int32Array(context + room).map((_, i) => (i * 7919) % config.vocabulary);
  const core = existsSync(join(root, "src/engine/sets.ts"))
    ? coreHere(new RunnerThere(device, model, options), await from("bench/fill.ts"))
    : coreBefore({
        runner: new RunnerThere(device, model, policyOf("full"), options),
        ...(await from("bench/fill.ts")),
      });

  function coreHere(runner: Runner, there: { filler: typeof filler }): Core {
    const fill = there.filler(runner);
    return {
      async open(policy) {
        const set = runner.sets.take(policy, context, context + room);
        await fill(set, context);
        await runner.cutPrompt(set, ids, context - 1);
        return set;
      },
      close: (set) => runner.sets.close(set),
      step: (segments) => runner.run(segments),
    };
  }
  function coreBefore({ runner, fill }: Before): Core {
    return {
      async open(policy) {
        runner.adopt(policy);
        const set = runner.open(context, context + room);
        await fill(runner, set, context, set);
        await runner.cutPrompt({ set, ids, prompt: context }, context - 1);
        return set;
      },
      close: (set) => runner.table.close(set),
      async step(segments) {
        const those = segments.map((segment) => ({ ...segment, prompt: context }));
        for (const segment of those) runner.reserve(segment);
        await runner.step(those, []);
      },
    };
  }
  return {
    async open(spec, width) {
      const policy = policyOf(spec);
      const chains: Chain[] = [];
      while (chains.length < width) chains.push({ set: await core.open(policy), at: context });
      return chains;
    },
    close(chains) {
      for (const { set } of chains) core.close(set);
    },
    async steps(chains, count) {
      const times: number[] = [];
      while (times.length < count) {
        const segments = chains.map(({ set, at }): Segment => {
          return { set, kind: "steps", ids, from: at, count: 1, logits: "last" };
        });
        const started = performance.now();
        await core.step(segments);
        times.push((performance.now() - started) / 1000);
        for (const chain of chains) chain.at++;
      }
      return median(times);
    },
    end: () => device.close(),
  };
}

if (import.meta.main) {
  const size: Size = JSON.parse(process.argv[3]);
  const decoder = await openDecoder(process.argv[2], size);
  let chains: Chain[] = [];
  process.on("message", async (request: Request) => {
    if ("steps" in request) return process.send!(await decoder.steps(chains, request.steps));
    decoder.close(chains);
    chains = await decoder.open(request.open, size.width);
    return process.send!(0);
  });
}
