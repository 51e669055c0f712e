// What a policy drops it frees: pages held follow from the keys that live, after the prompt and while decoding,
// and the prompt's peak stands apart.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { meterPass, newMeter, ratio } from "../../src/cache/meter.ts";
import { recipes } from "../../src/policy/index.ts";
import type { PolicyOptions } from "../../src/policy/policy.ts";
import { devices } from "../device/devices.ts";
import { type Chain, PolicyRig, policyOf } from "./rig.ts";

const [PROMPT, LENGTH, CHUNK, LAYERS] = [100, 130, 32, 3];
const PAGE = 16;
const LANES = 2 * LAYERS;

interface Held {
  options: PolicyOptions;
  /** Keys per lane after the prompt and after the last token; null: as the gates have it, fewer than came. */
  after: number | null;
  end: number | null;
  /** Most keys per lane while the prompt is read; null: as the gates have it, less than the prompt. */
  peak: number | null;
}

// `cr` is a share of the prompt where a policy cuts once, and of prompt + new tokens where it cuts while decoding.
const HELD: Record<string, Held[]> = {
  full: [{ options: {}, after: 100, end: 130, peak: 100 }],
  dms: [
    { options: { window: 9 }, after: null, end: null, peak: null },
    { options: { window: 9, prefill: "dense" }, after: 100, end: null, peak: 100 },
    { options: { window: 9, protect: 30 }, after: null, end: null, peak: null },
  ],
  // 32, then 64 -> 40, 72 -> 40, 44; while decoding it is cut at 60.
  "dms-budget": [{ options: { budget: 40, buffer: 20 }, after: 44, end: 54, peak: 72 }],
  streaming: [
    { options: { sinks: 4, recent: 28 }, after: 100, end: 32, peak: 100 },
    { options: { sinks: 4, recent: 28, positions: "cache" }, after: 100, end: 32, peak: 100 },
    { options: { cr: 2.5, tokens: LENGTH, prefill: "sparse" }, after: 52, end: 52, peak: 52 },
  ],
  h2o: [
    { options: { budget: 40 }, after: 40, end: 40, peak: 100 },
    { options: { cr: 3.25 }, after: 40, end: 40, peak: 100 },
  ],
  tova: [
    { options: { budget: 40 }, after: 40, end: 40, peak: 100 },
    { options: { budget: 40, protect: 30 }, after: 40, end: 40, peak: 100 },
  ],
  snapkv: [
    { options: { budget: 40, window: 8 }, after: 40, end: 70, peak: 100 },
    { options: { budget: 40, window: 8, every: 7 }, after: 40, end: 42, peak: 100 },
  ],
  pyramidkv: [{ options: { cr: 2.5, window: 8, pyramid: 4 }, after: 40, end: 70, peak: 100 }],
  adakv: [{ options: { cr: 2.5, window: 8 }, after: 40, end: 70, peak: 100 }],
  rkv: [{ options: { budget: 40, buffer: 20 }, after: 40, end: 50, peak: 100 }],
  // Cut to 40 with the first token, and whenever 12 more came; nothing before.
  vase: [{ options: { budget: 40, window: 12 }, after: 100, end: 45, peak: 100 }],
  epikv: [
    { options: { budget: 115, recent: 5 }, after: 100, end: 115, peak: 100 },
    // The prompt alone fills the budget: the newest stay beside it.
    { options: { cr: 2, tokens: LENGTH }, after: 100, end: 116, peak: 100 },
  ],
  quest: [{ options: { budget: 48 }, after: 100, end: 130, peak: 100 }],
  expected: [{ options: { budget: 40 }, after: 40, end: 70, peak: 100 }],
  observed: [{ options: { cr: 2 }, after: 50, end: 80, peak: 100 }],
  kvzip: [{ options: { cr: 4 }, after: 25, end: 55, peak: 100 }],
  kvzap: [
    { options: { threshold: 0, window: 9 }, after: null, end: null, peak: null },
    { options: { threshold: 0, window: 9, prefill: "dense" }, after: 100, end: null, peak: 100 },
  ],
  knorm: [{ options: { cr: 4 }, after: 25, end: 55, peak: 100 }],
  keydiff: [{ options: { cr: 2, every: 5 }, after: 65, end: 65, peak: 100 }],
  random: [
    { options: { budget: 40, every: 7 }, after: 40, end: 42, peak: 100 },
    // The prompt and the 8 newest stay whatever the budget, and 2 came since the last cut.
    { options: { cr: 2, every: 7, protect: "prompt" }, after: 100, end: 110, peak: 100 },
  ],
};

test("every recipe is here", () => {
  assert.deepEqual(Object.keys(HELD).sort(), recipes.map(({ name }) => name).sort());
});

/**
 * Pages of a chain: for each lane what its archived and its doomed keys fill, counted
 * apart from the live positions and gates.
 */
function expectedPages(rig: PolicyRig, { set, layers, fed }: Chain): number {
  const { policy, table, model } = rig.runner;
  const { labels } = policy;
  const [newest, shift] = [fed - 1, labels?.source === "dms" ? model.config.dms!.shift : 0];
  const protect = labels?.protect === "prompt" ? PROMPT : (labels?.protect ?? 0);
  let pages = 0;
  for (const [l, { trace, kept }] of layers.entries())
    for (const [h, live] of kept.at(-1)!.entries()) {
      const lane = (set * LAYERS + l) * 2 + h;
      const evicted = (p: number) =>
        labels !== null && p >= protect && (labels.source === "all" || trace.z[p + shift][h] > labels.threshold);
      const stored = live.filter((p) => p !== newest); // the newest key is pending, in no page
      const doomed = stored.filter(evicted).length;
      const hole = table.device.dead.host[lane] >= 0 ? 1 : 0; // a victim's slot, which the next key fills
      assert.equal(live.length, table.live(lane));
      // Doomed keys are a queue: its first page may hold keys that are gone.
      const [head, tail] = [table.device.head.host[lane], table.device.tail.host[lane]];
      assert.equal(tail - head, doomed, "doomed keys");
      pages += Math.ceil((stored.length - doomed + hole) / PAGE);
      const queue = Math.max(0, Math.ceil(tail / PAGE) - Math.floor(head / PAGE));
      assert.ok(queue <= Math.ceil(doomed / PAGE) + 1);
      pages += queue;
    }
  return pages;
}

for (const candidate of devices)
  describe(candidate.name, () => {
    for (const [name, ways] of Object.entries(HELD))
      for (const { options, after, end, peak } of ways)
        test(`${name} ${JSON.stringify(options)}: pages fall to what lives, and the prompt's peak stands apart`, async () => {
          const device = candidate.open();
          const setup = { seed: 2, prompt: PROMPT, length: LENGTH, chunk: CHUNK, layers: LAYERS };
          const rig = new PolicyRig(device, { ...setup, policy: policyOf(name, options) });
          const { table, beforeCut } = rig.runner;
          const chain = rig.start();
          const [prefill, decode] = [newMeter(), newMeter()];
          while (chain.fed < PROMPT) {
            const before = chain.fed;
            await rig.feed([chain]);
            meterPass(prefill, table, chain.set, "prefill", chain.fed - before, chain.fed, beforeCut.get(chain.set));
          }
          const check = () => {
            assert.equal(table.pagesOf(chain.set), expectedPages(rig, chain), `pages at ${chain.fed}`);
            assert.equal(table.pool.used, table.pagesOf(chain.set), "what was evicted serves other keys");
          };
          const lives = (keys: number | null) => {
            if (keys !== null) assert.equal(table.meanLive(chain.set), keys, `keys at ${chain.fed}`);
            else assert.ok(table.meanLive(chain.set) < 0.8 * chain.fed, `${table.meanLive(chain.set)} keys`);
          };
          check();
          lives(after);
          if (after !== null) assert.equal(ratio(prefill), PROMPT / after);
          // The prompt's peak. Whole: all keys but the pending one, where doomed keys
          // stand apart up to one page per lane more.
          const whole = LANES * Math.ceil((PROMPT - 1) / PAGE);
          if (peak !== null) assert.equal(prefill.peakLive, peak);
          if (peak === PROMPT) {
            // A replay holds the prompt's keys a second time, and the request.
            const { labels, cut } = rig.runner.policy;
            const more = cut?.watch.further ? LANES * (Math.ceil(PROMPT / PAGE) + 1) : 0;
            assert.ok(prefill.peakPages >= whole + (more ? LANES * Math.floor(PROMPT / PAGE) : 0));
            assert.ok(prefill.peakPages <= whole + more + (labels ? LANES : 0), `${prefill.peakPages} pages`);
          } else {
            assert.ok(prefill.peakLive < PROMPT && prefill.peakPages < whole, `${prefill.peakPages} of ${whole} pages`);
            if (peak !== null) assert.ok(prefill.peakPages <= LANES * (Math.ceil(peak / PAGE) + 2));
          }
          while (chain.fed < LENGTH) {
            await rig.feed([chain]);
            meterPass(decode, table, chain.set, "decode", 1, chain.fed, beforeCut.get(chain.set));
            check();
          }
          lives(end);
          // Apart from the prompt's: decoding never holds the prompt again once it was cut.
          if (after !== null && peak !== null && after < peak) assert.ok(decode.peakPages < prefill.peakPages);
          device.close();
        });
  });
