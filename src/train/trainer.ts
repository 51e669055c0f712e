// One step of training: batches forward and backward, then one change of the parameters.
import { badModel, type HyperthinkError } from "../base/errors.ts";
import { mean } from "../base/mean.ts";
import type { TrainBatch } from "./batch.ts";
import { fillNoise, sparsityOf } from "./gates.ts";
import { keptShare } from "./keptShare.ts";
import type { Loss } from "./lossRows.ts";
import type { Optimizer } from "./optimizer.ts";
import type { Student } from "./student.ts";

/** What gates are asked for in a step. */
export interface GateTarget {
  share: number; // of decisions that evict
  weight: number; // of the sparsity term
}

export interface StepResult {
  loss: number; // per token, without the sparsity term
  sparsity: number; // the term itself
  evicted: number | null; // share of decisions; null: no gates
  norm: number; // of the gradients
  tokens: number; // that were read
}

/** What an evaluation found, with gates as the engine has them. */
export interface Evaluation {
  loss: number; // per token
  cr: number | null; // keys that queries would read of a full cache over those that they read; null: no gates
  tokens: number;
}

export class Trainer {
  readonly #student: Student;
  readonly #optimizer: Optimizer;
  readonly #loss: Loss;
  readonly #seed: number;

  constructor(student: Student, optimizer: Optimizer, loss: Loss, seed: number) {
    this.#student = student;
    this.#optimizer = optimizer;
    this.#loss = loss;
    this.#seed = seed;
  }

  /** Throws `bad-model` where the loss or its gradients are no numbers: nothing was changed by this step then. */
  async step(
    batches: readonly TrainBatch[],
    step: number,
    part: number,
    target: GateTarget | null,
  ): Promise<StepResult> {
    const student = this.#student;
    const { device } = student;
    const tokens = batches.reduce((sum, { weights }) => sum + weights.reduce((a, b) => a + b), 0);
    const read = batches.reduce((sum, { used }) => sum + used, 0);
    const result: StepResult = { loss: 0, sparsity: 0, evicted: target && 0, norm: 0, tokens: read };
    for (const [i, batch] of batches.entries()) {
      this.#bring(batch, 1 / Math.max(1, tokens));
      const gates = target ? "soft" : null;
      if (target) this.#draw(step, batches.length, i);
      const pass = device.begin();
      if (i === 0) {
        this.#optimizer.clear(pass);
        student.merge(pass);
      }
      if (this.#loss.kind === "distill") student.teach(pass);
      student.forward(pass, gates);
      if (target) {
        await device.run(pass);
        const { fractions, loss } = await this.#pull(batch, target, batches.length);
        result.sparsity += loss / batches.length;
        result.evicted! += mean(fractions) / batches.length;
      }
      const back = target ? device.begin() : pass;
      student.loss(back, this.#loss, true);
      student.backward(back, gates);
      await device.run(back);
      result.loss += await student.losses.sum();
    }
    result.norm = await this.#optimizer.norm();
    if (!Number.isFinite(result.loss + result.norm))
      throw diverged(`step ${step}`, `a loss of ${result.loss} and gradients of norm ${result.norm}`);
    const pass = device.begin();
    this.#optimizer.update(pass, step, part, result.norm);
    await device.run(pass);
    return result;
  }

  /**
   * Losses over batches that nothing is learned from. `gated`: gates evict, as the engine does it. Throws `bad-model`
   * where the loss is no number.
   */
  async evaluate(batches: Iterable<TrainBatch>, gated: boolean): Promise<Evaluation> {
    const student = this.#student;
    const { device, parameters } = student;
    let [loss, tokens, kept, full] = [0, 0, 0, 0];
    let merged = false;
    for (const batch of batches) {
      this.#bring(batch, 1);
      const pass = device.begin();
      if (!merged) student.merge(pass);
      merged = true;
      if (this.#loss.kind === "distill") student.teach(pass);
      student.forward(pass, gated ? "hard" : null);
      student.loss(pass, this.#loss, false);
      await device.run(pass);
      loss += await student.losses.sum();
      tokens += batch.weights.reduce((a, b) => a + b);
      if (!gated) continue;
      const share = keptShare(await this.#decisions(), parameters.config, batch, student.window);
      kept += share.kept;
      full += share.full;
    }
    if (!Number.isFinite(loss)) throw diverged("held-out text", `a loss of ${loss}`);
    return { loss: loss / Math.max(1, tokens), cr: gated ? full / Math.max(1, kept) : null, tokens };
  }

  #bring({ ids, positions, documents, documentCount, weights, targets }: TrainBatch, scale: number): void {
    const { batch } = this.#student;
    batch.ids.host.set(ids);
    batch.positions.host.set(positions);
    batch.documents.host.set(documents.subarray(0, 3 * documentCount));
    batch.documentCount = documentCount;
    this.#student.losses.choose(
      weights.map((w) => w * scale),
      targets,
    );
  }

  #draw(step: number, batches: number, batch: number): void {
    const { layers } = this.#student.attention;
    layers.forEach(({ noise }, l) => {
      fillNoise(noise.host, this.#seed, step * batches + batch, l);
      noise.wrote(0, noise.length);
    });
  }

  /** z of every layer, [rows, Hkv]. */
  async #decisions(): Promise<Float32Array[]> {
    const { attention, parameters, batch } = this.#student;
    const z = attention.layers.map(() => new Float32Array(batch.ids.length * parameters.config.kvHeads));
    for (const [l, into] of z.entries()) await this.#student.readZ(l, into);
    return z;
  }

  async #pull({ window, windows }: TrainBatch, { share, weight }: GateTarget, batches: number) {
    const { pull } = this.#student.attention;
    const { kvHeads } = this.#student.parameters.config;
    const z = await this.#decisions();
    const sparsity = sparsityOf(z, kvHeads, window, windows, share, weight / batches, pull.host);
    pull.wrote(0, pull.length);
    return sparsity;
  }
}

function diverged(when: string, got: string): HyperthinkError {
  return badModel(
    `${when}: expected numbers, got ${got}: the run ends here, and its checkpoints stay as they were; ` +
      "begin another in a new folder with a lower rate, more warm-up steps or a smaller clip",
  );
}
