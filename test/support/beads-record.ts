// An evaluation's folder, really run on a small scale: what `report` reads.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  CHAINS_FILE,
  HEAD_FILE,
  RECORD_VERSION,
  type RecordedChain,
  type RecordHead,
} from "../../src/eval/harness/record.ts";
import { makeTask } from "../../src/eval/tasks/index.ts";
import { equalKeys, type Item, type VoteTask } from "../../src/eval/tasks/task.ts";
import { opensThinking } from "../../src/request/opening.ts";
import { load, type Session } from "../../src/request/session.ts";
import { budgetName, budgetOptions, type ScalingBudget, scalingBudget } from "../../src/scale/budget.ts";
import { scale } from "../../src/scale/scale.ts";

export interface Ran {
  model: string; // a folder of models/
  policy: string;
  budget: string; // L-W-CR
}

const thinking = { open: "<think>", close: "</think>" };

/** Writes run.json and chains.jsonl of these settings on a task of bead problems. */
export async function evaluated(
  folder: string,
  { spec, count, settings }: { spec: string; count: number; settings: readonly Ran[] },
): Promise<void> {
  const task = makeTask(spec) as VoteTask;
  const items = await task.items({ count });
  const names = [...new Set(settings.map(({ model }) => model))];
  const runs = settings.map(({ model, policy, budget }) => ({
    ...scalingBudget(budget),
    id: `${policy} ${budgetName(scalingBudget(budget))}`,
    policy,
    model,
  }));
  const head: RecordHead = {
    version: RECORD_VERSION,
    models: names.map((name) => ({ name, path: `models/${name}`, adapters: [], fingerprint: name })),
    tasks: [
      {
        spec,
        name: task.name,
        source: task.source,
        fingerprint: `${spec} ${count}`,
        problems: items.map(({ id, group }) => ({ id, group })),
        kind: "vote",
      },
    ],
    settings: runs,
    seed: 0,
    sampling: { temperature: 1 },
    machine: { device: "cpu", isa: "any", dtype: "bf16" },
  };
  const lines: string[] = [];
  for (const name of names) {
    await using session = await load({ model: fileURLToPath(new URL(`../../models/${name}`, import.meta.url)) });
    for (const run of runs.filter(({ model }) => model === name)) {
      const asked = items.map((item, seed) => chainsOf(session, task, spec, item, run, seed));
      for (const chains of await Promise.all(asked)) lines.push(...chains.map((chain) => JSON.stringify(chain)));
    }
  }
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, HEAD_FILE), JSON.stringify(head));
  writeFileSync(join(folder, CHAINS_FILE), `${lines.join("\n")}\n`);
}

async function chainsOf(
  session: Session,
  task: VoteTask,
  spec: string,
  item: Item,
  run: ScalingBudget & { id: string; policy: string },
  seed: number,
): Promise<RecordedChain[]> {
  const asked = task.ask(item, "chat");
  const options = { ...asked, ...task.sampling, ...budgetOptions(run), policy: run.policy, seed, earlyStop: false };
  const scaling = scale(session, asked.prompt, options);
  let keys: number | null = null; // about: what lives at the first text, less its tokens
  const started = performance.now();
  for await (const event of scaling) if (event.type === "text") keys ??= Math.max(1, event.liveKeys - event.tokens);
  const { chains, prompt, usage } = await scaling.result;
  const opened = opensThinking(session, asked.prompt, { enable_thinking: true }, thinking);
  const page = usage.peakBytes / usage.peakPages;
  const lived = Math.min(prompt.tokens, keys ?? prompt.tokens);
  const bytesOf = (live: number) => chains[0].laneRatios.length * Math.ceil(live / 16) * page;
  const seconds = (performance.now() - started) / 1000;
  return Promise.all(
    chains.map(async ({ chain, text, finish, tokens, kvReads, fullReads, peakKeys, peakPages }) => {
      const finished = finish === "stop";
      const answer = task.extract(item, { text, finished, thinking, opened, style: "chat" });
      const answered = answer.kind === "answer";
      return {
        task: spec,
        setting: run.id,
        problem: item.id,
        chain,
        seed,
        text,
        answer: answered ? answer.text : null,
        why: answered ? null : answer.reason,
        key: answered ? answer.key : null,
        score: answered ? await task.grade(item, answer, equalKeys) : 0,
        end: finished ? ("finished" as const) : ("truncated" as const),
        tokens,
        reads: kvReads,
        fullReads,
        peakKeys,
        peakBytes: peakPages * page,
        seconds,
        loop: null,
        prompt: {
          tokens: prompt.tokens,
          keys: lived,
          bytes: bytesOf(lived),
          peakKeys: prompt.tokens,
          peakBytes: bytesOf(prompt.tokens),
        },
      };
    }),
  );
}
