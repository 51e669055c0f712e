// Teaches a model to compress its own cache: DMS (arXiv 2506.05345) by the public recipe (NVIDIA Model-Optimizer,
// experimental/dms), and what small batches need beside it.
import { join, relative } from "node:path";
import { badArgument } from "../base/errors.ts";
import { uniform } from "../base/rng.ts";
import type { Device } from "../device/device.ts";
import { openDevice } from "../request/session.ts";
import { fingerprintOfWeights } from "./disk/fingerprint.ts";
import type { JournalEntry } from "./disk/journal.ts";
import { checkOut, claimFolder } from "./disk/outFolder.ts";
import { checkMemory, forecast, spanOf } from "./estimate.ts";
import { evaluationBatches } from "./evaluation.ts";
import { saveAdapter, saveModel } from "./export.ts";
import { checkFitMemory, fitSeconds } from "./fit/fitEstimate.ts";
import { makeGated, type Origin, originOf } from "./gated.ts";
import { formKeys } from "./gateForm.ts";
import { Optimizer } from "./optimizer.ts";
import type { RetrofitOptions, RetrofitPlan, RetrofitSettings } from "./retrofitOptions.ts";
import { dataOf, finish, nextTo, run, stepsDone } from "./run.ts";
import { ratioAt } from "./schedule.ts";
import { checkSettings } from "./settings.ts";
import { Student } from "./student.ts";
import { Trainer } from "./trainer.ts";

/**
 * Trains, and saves an adapter folder (gates, LoRA) or, where all weights learned, a model folder, on a device that
 * `open` opens, as `pretrain` says. Throws as `pretrain`.
 */
export async function retrofit(options: RetrofitOptions, open: () => Device = () => openDevice()): Promise<void> {
  const device = open();
  try {
    await retrofitted(device, open, options);
  } finally {
    device.close();
  }
}

async function retrofitted(device: Device, staging: () => Device, options: RetrofitOptions): Promise<void> {
  const { settings, out, train, test, achieve } = options;
  const { model, adapters, earlier, teacher: taught, start, saveEach, dtype } = options;
  const given = [model, ...adapters, ...(earlier === null ? [] : [earlier]), ...(taught === null ? [] : [taught])];
  await checkOut(out, given, { goesOn: true });
  const origin = await checkRetrofit(options);
  const r = origin.settings;
  const done = await stepsDone(out);
  const maker = done === null ? start : null;
  const fit = maker?.estimate(origin.config);
  const before = fit && { bytes: fit.bytes, seconds: await fitSeconds(fit, device) };
  const { windows, length, heldOutWindows } = settings;
  const shape = { ...shapeOf(origin, options), span: spanOf(train, windows, length) };
  await forecast(device, shape, options, done ?? 0, before);
  await using _ = await claimFolder(out, { goesOn: true });
  const begun = maker && (await maker.make(options, r));
  const { parameters, teacher } = await makeGated(device, staging, origin, begun, options);
  const student = new Student(device, parameters, {
    rows: windows * length,
    keeps: settings.recompute ? "inputs" : "all",
    ...{ window: r.window, tau: r.tau, rank: r.rank, teacher, bf16: settings.bf16 },
  });
  const optimizer = new Optimizer(device, parameters.trained, settings.optimizer);
  const trainer = new Trainer(student, optimizer, r.loss, settings.seed);
  const weights = await Promise.all(given.map(fingerprintOfWeights));
  const recipeIn = (folder: string) => {
    const told = (path: string) => nextTo(folder, path);
    return {
      kind: "retrofit",
      model: told(model),
      adapters: adapters.map(told),
      earlier: earlier && told(earlier),
      teacher: taught && told(taught),
      weights,
      ...settings,
      ...r,
      start: start?.settings ?? null,
      ...{ achieve, saveEach, dtype, device: device.name },
    };
  };
  const base = await origin.source.json("config.json");
  const save = async (folder: string, reached: JournalEntry) => {
    const config = { ...formKeys(r), dms_cr: ratioOf(reached, r.ramp.from) };
    if (r.train === "full")
      await saveModel(device, parameters.all, folder, { ...base, ...config }, { from: origin.source.path, dtype });
    else
      await saveAdapter(device, parameters, folder, config, {
        ...{ base: relative(folder, model), dtype },
      });
    await finish(folder, { ...recipeIn(folder), ...dataOf(options, folder), reached });
  };
  let [next, last]: [number, JournalEntry] = [0, { step: 0 }];
  /** The ratios of `achieve` that an entry is the first to reach. A fit reaches none before it has learned. */
  const reachedBy = (entry: JournalEntry): readonly number[] => {
    last = entry;
    const from = next;
    if (start && entry.step === 0) return [];
    while (next < achieve.length && (entry.heldOutCr ?? 0) >= achieve[next]) next++;
    return achieve.slice(from, next);
  };
  const enough = () => (achieve.length > 0 && next === achieve.length ? "enough" : undefined);
  const { seed } = settings;
  await run(
    { device, trainer, optimizer, learned: parameters.trained },
    {
      ...options,
      ...settings,
      recipe: recipeIn(out),
      pieces: train,
      rate: settings.optimizer.rate,
      schedule: { ...settings.schedule, steps: settings.steps },
      ramp: r.ramp,
      sparsityWeight: r.sparsityWeight,
      trigger: r.trigger === "random" ? (i, rows) => Math.floor(uniform(seed, RANDOM, i, 0) * rows) : undefined,
      heldOut: evaluationBatches(test, heldOutWindows, windows, length),
      recall(entry) {
        reachedBy(entry);
        return enough();
      },
      async onEntry(entry) {
        const ratios = reachedBy(entry);
        await options.onEntry?.(entry);
        if (saveEach > 0 && entry.step > 0 && entry.step % saveEach === 0)
          await save(join(out, `step-${entry.step}`), entry);
        for (const ratio of ratios) await save(join(out, `cr${ratio}`), entry);
        return enough();
      },
    },
  );
  const missed = achieve.slice(next);
  if (missed.length > 0)
    options.note?.(
      `--achieve: ${missed.join(", ")} not reached: the run ends where held-out text achieves ` +
        `${(last.heldOutCr ?? 1).toFixed(2)}; more --steps or a higher --cr go further`,
    );
  await save(out, missed.length > 0 ? { ...last, missed } : last);
}

const RANDOM = 0x7219e2;

/** What a run begins from. Throws as `retrofit` does before it computes: what can be told without the data. */
export async function checkRetrofit(options: RetrofitPlan): Promise<Origin> {
  const origin = await originOf(options);
  const { config, settings } = origin;
  checkSettings(options.settings, config.contextLength);
  check(settings, options);
  checkMemory(shapeOf(origin, options), options.memory);
  if (options.start) checkFitMemory(options.start.estimate(config), options.memory);
  return origin;
}

function shapeOf({ gated, settings: r }: Origin, { settings, teacher }: RetrofitPlan) {
  const distills = r.loss.kind === "distill";
  const teacherApart = distills && (teacher !== null || r.train === "full");
  return { config: gated, settings, train: r.train, rank: r.rank, distills, teacherApart };
}

function check(r: RetrofitSettings, { achieve, settings, note }: RetrofitPlan): void {
  if (r.gates === "borrowed" && r.train !== "full")
    throw badArgument(
      `--train ${r.train}: expected full, as these gates are borrowed from the query projections, rows of which decide`,
    );
  if (achieve.length > 0 && settings.heldOutWindows === 0)
    throw badArgument("--achieve: expected --held-out from 1, as ratios are achieved on held-out text; got 0");
  const ends = ratioAt(settings.steps, r.ramp);
  if (ends < r.ramp.cr)
    note?.(
      `the nominal CR ends at ${ends.toFixed(2)} after ${settings.steps} steps, not at ${r.ramp.cr}: ` +
        `that takes ${Math.ceil((r.ramp.cr - r.ramp.from) * r.ramp.perUnit)} steps, or fewer --cr-steps`,
    );
  if (r.train !== "full" && settings.optimizer.matrices === "muon")
    note?.(`--optimizer muon changes nothing: it is for whole matrices, of which --train ${r.train} has none`);
  if (!(Number.isInteger(r.ramp.perUnit) && r.ramp.perUnit >= 1))
    throw badArgument(
      `--cr-steps: expected a whole number from 1, got ${r.ramp.perUnit}; --cr-from as high as --cr begins there at once`,
    );
  if (!(r.sparsityWeight >= 0 && r.sparsityWeight < Infinity))
    throw badArgument(`--sparsity: expected a number from 0, got ${r.sparsityWeight}`);
  if (!(r.ramp.cr >= 1)) throw badArgument(`--cr: expected a ratio from 1, got ${r.ramp.cr}`);
  if (!(r.tau > 0)) throw badArgument(`--tau: expected a temperature above 0, got ${r.tau}`);
  if (!(r.alphaScale > 0 && r.alphaScale < Infinity))
    throw badArgument(`--alpha-scale: expected a factor above 0, got ${r.alphaScale}`);
  if (!Number.isFinite(r.alphaOffset)) throw badArgument(`--alpha-offset: expected a number, got ${r.alphaOffset}`);
  if (!(Number.isInteger(r.rank) && r.rank >= 1 && r.rank <= 1024))
    throw badArgument(`--rank: expected a whole number from 1 to 1024, got ${r.rank}`);
  if (!(r.loraScale > 0 && r.loraScale < Infinity))
    throw badArgument(`--lora-alpha: expected a number above 0, got ${r.loraScale * r.rank}`);
}

/** What people ask for by `--cr`, as a whole number: what held-out text achieved; where none was, the nominal CR. */
const ratioOf = ({ heldOutCr, targetCr }: JournalEntry, nominal: number): number =>
  Math.max(1, Math.round(heldOutCr ?? targetCr ?? nominal));
