import { join } from "node:path";
import { z } from "zod";
import { badFile } from "../../base/errors.ts";
import type { Device } from "../../device/device.ts";
import { parseConfig } from "../../model/config.ts";
import { openSource, type Source } from "../../model/source.ts";
import { openDevice } from "../../request/session.ts";
import { sparsityOf } from "../../train/gates.ts";
import { loadParameters } from "../../train/load.ts";
import type { Loss } from "../../train/lossRows.ts";
import type { Parameters } from "../../train/parameters.ts";
import { Student } from "../../train/student.ts";
import type { Check, VerifyOptions } from "./check.ts";
import { type Golden, readGoldenTensors } from "./tensors.ts";

const LOSS_TOLERANCE = 1e-4; // relative
const GRADIENT_TOLERANCE = 1e-3; // relative L2
const ROUNDED_TOLERANCE = 2e-2; // both, where factors of products are rounded to bf16

const shape = z.object({
  model: z.string(),
  overrides: z.record(z.string(), z.union([z.number(), z.boolean(), z.string()])).default({}),
  direction: z.enum(["reverse", "forward"]).default("reverse"),
  loss: z
    .partialRecord(
      z.enum(["distill", "ntp", "pretrain"]),
      z.object({ total: z.number(), data_term: z.number().optional(), sparsity_term: z.number().optional() }),
    )
    .refine((loss) => Object.keys(loss).length > 0, "expected distill, ntp or pretrain, found none"),
});
/** What gates act by. */
const gatesShape = z.object({
  tau: z.number().positive(),
  window: z.int().min(0),
  target_evicted_fraction: z.number().min(0).max(1),
});
type GateSettings = z.infer<typeof gatesShape>;
type Settings = z.infer<typeof shape> & { gates: GateSettings | null };
type Kind = "distill" | "ntp" | "pretrain";

/** In plain pretraining none act. */
const gatesAct = (kind: Kind): boolean => kind !== "pretrain";

const NO_GATES: GateSettings = { tau: 1, window: 0, target_evicted_fraction: 0 };

const MULTIPLIED = " multiplied by";

/** Losses and all gradients of a model with recorded noise; with float32 products, and with factors rounded to bf16. */
export async function* verifyGradients(
  folder: string,
  golden: Record<string, unknown>,
  options: VerifyOptions,
): AsyncGenerator<Check> {
  const plain = read(shape, golden, folder);
  const kinds = Object.keys(plain.loss) as Kind[];
  const settings = { ...plain, gates: kinds.some(gatesAct) ? read(gatesShape, golden, folder) : null };
  const tensors = await readGoldenTensors(join(folder, "golden.safetensors"));
  const source = await openSource(join(folder, settings.model));
  for (const bf16 of [false, true])
    for (const kind of kinds) {
      const device = openDevice(options.device, options.threads);
      try {
        yield* verifyLoss(device, source, settings, tensors, kind, bf16, options);
      } finally {
        device.close();
      }
    }
}

function read<T>(form: z.ZodType<T>, golden: Record<string, unknown>, folder: string): T {
  const settings = form.safeParse(golden);
  if (settings.success) return settings.data;
  const { path, message } = settings.error.issues[0];
  throw badFile(`${folder}/golden.json: ${path.join(".")}: ${message}`);
}

async function* verifyLoss(
  device: Device,
  source: Source,
  settings: Settings,
  tensors: Golden,
  kind: Kind,
  bf16: boolean,
  { device: name, threads }: VerifyOptions,
): AsyncGenerator<Check> {
  const json = { ...(await source.json("config.json")), ...dmsKeys(settings.overrides) };
  const config = parseConfig(json);
  if (gatesAct(kind) && !config.dms)
    throw badFile(`${source.path}: expected a model with gates for the loss ${kind}, got one without dms_* keys`);
  const parameters = await loadParameters(device, openDevice(name, threads), config, source);
  await multiply(parameters, settings.overrides);
  for (const p of parameters.all) parameters.learn(p);
  const ids = tensors.int("input_ids");
  const windows = tensors.rows("input_ids");
  const { losses, student } = await gradientsOf(device, parameters, settings, tensors, ids, windows, kind, bf16);

  const label = `${kind}${bf16 ? ", bf16 products" : ""}`;
  const [most, allowed] = bf16 ? [ROUNDED_TOLERANCE, ROUNDED_TOLERANCE] : [LOSS_TOLERANCE, GRADIENT_TOLERANCE];
  const expected = settings.loss[kind]!;
  const terms = { total: expected.total, data_term: expected.data_term, sparsity_term: expected.sparsity_term };
  for (const [term, value] of Object.entries(terms))
    if (value !== undefined) {
      const off = Math.abs(losses[term as keyof typeof terms] - value);
      yield relative(`${label}: ${term}`, value === 0 ? off : off / Math.abs(value), most);
    }
  const strange = tensors
    .names()
    .filter((name) => name.startsWith(`${kind}.grad.`))
    .find((name) => !student.parameters.all.some((p) => name === `${kind}.grad.${p.name}`));
  if (strange) throw badFile(`${source.path}: expected gradients of this model's tensors, got ${strange}`);
  let [worst, which, compared] = [-1, "", 0];
  for (const { name, gradient } of student.parameters.all) {
    if (!tensors.has(`${kind}.grad.${name}`)) continue;
    const wanted = tensors.float(`${kind}.grad.${name}`);
    const got = new Float32Array(wanted.length);
    await device.read(gradient!, 0, got);
    const off = distance(got, wanted);
    compared++;
    // NaN is the farthest, and stays it.
    if (!(off <= worst) && !Number.isNaN(worst)) [worst, which] = [off, name];
  }
  if (compared === 0) throw badFile(`${source.path}: expected gradients named ${kind}.grad.TENSOR, found none`);
  yield relative(`${label}: ${compared} gradients, the farthest ${which}`, worst, allowed);
}

/** What Gumbel noise was drawn: [B, L, Hkv, T]. */
function noiseOf(tensors: Golden, size: number): Float32Array {
  const noise = tensors.float("noise");
  if (noise.length !== size)
    throw badFile(`golden.safetensors: expected noise of ${size} numbers, got ${noise.length}`);
  return noise;
}

async function gradientsOf(
  device: Device,
  parameters: Parameters,
  settings: Settings,
  tensors: Golden,
  ids: Int32Array,
  windows: number,
  kind: Kind,
  bf16: boolean,
) {
  const { config } = parameters;
  const [rows, length] = [ids.length, ids.length / windows];
  const gates = gatesAct(kind) ? "soft" : null;
  const loss: Loss = kind === "distill" ? { kind: "distill", direction: settings.direction } : { kind: "next" };
  const { tau, window, target_evicted_fraction: target } = settings.gates ?? NO_GATES;
  // The same model with its gates off: one that borrows a channel for them does without that channel all the same.
  const teacher = kind === "distill" ? { config, weights: parameters.untouched() } : null;
  const student = new Student(device, parameters, { rows, keeps: "all", window, tau, rank: 0, teacher, bf16 });
  const { batch, attention } = student;
  const [weights, targets, place] = [new Float32Array(rows), new Int32Array(rows), new Int32Array(rows)];
  for (let r = 0; r < rows; r++) {
    const t = r % length;
    batch.ids.host[r] = ids[r];
    batch.positions.host[r] = t;
    place[r] = Math.floor(r / length);
    const last = t === length - 1;
    targets[r] = last ? 0 : ids[r + 1];
    weights[r] = kind === "distill" ? 1 / rows : last ? 0 : 1 / (rows - windows);
  }
  for (let b = 0; b < windows; b++) batch.documents.host.set([b * length, length, 0], 3 * b);
  batch.documentCount = windows;
  student.losses.choose(weights, targets);
  const { layers, kvHeads } = config;
  if (gates) {
    const noise = noiseOf(tensors, rows * layers * kvHeads);
    for (let l = 0; l < layers; l++) {
      const { noise: to } = attention.layers[l];
      for (let r = 0; r < rows; r++)
        for (let h = 0; h < kvHeads; h++)
          to.host[r * kvHeads + h] = noise[((place[r] * layers + l) * kvHeads + h) * length + (r % length)];
      to.wrote(0, to.length);
    }
  }

  const forward = device.begin();
  if (loss.kind === "distill") student.teach(forward);
  student.forward(forward, gates);
  await device.run(forward);
  let sparsity = 0;
  if (gates) {
    const z = attention.layers.map(() => new Float32Array(rows * kvHeads));
    for (let l = 0; l < layers; l++) await student.readZ(l, z[l]);
    const { pull } = attention;
    sparsity = sparsityOf(z, kvHeads, place, windows, target, 1, pull.host).loss;
    pull.wrote(0, rows);
  }
  const backward = device.begin();
  student.loss(backward, loss, true);
  student.backward(backward, gates);
  await device.run(backward);
  const data = await student.losses.sum();
  return { losses: { total: data + sparsity, data_term: data, sparsity_term: sparsity }, student };
}

const dmsKeys = (overrides: Settings["overrides"]) =>
  Object.fromEntries(Object.entries(overrides).filter(([key]) => key.startsWith("dms_") && !key.endsWith(MULTIPLIED)));

/** "NAME multiplied by": every tensor whose name ends so is. */
async function multiply(parameters: Parameters, overrides: Settings["overrides"]): Promise<void> {
  for (const [key, factor] of Object.entries(overrides)) {
    if (!key.endsWith(MULTIPLIED)) continue;
    const ending = key.slice(0, -MULTIPLIED.length);
    for (const p of parameters.all)
      if (p.name.endsWith(ending))
        await parameters.write(
          p,
          (await parameters.read(p)).map((x) => x * Number(factor)),
        );
  }
}

/** Relative L2 distance. */
function distance(got: Float32Array, wanted: Float32Array): number {
  let [off, size] = [0, 0];
  for (let i = 0; i < wanted.length; i++) {
    off += (got[i] - wanted[i]) ** 2;
    size += wanted[i] ** 2;
  }
  return size > 0 ? Math.sqrt(off / size) : Math.sqrt(off);
}

function relative(name: string, off: number, tolerance: number): Check {
  const detail = `relative error ${off.toExponential(1)}, tolerance ${tolerance.toExponential(0)}`;
  return { name, status: off <= tolerance ? "PASS" : "FAIL", detail };
}
