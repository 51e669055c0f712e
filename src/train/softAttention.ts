// Attention while gates learn: dense inside each document, evicted keys fading by a soft mask (DMS, arXiv 2506.05345).
import type { Device, F32, Hidden, Pass, Work } from "../device/device.ts";
import type { ModelConfig } from "../model/config.ts";
import type { Attention } from "../model/forward.ts";
import type { Keeps, Workspace } from "../model/workspace.ts";
import type { Gradients } from "./gradients.ts";

/** What a layer's attention leaves for its way back. */
interface Soft {
  z: Hidden; // [rows, Hkv] (logits + noise) / tau; hard: logits
  soft: Hidden; // [rows, Hkv] added to scores of keys that left the window
  lse: Hidden; // [rows, Hq]
  noise: F32; // [rows, Hkv] Gumbel - Gumbel
}

export interface SoftSettings {
  documents: Work;
  /** Null: every key stays. hard: labels are those of the engine; soft: with noise at temperature tau. */
  gates: "hard" | "soft" | null;
  window: number;
  tau: number;
}

export class SoftAttention implements Attention {
  readonly layers: readonly Soft[];
  /** [rows] gradient of the sparsity term for each bit of a row. */
  readonly pull: F32;
  readonly #config: ModelConfig;
  #settings: SoftSettings;

  constructor(device: Device, config: ModelConfig, rows: number, keeps: Keeps, settings: SoftSettings) {
    this.#config = config;
    this.#settings = settings;
    const { layers, kvHeads, queryHeads } = config;
    const lse = () => device.hidden(rows * queryHeads);
    const shared = lse();
    const gates = () => device.hidden(rows * kvHeads);
    this.layers = Array.from({ length: layers }, () => ({
      z: gates(),
      soft: gates(),
      lse: keeps === "all" ? lse() : shared,
      noise: device.f32(config.dms ? rows * kvHeads : 1),
    }));
    this.pull = device.f32(rows);
  }

  /** Of the passes that are recorded from now on. */
  set(settings: SoftSettings): void {
    this.#settings = settings;
  }

  mix(pass: Pass, layer: number, { q, k, v, z: logits, mixed: out }: Workspace): void {
    const { documents, gates, window, tau } = this.#settings;
    const { z, soft, lse, noise } = this.layers[layer];
    const { kvHeads, dms } = this.#config;
    if (gates)
      pass.soften({
        ...{ z, soft, logits, documents, kvHeads, tau, shift: dms!.shift },
        noise: gates === "hard" ? null : noise,
        hard: gates === "hard",
      });
    pass.attendSoft({ out, lse, q, k, v, soft: gates && soft, documents, ...this.#heads(), window });
  }

  /** From g.mixed to g.q, g.k, g.v, and with gates g.z, the gradient of the decision logits. */
  back(pass: Pass, layer: number, { q, k, v, mixed: out }: Workspace, g: Gradients): void {
    const { documents, gates, window, tau } = this.#settings;
    const { z, soft, lse } = this.layers[layer];
    const { kvHeads, dms } = this.#config;
    const gradients = { dq: g.q, dk: g.k, dv: g.v, dsoft: gates && g.soft, dout: g.mixed };
    const forward = { out, lse, q, k, v, soft: gates && soft };
    pass.attendSoftBack({ ...gradients, ...forward, documents, ...this.#heads(), window });
    if (gates)
      pass.softenBack({
        ...{ dlogits: g.z, dsoft: g.soft, z, pull: this.pull, documents, kvHeads, tau, shift: dms!.shift },
      });
  }

  #heads() {
    const { queryHeads, kvHeads, headDim: dim } = this.#config;
    return { queryHeads, kvHeads, dim };
  }
}
