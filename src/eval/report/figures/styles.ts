import type { Entry } from "../draw/figure.ts";
import { FULL_STYLE, type Style, styleOf } from "../draw/style.ts";
import { FULL } from "../lines.ts";
import type { SettingResult } from "../measure.ts";
import type { TaskReport } from "../report.ts";

/** Lines of a task's settings, each with its style: the first line of the full cache is black. */
export function stylesOf({ settings }: TaskReport): Map<string, Style> {
  const lines = [...new Set(settings.map(({ line }) => line))];
  const full = lines.find((line) => line === FULL || line.startsWith(`${FULL},`));
  const others = lines.filter((line) => line !== full);
  return new Map([
    ...(full === undefined ? [] : [[full, FULL_STYLE] as const]),
    ...others.map((line, i) => [line, styleOf(i)] as const),
  ]);
}

export const legendOf = (styles: ReadonlyMap<string, Style>): Entry[] =>
  [...styles].map(([name, style]) => ({ name, style }));

/** "57.4% [45.2, 69.4]" */
export const percent = ({ mean, low, high }: SettingResult["average"]): string => {
  const told = [mean, low, high].map((share) => (100 * share).toFixed(1));
  return `${told[0]}% [${told[1]}, ${told[2]}]`;
};
