import { mean } from "../base/mean.ts";
import { estimateFit } from "../train/fit/fitEstimate.ts";
import { GATE_START, gatesFromSurrogate } from "../train/fit/gateStart.ts";
import type { GateMaker } from "../train/retrofitOptions.ts";
import { fitProgress } from "./fit-progress.ts";
import { open } from "./open.ts";
import type { KvzapFlags } from "./retrofit-kvzap.ts";

/** Gates that begin as a surrogate of KVzip's scores, at a ratio, fitted to what the run learns from. */
export function gateStart(flags: KvzapFlags, signal: AbortSignal): GateMaker {
  const { scores = GATE_START.scores, prompts, heldOut } = flags;
  const settings = { scores, prompts, heldOut: Math.max(1, heldOut), sharpness: GATE_START.sharpness };
  const options = { ...settings, length: flags.length };
  return {
    settings,
    estimate: (config) => estimateFit(config, options),
    async make({ train, test }, { alphaScale: scale, alphaOffset: offset, ramp }) {
      await using session = await open({ ...flags, chains: 1, kvMemory: 1 << 20, weights: "f32", signal });
      const progress = fitProgress(process.stderr);
      const texts = { train: [train], test: [test] };
      const more = { cr: ramp.from, signal, onProgress: progress.show };
      const fit = await gatesFromSurrogate(session, texts, { scale, offset }, { ...options, ...more }).finally(
        progress.done,
      );
      process.stderr.write(
        `gates begin as a surrogate that explains ${(100 * mean(fit.explained)).toFixed(0)}% of log scores, ` +
          `at CR ${ramp.from}\n`,
      );
      return fit;
    },
  };
}
