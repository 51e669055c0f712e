// Logits that are no numbers: the chain that met them ends with an error that says where, the others go on.
import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { HyperthinkError } from "../../src/base/errors.ts";
import { Engine } from "../../src/engine/engine.ts";
import { Comparison } from "../../src/eval/compare/compare.ts";
import { generate } from "../../src/request/generate.ts";
import { load } from "../../src/request/session.ts";
import { scale } from "../../src/scale/scale.ts";
import { type Candidate, devices } from "../device/devices.ts";
import { chainSpec } from "../support/chains.ts";
import { spec, tinyRunner } from "../support/runner.ts";
import { randomTokens, tinyRaw } from "../support/tiny.ts";

const OPTIONS = { seed: 11, window: 9 };
const PROMPT = randomTokens(3, 20, 96);
const TOKENS = 30;

/**
 * What each of five chains drew, and what ended it; `bad` is a token whose embedding holds a number that is none. They
 * run twice: told is the second run, on pages where the first left its keys.
 */
async function chains(candidate: Candidate, policy: string, bad: number | null, value = Number.NaN) {
  const device = candidate.open();
  const raw = tinyRaw(OPTIONS);
  if (bad !== null) raw.embed[bad * raw.config.hidden + 5] = value;
  const runner = tinyRunner(device, spec(policy), OPTIONS, {
    raw,
    pages: 150, // about what five chains take
    chains: 5,
    contextLength: 128,
    rows: 32,
    logitRows: 6,
    samplers: 5,
    sets: 6,
  });
  const engine = new Engine(runner);
  const errors: Error[] = [];
  const specs = Array.from({ length: 5 }, (_, index) =>
    chainSpec(index, TOKENS, { temperature: index === 0 ? 0 : 1, logprobs: index === 1 ? 3 : null }, errors),
  );
  engine.submit(PROMPT, runner.policy, specs);
  await engine.idle();
  const { chains } = engine.submit(PROMPT, runner.policy, specs);
  await engine.idle();
  assert.equal(runner.table.pool.used, 0, "pages left");
  device.close();
  return chains.map(({ tokens, finish }, i) => ({ tokens, finish, error: errors[i] }));
}

/** What reads keys and their scores in different ways. */
const POLICIES = [
  "full",
  "dms",
  "tova:budget=24",
  "snapkv:budget=24,window=8,every=5",
  "quest:budget=32",
  "rkv:budget=24,buffer=5,window=4",
  "vase:budget=24,window=4",
  "epikv:budget=30,recent=3",
];

for (const candidate of devices)
  for (const policy of POLICIES)
    test(`${candidate.name}, ${policy}: chains that feed a broken embedding end, the others draw what they would have drawn`, async () => {
      const sound = await chains(candidate, policy, null);
      // A token that some chains draw and others do not.
      const drew = (id: number) => sound.filter(({ tokens }) => tokens.slice(0, -1).includes(id)).length;
      const bad = sound
        .flatMap(({ tokens }) => tokens)
        .find((id) => drew(id) > 0 && drew(id) < 5 && !PROMPT.includes(id));
      assert.ok(bad !== undefined, "no token sets the chains apart");
      for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
        const broken = await chains(candidate, policy, bad, value);
        for (const [i, { tokens, finish, error }] of broken.entries()) {
          const at = sound[i].tokens.slice(0, -1).indexOf(bad);
          assert.deepEqual(tokens, at < 0 ? sound[i].tokens : sound[i].tokens.slice(0, at + 1));
          assert.equal(finish, at < 0 ? "length" : "error");
          if (at < 0) continue;
          assert.ok(error instanceof HyperthinkError && error.code === "bad-model", String(error));
          const where = `chain ${i}, token ${at + 2} (position ${PROMPT.length + at + 1})`;
          assert.ok(error.message.startsWith(`${where}: expected logits`), error.message);
        }
      }
    });

const beads = fileURLToPath(new URL("../../models/beads", import.meta.url));

/** Beads with other numbers in a tensor. */
async function withTensor(tensor: string, bits: number, work: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "hyperthink-finite-"));
  try {
    cpSync(beads, folder, { recursive: true });
    const file = join(folder, "model.safetensors");
    const bytes = readFileSync(file);
    const header = Number(bytes.readBigUInt64LE(0));
    const [begin, end] = JSON.parse(bytes.subarray(8, 8 + header).toString())[tensor].data_offsets;
    for (let at = begin; at < end; at += 2) bytes.writeUInt16LE(bits, 8 + header + at);
    writeFileSync(file, bytes);
    await work(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe("a checkpoint of finite numbers whose logits overflow", () => {
  const says = (where: RegExp) => (error: unknown) =>
    error instanceof HyperthinkError &&
    error.code === "bad-model" &&
    where.test(error.message) &&
    /: expected logits that are numbers, got NaN or infinity: .*another conversion/.test(error.message);
  const LARGEST = 0x7f7f; // of bf16

  for (const device of ["reference", "cpu"] as const)
    test(device, { skip: device === "cpu" && devices.length === 1 ? "UNRUN: no cpu device" : false }, () =>
      withTensor("model.norm.weight", LARGEST, async (model) => {
        await using session = await load({ model, device });
        await assert.rejects(generate(session, "1 + 1", { maxTokens: 4 }).result, says(/^chain 0, token 1 \(/));
        await assert.rejects(
          scale(session, "1 + 1", { width: 2, maxTokens: 4 }).result,
          says(/^chain [01], token 1 \(/),
        );
        const full = { label: "full", policy: session.policy("full"), cr: null };
        const comparison = new Comparison(session, [full], { prefix: 4 });
        await assert.rejects(comparison.run(0, PROMPT), says(/^full, token 5 of the text/));
      }),
    );
});
