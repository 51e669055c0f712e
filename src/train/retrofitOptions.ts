import type { ModelConfig } from "../model/config.ts";
import type { Pieces } from "./data/pieces.ts";
import type { FitEstimate } from "./fit/fitEstimate.ts";
import type { Loss } from "./lossRows.ts";
import type { TrainMode } from "./parameters.ts";
import type { Learned, Surroundings } from "./run.ts";
import type { Ramp } from "./schedule.ts";
import type { TrainSettings } from "./settings.ts";

/** What a retrofit is told beside the settings of every run. */
export interface RetrofitSettings {
  loss: Loss;
  train: TrainMode;
  /** own: tensors of their own; borrowed: a channel of the queries, which all weights must learn to give up. */
  gates: "own" | "borrowed";
  per: "head" | "layer";
  window: number; // tokens that a key still serves after its label; 0: immediate eviction
  shift: 0 | 1; // whose decision labels a key: its own token's, or the next one's
  trigger: "every" | "random"; // queries under the mask: all, or those after a random one of each document
  tau: number; // temperature of the Gumbel-sigmoid
  /** A decision's logit is alphaScale * (gate's output) - alphaOffset; above 0 it evicts. */
  alphaScale: number;
  alphaOffset: number;
  ramp: Ramp;
  sparsityWeight: number; // of the one-sided term, beside the loss
  rank: number; // of LoRA
  loraScale: number; // of b a, before it is added: alpha / rank in PEFT's words
}

/** Of new gates, where nothing else is asked. Source: the public recipe; the window is chosen for short runs. */
export const NEW_GATES = {
  ...{ gates: "own", per: "head", window: 32, shift: 1 },
  ...{ tau: 0.1, alphaScale: 100, alphaOffset: 5 },
} as const satisfies Partial<RetrofitSettings>;

/** Of the form of gates, and of where the ratio begins, what is not asked for is as gateForm.ts says. */
export interface RetrofitAsked
  extends Omit<RetrofitSettings, FormKey | "ramp">,
    Partial<Pick<RetrofitSettings, FormKey>> {
  ramp: Omit<Ramp, "from"> & Partial<Pick<Ramp, "from">>;
}

type FormKey = keyof typeof NEW_GATES;

/** Gates to begin with. */
export interface GateStart {
  proj: readonly Float32Array[]; // [layers] of [Hkv, H], of the residual stream under its gate's norm
  bias: readonly Float32Array[]; // [layers] of [Hkv]
}

/** Who makes gates to begin with, such as those of a surrogate (gateStart.ts), once the run is known to make sense. */
export interface GateMaker {
  /** JSON: what the gates depend on beside the model, the data and the run's settings. */
  settings: Record<string, unknown>;
  estimate: (config: ModelConfig) => FitEstimate;
  make: (data: Pick<RetrofitOptions, "train" | "test">, settings: RetrofitSettings) => Promise<GateStart>;
}

export interface RetrofitOptions extends Surroundings, Learned {
  model: string;
  /** Laid over the model; LoRAs are merged, so that the result is to be used beside them. */
  adapters: readonly string[];
  /** Folder of an earlier retrofit, whose gates and LoRA learn on. */
  earlier: string | null;
  /** The uncompressed self, where that is not what `model` and `adapters` make. */
  teacher: string | null;
  out: string;
  test: Pieces;
  settings: TrainSettings;
  retrofit: RetrofitAsked;
  start: GateMaker | null; // null: closed gates
  /**
   * Achieved ratios, ascending: at each the result so far is saved in a folder of its own; the run ends with the last.
   */
  achieve: readonly number[];
  /** Steps between results that are saved in folders of their own; 0: none. */
  saveEach: number;
  dtype: "BF16" | "F32";
}

/** What is known of a retrofit before its data are read. */
export type RetrofitPlan = Omit<RetrofitOptions, "train" | "test" | "reading">;
