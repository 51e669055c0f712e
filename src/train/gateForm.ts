// The form of gates: what is chosen for new ones, and what those that are there already keep.
import { badArgument } from "../base/errors.ts";
import type { DmsConfig } from "../model/config.ts";
import { NEW_GATES, type RetrofitAsked, type RetrofitSettings } from "./retrofitOptions.ts";

/** The `dms_*` keys of config.json that say a form. */
export const formKeys = (r: RetrofitSettings): Record<string, unknown> => ({
  dms_alpha_scale: r.alphaScale,
  dms_initial_alpha_offset: r.alphaOffset,
  dms_window_size: r.window,
  dms_separate_alpha: r.gates === "own",
  dms_alpha_per: r.per,
  dms_label_shift: r.shift,
  dms_tau: r.tau,
});

/** What gates that learn on cannot change, and the flags that ask for it. */
const FIXED = {
  ...{ gates: "--gates", per: "--per", shift: "--shift" },
  ...{ alphaScale: "--alpha-scale", alphaOffset: "--alpha-offset" },
} as const;

/** Gates that are there already, as the config.json that belongs to them says it. */
export interface EarlierGates {
  path: string;
  dms: DmsConfig;
  json: unknown;
  nominal: number | null; // ratio that their training ended at; null: they do not say
}

/**
 * What was asked for, with what nobody asked for: of gates that learn on their form, window, tau and ratio, else those
 * of new ones. Throws `bad-argument` where another form is asked for than gates have.
 */
export function settledForm(asked: RetrofitAsked, earlier: EarlierGates | null): RetrofitSettings {
  const form = earlier ? formOf(earlier) : NEW_GATES;
  if (earlier)
    for (const [name, flag] of Object.entries(FIXED) as [keyof typeof FIXED, string][])
      if (asked[name] !== undefined && asked[name] !== form[name])
        throw badArgument(
          `${flag} ${asked[name]}: expected ${form[name]}, as the gates of ${earlier.path} have it, or no ${flag}`,
        );
  const { from = Math.min(earlier?.nominal ?? earlier?.dms.cr ?? 1, asked.ramp.cr) } = asked.ramp;
  const given = Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined)) as RetrofitAsked;
  return { ...form, ...given, ramp: { ...asked.ramp, from } };
}

function formOf({ dms, json }: EarlierGates): Pick<RetrofitSettings, keyof typeof NEW_GATES> {
  const { dms_tau: tau } = json as { dms_tau?: unknown };
  return {
    gates: dms.borrowed ? "borrowed" : "own",
    per: dms.perLayer ? "layer" : "head",
    shift: dms.shift,
    window: dms.window,
    tau: typeof tau === "number" && tau > 0 ? tau : NEW_GATES.tau,
    alphaScale: dms.scale,
    alphaOffset: dms.offset,
  };
}
