import { seeded } from "../src/base/rng.ts";

/** The value below which `share` of the numbers lie. */
export const quantile = (numbers: readonly number[], share: number): number =>
  numbers.toSorted((a, b) => a - b)[Math.min(numbers.length - 1, Math.floor(share * numbers.length))];

export const median = (numbers: readonly number[]): number => quantile(numbers, 0.5);

/** 95% interval of what `statistic` says of rounds, by bootstrap: the rounds are drawn with replacement. */
export function interval(rounds: number, statistic: (rounds: readonly number[]) => number): [number, number] {
  const random = seeded(1);
  const draw = () => statistic(Array.from({ length: rounds }, () => random.below(rounds)));
  const drawn = Array.from({ length: 10_000 }, draw);
  return [quantile(drawn, 0.025), quantile(drawn, 0.975)];
}
