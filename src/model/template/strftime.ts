// C's strftime in the C locale, as Python has it for a local time without a zone:
// English whatever the machine's language.
import { TemplateError } from "./budget.ts";

const DAYS = "Sunday Monday Tuesday Wednesday Thursday Friday Saturday".split(" ");
const MONTHS = "January February March April May June July August September October November December".split(" ");
const FIELD = /%([-_0^#]*)(\d*)([EO]?)([a-zA-Z%]?)/g;
/** Conversions that the modifiers E and O may stand before. */
const MODIFIED: Record<string, string> = { E: "cCxXyY", O: "deHIkmMSuUVwWy" };
const MOST_WIDTH = 1000;
const MOST_FORMAT = 10_000;
const DAY = 86_400_000;

/** What a conversion writes: a text, or a number with its digits and what fills them up. */
type Field = string | { value: number; digits: number; fill: "0" | " " };

const number = (value: number, digits: number, fill: "0" | " " = "0"): Field => ({ value, digits, fill });

/** Formats that stand for others. */
const COMPOSED: Record<string, string> = {
  c: "%a %b %e %H:%M:%S %Y",
  D: "%m/%d/%y",
  F: "%Y-%m-%d",
  r: "%I:%M:%S %p",
  R: "%H:%M",
  T: "%H:%M:%S",
  x: "%m/%d/%y",
  X: "%H:%M:%S",
};

const FIELDS: Record<string, (date: Date) => Field> = {
  a: (date) => DAYS[date.getDay()].slice(0, 3),
  A: (date) => DAYS[date.getDay()],
  b: (date) => MONTHS[date.getMonth()].slice(0, 3),
  B: (date) => MONTHS[date.getMonth()],
  h: (date) => MONTHS[date.getMonth()].slice(0, 3),
  C: (date) => number(Math.floor(date.getFullYear() / 100), 2),
  d: (date) => number(date.getDate(), 2),
  e: (date) => number(date.getDate(), 2, " "),
  f: (date) => number(date.getMilliseconds() * 1000, 6),
  g: (date) => number(isoWeek(date).year % 100, 2),
  G: (date) => number(isoWeek(date).year, 1),
  H: (date) => number(date.getHours(), 2),
  I: (date) => number(date.getHours() % 12 || 12, 2),
  j: (date) => number(dayOfYear(date) + 1, 3),
  k: (date) => number(date.getHours(), 2, " "),
  l: (date) => number(date.getHours() % 12 || 12, 2, " "),
  m: (date) => number(date.getMonth() + 1, 2),
  M: (date) => number(date.getMinutes(), 2),
  n: () => "\n",
  p: (date) => (date.getHours() < 12 ? "AM" : "PM"),
  P: (date) => (date.getHours() < 12 ? "am" : "pm"),
  s: (date) => number(Math.floor(date.getTime() / 1000), 1),
  S: (date) => number(date.getSeconds(), 2),
  t: () => "\t",
  u: (date) => number(date.getDay() || 7, 1),
  U: (date) => number(Math.floor((dayOfYear(date) + 7 - date.getDay()) / 7), 2),
  V: (date) => number(isoWeek(date).week, 2),
  w: (date) => number(date.getDay(), 1),
  W: (date) => number(Math.floor((dayOfYear(date) + 7 - ((date.getDay() + 6) % 7)) / 7), 2),
  y: (date) => number(date.getFullYear() % 100, 2),
  Y: (date) => number(date.getFullYear(), 1),
  z: () => "",
  Z: () => "",
  "%": () => "%",
};

/** What C does not know stays as it is. */
export function strftime(date: Date, format: string): string {
  if (format.length > MOST_FORMAT)
    throw new TemplateError(`strftime_now: the format has more than ${MOST_FORMAT} characters`);
  return format.replace(FIELD, (whole, flags: string, width: string, modifier: string, kind: string) => {
    if (modifier !== "" && !MODIFIED[modifier].includes(kind)) return whole;
    // Python fills in %f by itself, and only as it stands.
    if (kind === "f" && whole !== "%f") return whole;
    const composed = Object.hasOwn(COMPOSED, kind) ? strftime(date, COMPOSED[kind]) : null;
    if (composed === null && !Object.hasOwn(FIELDS, kind)) return whole;
    if (Number(width) > MOST_WIDTH)
      throw new TemplateError(`strftime_now: the width of ${whole} is over ${MOST_WIDTH}`);
    return padded(composed ?? FIELDS[kind](date), flags, Number(width), kind);
  });
}

function padded(field: Field, flags: string, width: number, kind: string): string {
  const pad = /[-_0]/.exec([...flags].reverse().join(""))?.[0];
  if (typeof field === "string") return cased(field, flags, kind).padStart(width, pad === "0" ? "0" : " ");
  const digits = String(field.value);
  if (pad === "-") return digits.padStart(width, " ");
  return digits.padStart(Math.max(width, field.digits), pad === "_" ? " " : pad === "0" ? "0" : field.fill);
}

/** "^" makes capitals; "#" as well, but of AM and PM small letters. */
function cased(text: string, flags: string, kind: string): string {
  if (flags.includes("#") && kind === "p") return text.toLowerCase();
  if (flags.includes("^") || (flags.includes("#") && "aAbBh".includes(kind))) return text.toUpperCase();
  return text;
}

/** Days since the first of January; summer time does not count. */
function dayOfYear(date: Date): number {
  const year = date.getFullYear();
  return (Date.UTC(year, date.getMonth(), date.getDate()) - Date.UTC(year, 0, 1)) / DAY;
}

/** The year and the week of ISO 8601: a week belongs to the year of its Thursday. */
function isoWeek(date: Date): { year: number; week: number } {
  const thursday = new Date(Date.UTC(date.getFullYear(), date.getMonth(), date.getDate() + 4 - (date.getDay() || 7)));
  const year = thursday.getUTCFullYear();
  return { year, week: Math.floor((thursday.getTime() - Date.UTC(year, 0, 1)) / DAY / 7) + 1 };
}
