import type { Device, F32, Hidden } from "../device/device.ts";
import type { Side } from "../model/attention.ts";
import type { ModelConfig } from "../model/config.ts";
import type { Policy } from "../policy/policy.ts";

/** Queries that rings have room for at least, more than any policy looks at by default; what is not used is not touched. */
const LEAST_RING = 64;

export interface SideShape {
  sets: number;
  stride: number; // slots a lane, the pending key's included
  pages: number;
}

/**
 * The memory that policies have beside keys and values, made when a policy first wants it. Buffers are sized for all sets and the
 * whole context but touched only where used: 4 bytes a key for a board, Hq * D * 4 a query of a ring, 2 D * 4 a page of bounds.
 */
export class Sides {
  readonly #device: Device;
  readonly #config: ModelConfig;
  readonly #shape: SideShape;
  #board: Hidden | null = null;
  #hostBoard: F32 | null = null;
  #ring: { q: Hidden; room: number } | null = null;
  #moments: Hidden | null = null;
  #bounds: Hidden | null = null;
  #raw: { raw: Hidden; lse: Hidden } | null = null;
  /** Queries that rings hold at least: policies that share what one prompt left must agree on it. */
  queries = 0;
  /** Boards lie where the host may change them, whoever's: so that what one prompt left serves policies of one's own too. */
  hosted = false;

  constructor(device: Device, config: ModelConfig, shape: SideShape) {
    this.#device = device;
    this.#config = config;
    this.#shape = shape;
  }

  of(policy: Policy): Side {
    const { stride } = this.#shape;
    const { cut, reads } = policy;
    const watch = cut?.watch;
    const queries = cut && watch && watch.queries > 0 ? Math.max(watch.queries, this.queries) : 0;
    return {
      board: cut ? { scores: cut.rescore || this.hosted ? this.#shared() : this.#scores(), stride } : null,
      ring: queries > 0 ? this.#queries(queries) : null,
      moments: watch?.moments ? { sums: this.#sums(), skip: watch.moments.skip } : null,
      bounds: reads?.pages ? this.#pages() : null,
      scores: watch && watch.row !== "none" ? { ...this.#weights(), stride } : null,
    };
  }

  #lanes(): number {
    return this.#shape.sets * this.#config.layers * this.#config.kvHeads;
  }

  #scores(): Hidden {
    this.#board ??= this.#device.hidden(this.#lanes() * this.#shape.stride);
    return this.#board;
  }

  #shared(): F32 {
    this.#hostBoard ??= this.#device.f32(this.#lanes() * this.#shape.stride);
    return this.#hostBoard;
  }

  #queries(queries: number): { q: Hidden; queries: number } {
    if (!this.#ring || this.#ring.room < queries) {
      const { layers, queryHeads, headDim } = this.#config;
      const room = 2 ** Math.ceil(Math.log2(Math.max(LEAST_RING, queries))); // a smaller one stays until the device closes
      this.#ring = { q: this.#device.hidden(this.#shape.sets * layers * room * queryHeads * headDim), room };
    }
    return { q: this.#ring.q, queries };
  }

  #sums(): Hidden {
    const { layers, queryHeads, headDim: D } = this.#config;
    this.#moments ??= this.#device.hidden(this.#shape.sets * layers * queryHeads * (D + D * D) * 2);
    return this.#moments;
  }

  #pages(): Hidden {
    this.#bounds ??= this.#device.hidden(this.#shape.pages * 2 * this.#config.headDim);
    return this.#bounds;
  }

  #weights(): { raw: Hidden; lse: Hidden } {
    const heads = this.#shape.sets * this.#config.queryHeads;
    this.#raw ??= { raw: this.#device.hidden(heads * this.#shape.stride), lse: this.#device.hidden(heads) };
    return this.#raw;
  }
}
