// Gates that begin as a surrogate of KVzip's scores.
import { badArgument } from "../../base/errors.ts";
import type { DmsConfig } from "../../model/config.ts";
import type { Session } from "../../request/session.ts";
import { type Pieces, shortened } from "../data/pieces.ts";
import type { GateStart } from "../retrofitOptions.ts";
import { evictedShare } from "../schedule.ts";
import { FIT, type Fit, type FitData, type FitOptions, fitSurrogate, replays } from "./fit.ts";
import { linearLearner } from "./learner.ts";
import { longestPrompt } from "./scores.ts";

export interface GateStartOptions extends FitOptions {
  /** Ratio that the gates begin with: the share 1 - 1 / cr of held-out keys is labelled. */
  cr: number;
  /** Slope of decision logits in log scores. */
  sharpness: number;
}

/**
 * Where nothing else is said. On SmolLM2, gates from kvzip diverged less from the full cache than from kvzip+, whose
 * small values at attention sinks label keys that all queries lean on.
 */
export const GATE_START = { ...FIT, scores: "kvzip", sharpness: 3 } as const;

/**
 * Gates of their own (`dms_proj_alpha`), one per head, for norms of ones and label shift 0: a key's own token decides.
 */
export interface FittedGates extends GateStart, Pick<Fit, "explained" | "tokens"> {
  /** Keys of a lower predicted log score are labelled. */
  logThreshold: number;
}

/**
 * Gates that begin as a surrogate of KVzip's scores: a ridge of log scores on the normalised residual stream, and one
 * threshold for all heads, so that scale * (proj x + bias) - offset = sharpness * (logThreshold - prediction). Pieces
 * are read as far as the context holds them beside their replay. The session does nothing else; memory of the fit is
 * freed with it. Throws as `fitSurrogate`, `bad-argument` for a cr that is none.
 */
export async function gatesFromSurrogate(
  session: Session,
  data: FitData,
  { scale, offset }: Pick<DmsConfig, "scale" | "offset">,
  options: GateStartOptions,
): Promise<FittedGates> {
  const { cr, sharpness } = options;
  if (!(cr >= 1 && cr < Infinity)) throw badArgument(`cr: expected a ratio from 1, got ${cr}`);
  if (!(sharpness > 0 && sharpness < Infinity))
    throw badArgument(`sharpness: expected a number above 0, got ${sharpness}`);
  const length = Math.min(options.length, longestPrompt(session.config.contextLength, replays(session)));
  const short = (pieces: readonly Pieces[]) => pieces.map((each) => shortened(each, length));
  const { surrogate, explained, tokens, quantiles } = await fitSurrogate(
    session,
    "residual",
    { train: short(data.train), test: short(data.test) },
    { ...options, length },
    () => linearLearner(session.config),
  );
  const [logThreshold] = quantiles([evictedShare(cr)]);
  return {
    proj: surrogate.layers.map(({ out }) => out.weight.map((w) => (-sharpness * w) / scale)),
    bias: surrogate.layers.map(({ out }) => out.bias.map((b) => (sharpness * (logThreshold - b) + offset) / scale)),
    logThreshold,
    ...{ explained, tokens },
  };
}
