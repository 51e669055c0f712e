// A device that copies what each layer's attention was given and gave: a runner's
// workspace holds the last layer's alone.
import type { Device, Hidden, I32, Pass } from "../../src/device/device.ts";
import type { ModelConfig } from "../../src/model/config.ts";
import type { Workspace } from "../../src/model/workspace.ts";

/**
 * Rows of one layer: the hidden state before it, queries and keys after RoPE, values, gates as they came (before
 * any is lifted), attention's output.
 */
export interface Tapped {
  x: Hidden;
  q: Hidden;
  k: Hidden;
  v: Hidden;
  z: Hidden;
  mixed: Hidden;
}

export class Tap {
  readonly device: Device;
  readonly layers: Tapped[] = [];
  /** Copies the next pass; those after it (cuts, KVzip's replay) are not of the chain's own tokens. */
  armed = false;
  #workspaces: readonly Workspace[] = [];
  #sizes = { x: 0, q: 0, kv: 0, z: 0 };
  #rows: I32 | null = null;

  constructor(device: Device) {
    const originals = new WeakMap<Pass, Pass>();
    this.device = {
      ...device,
      begin: () => {
        const pass = device.begin();
        if (!this.armed) return pass;
        this.armed = false;
        const outer = this.#copying(pass);
        originals.set(outer, pass);
        return outer;
      },
      run: (pass) => device.run(originals.get(pass) ?? pass),
    };
  }

  /** Of the runner that was built on `device`. */
  watch(
    workspaces: readonly Workspace[],
    { layers, hidden, queryHeads, kvHeads, headDim: D }: ModelConfig,
    rows: number,
  ): void {
    this.#workspaces = workspaces;
    this.#sizes = { x: hidden, q: queryHeads * D, kv: kvHeads * D, z: kvHeads };
    this.#rows = this.device.i32(rows);
    for (let i = 0; i < rows; i++) this.#rows.host[i] = i;
    const of = (width: number) => this.device.hidden(rows * width);
    const { x, q, kv, z } = this.#sizes;
    for (let l = 0; l < layers; l++)
      this.layers.push({ x: of(x), q: of(q), k: of(kv), v: of(kv), z: of(z), mixed: of(q) });
  }

  #copying(pass: Pass): Pass {
    const { x, q, kv, z } = this.#sizes;
    let count = 0;
    let layer = 0;
    let lifted = false;
    const copy = (out: Hidden, x: Hidden, dim: number) => pass.gather({ out, x, index: this.#rows!, count, dim });
    return {
      ...pass,
      embed: (args) => {
        count = args.rows;
        pass.embed(args);
      },
      mark: (args) => {
        copy(this.layers[layer].z, args.probed ?? args.z, z);
        lifted = true;
        pass.mark(args);
      },
      matmul: (args) => {
        const w = this.#workspaces[Math.min(layer, this.#workspaces.length - 1)];
        if (args.x === w.mixed) {
          const to = this.layers[layer];
          copy(to.x, w.x, x);
          copy(to.q, w.q, q);
          copy(to.k, w.k, kv);
          copy(to.v, w.v, kv);
          copy(to.mixed, w.mixed, q);
          if (!lifted) copy(to.z, w.z, z);
          layer++;
          lifted = false;
        }
        pass.matmul(args);
      },
    };
  }
}
