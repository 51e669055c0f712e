import type { Check } from "./check.ts";

/** Compares live positions with a mask [lanes, T]. */
export function kept(name: string, live: ArrayLike<number>[], mask: Uint8Array, T: number): Check {
  const wrong = live.findIndex((keys, lane) => {
    const row = mask.subarray(lane * T, (lane + 1) * T);
    return keys.length !== row.reduce((sum, bit) => sum + bit, 0) || Array.from(keys).some((key) => row[key] !== 1);
  });
  const ok = wrong < 0 && live.length * T === mask.length;
  return {
    name,
    status: ok ? "PASS" : "FAIL",
    detail: ok
      ? `${live.length} of ${live.length} lanes equal`
      : `lane ${wrong}: got keys ${Array.from(live[wrong] ?? []).join(" ")}`,
  };
}
