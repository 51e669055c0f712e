// Seeded values in many spellings within many sentences: one value keeps one key or abstains, another never gets it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Seeded, seeded } from "../../src/base/rng.ts";
import { extractAnswer } from "../../src/scale/answer.ts";
import { answerKey } from "../../src/scale/key.ts";

const ended = { thinking: null, finished: true };
const keyOf = (text: string): string | null => {
  const found = extractAnswer(text, ended);
  return found.kind === "answer" ? found.key : null;
};
const pick = <T>(rng: Seeded, items: readonly T[]): T => items[rng.below(items.length)];

/** -n/d in lowest terms. */
interface Value {
  n: number;
  d: number;
}
const canonical = ({ n, d }: Value): string => (d === 1 ? `${n}` : `${n}/${d}`);

function randomValue(rng: Seeded): Value {
  const sign = rng.below(4) === 0 ? -1 : 1;
  if (rng.below(2) === 0)
    return { n: sign * pick(rng, [1 + rng.below(99), 100 + rng.below(9e4), 1e6 + rng.below(9e6)]), d: 1 };
  const d = pick(rng, [2, 3, 4, 5, 7, 8, 9, 16, 25, 40]);
  let n = 1 + rng.below(5 * d);
  while (gcd(n, d) > 1) n++;
  return { n: sign * n, d };
}

const gcd = (a: number, b: number): number => (b ? gcd(b, a % b) : a);
const grouped = (n: number, mark: string) => String(n).replace(/\B(?=(\d{3})+$)/g, mark);
const digits = (text: string, zero: number) => text.replace(/\d/g, (c) => String.fromCodePoint(zero + Number(c)));
const VULGAR: Record<string, string> = { "1/2": "½", "3/4": "¾", "1/3": "⅓", "2/5": "⅖", "7/8": "⅞" };

/** Spellings without a sign. `prose`: those that stand in running text too. */
function magnitudes({ n, d }: Value): { prose: string[]; tex: string[] } {
  const prose: string[] = [];
  const tex: string[] = [];
  if (d === 1) {
    prose.push(`${n}`, `${n}.0`, digits(`${n}`, 0xff10), digits(`${n}`, 0x660));
    if (n > 999) prose.push(grouped(n, ","), grouped(n, " "), grouped(n, "\u202f"));
    if (n > 999) tex.push(grouped(n, "{,}"), grouped(n, ",\\!"), grouped(n, "\\,"), grouped(n, "\\ "));
    if (n % 1000 === 0) prose.push(`${n / 1000} thousand`);
    if (n % 12 === 0) prose.push(`${n / 12} dozen`);
    prose.push(`${n / 1e6} million`, `${n / 1000}e3`);
    tex.push(
      `${n}\\text{ beads}`,
      `\\mathbf{${n}}`,
      `\\text{${n}}`,
      `${n}^\\circ`,
      `${n}00\\%`,
      `${n}00\\text{ percent}`,
    );
    tex.push(`${n / 1000} \\times 10^3`, `${n / 1000}\\cdot10^{3}`, `${n * 1000} \\times 10^{-3}`);
  } else {
    const exact = /^[2 5]+$/.test(factors(d));
    if (exact) prose.push(`${n / d}`, `${(100 * n) / d}%`, `${(100 * n) / d} percent`);
    const whole = Math.floor(n / d);
    const part = `${n % d}/${d}`;
    if (whole > 0) prose.push(`${whole} ${part}`);
    if (whole > 0 && part === "1/2") prose.push(`${whole} and a half`);
    if (whole > 0) tex.push(`${whole}\\frac{${n % d}}{${d}}`, `${whole} \\dfrac{${n % d}}{${d}}`);
    if (VULGAR[part]) prose.push(`${whole || ""}${VULGAR[part]}`);
    prose.push(`${n}/${d}`);
    tex.push(
      `\\frac{${n}}{${d}}`,
      `\\tfrac{${2 * n}}{${2 * d}}`,
      `\\mathbf{\\frac{${n}}{${d}}}`,
      `\\left(\\frac{${n}}{${d}}\\right)`,
    );
    if (n < 10 && d < 10) tex.push(`\\frac${n}${d}`, `\\frac ${n} ${d}`);
  }
  return { prose, tex };
}

function factors(n: number): string {
  for (let p = 2; p <= n; p++) if (n % p === 0) return n === p ? `${p}` : `${p} ${factors(n / p)}`;
  return "";
}

function spellings(value: Value): { prose: string[]; tex: string[] } {
  const { prose, tex } = magnitudes({ n: Math.abs(value.n), d: value.d });
  const signs = value.n < 0 ? ["-", "−", "negative ", "minus "] : [""];
  const signed = (texts: string[]) => texts.flatMap((text) => signs.map((sign) => sign + text));
  const money = value.n > 0 ? prose.filter((text) => /^[\d.,]+$/.test(text)) : [];
  return {
    prose: [...signed(prose), ...money.flatMap((text) => [`€${text}`, `$${text}`, `${text} dollars`])],
    tex: [...signed(tex), ...money.flatMap((text) => [`\\$${text}`, `x = ${text}`, `\\text{\\$}${text}`])],
  };
}

const BOXED = [
  "\\boxed{@}",
  "So we get $\\boxed{@}$.",
  "\\[\\boxed{ @ }\\]\n",
  "Try \\boxed{17}. Wait, no: **\\boxed{@}**",
  "\\fbox{$@$}",
];
const STATED = [
  "The answer is @.",
  "**Answer:** @",
  "Final Answer: $@$. I hope it is correct.",
  "So 3 of 4 fail.\n\n**Answer: @**",
  "#### @",
];
const PROSE = [
  "In all there are @ apples.",
  "He had 3. Thus it is @",
  "so 5 + 4 = @ in the end.",
  "The total comes to:\n\n**@**",
  "答案是@。",
  "The value was @, we find.",
];

test("a value in its spellings: one key in a box, that key or none elsewhere", () => {
  const rng = seeded(10);
  let boxed = 0;
  const voted = { stated: 0, prose: 0, all: 0 };
  for (let i = 0; i < 3000; i++) {
    const value = randomValue(rng);
    const want = canonical(value);
    const { prose, tex } = spellings(value);
    const text = pick(rng, [...prose, ...tex]);
    const carrier = pick(rng, BOXED).replace("@", () => text);
    assert.equal(keyOf(carrier), want, carrier);
    assert.equal(answerKey(text), want, text);
    boxed++;
    const plain = pick(rng, prose);
    for (const [kind, carriers] of [
      ["stated", STATED],
      ["prose", PROSE],
    ] as const) {
      const said = pick(rng, carriers).replace("@", () => plain);
      const key = keyOf(said);
      assert.ok(key === null || key === want, `${said} gives ${key}, not ${want}`);
      voted[kind] += Number(key !== null);
    }
    voted.all++;
  }
  assert.equal(boxed, 3000);
  assert.ok(voted.stated > 0.95 * voted.all && voted.prose > 0.6 * voted.all, JSON.stringify(voted));
});

/** What makes another value of a number, or none: @ and # are two positive numbers. */
const ALTERED = [
  "one hundred and @",
  "@ or six",
  "either three or @",
  "€@m",
  "@k people",
  "@ bn",
  "log @",
  "the square root of @",
  "@ if x > 0, # otherwise",
  "nearly @",
  "@ instead of #",
  "@ apples or more",
  "not @",
  "@ to #",
  "@-#",
  "@ – #",
  "@ and #",
  "@, # and @",
  "@ or #",
  "either @ or #",
  "between @ and #",
  "@:#",
  "@ : #",
  "@x#",
  "@ x #",
  "@×#",
  "at least @",
  "at most @",
  "more than @",
  "fewer than @",
  "up to @",
  "@ million",
  "@ dozen",
  "@ thousand",
  "@ and a half",
  "@ hours # minutes",
  "@ feet # inches",
  "@ hours and # minutes",
  "@ out of #",
  "@ of the #",
  "@ minus #",
  "@ plus #",
  "-@",
  "negative @",
  "minus @",
  "$@!$",
  "@ squared",
  "@%",
  "@ percent",
  "@:00",
  "@:30",
  "@/07/2024",
  "@.#.#",
  "@^#",
  "half of @",
  "twice @",
  "@ quarters",
  "@ apples and # pears",
  "May @",
  "@-digit",
  "@ or more",
  "@ and up",
  "(@, #)",
  "[@, #)",
  "@ = # + y",
  "< @",
  "> @",
  "$@$ to $#$",
  "$@$ and $#$",
  "not $@$",
  "$@$ million",
  "negative $@$",
  "one in @",
  "half the @",
  "@ degrees below zero",
  "@ mln",
  "@ ‰",
  "@ gross",
  "nicht @",
  "menos @",
  "@ Millionen",
  "@ млн",
  "@ y medio",
  "@個以上",
  "大于@",
  "$@$ hours $#$ minutes",
  "**@** million",
  "**@** percent",
  "`@` dozen",
  "-**@**",
  "negative **@**",
  "**@** and a half",
  "**not** @",
  "**@**:**#**",
  "@ pi",
  "@ quadrillion",
  "@ cents",
  "@ basis points",
  "all but @",
  "neither @",
  "@ in binary",
];

test("what stands beside a number never leaves the number alone", () => {
  const rng = seeded(11);
  let voted = 0;
  for (let i = 0; i < 6000; i++) {
    const [a, b] = [21 + rng.below(10), 32 + rng.below(10)];
    const altered = pick(rng, ALTERED).replaceAll("@", `${a}`).replaceAll("#", `${b}`);
    const carrier = pick(rng, [
      "\\boxed{@}",
      "The answer is @.",
      "Answer: @",
      "It is @.",
      "The result was @ in the end",
      "#### @",
      "So we have @",
    ]);
    const text = carrier.replace("@", () => altered);
    const key = keyOf(text);
    assert.ok(key !== `${a}` && key !== `${b}`, `${text} gives ${key}`);
    voted += Number(key !== null);
  }
  assert.ok(voted > 1000);
});

test("measures, lists and choices in their spellings", () => {
  const rng = seeded(12);
  const units = [
    ["cm", "centimeters", "centimetre"],
    ["m", "meters"],
    ["km", "kilometers"],
    ["kg", "kilograms"],
    ["h", "hours", "hr"],
    ["min", "minutes"],
    ["cm^2", "cm²", "square centimeters"],
    ["km/h", "kilometers per hour", "km per hour"],
    ["°C"],
    ["ft", "feet"],
  ];
  const keys = new Map<string, string>();
  for (let i = 0; i < 2000; i++) {
    const n = 1 + rng.below(40);
    const unit = pick(rng, units);
    const spelled = pick(rng, unit);
    const measure = pick(
      rng,
      [`${n} ${spelled}`, `${n}\\text{ ${spelled}}`, `${n}.0\\,\\mathrm{~${spelled}}`, `x = ${n} ${spelled}`].slice(
        0,
        spelled.length > 1 ? 4 : 3,
      ),
    );
    const [a, b, c] = [rng, rng, rng].map((r) => 1 + r.below(30));
    const list = pick(rng, [
      `\\boxed{${a}, ${b}, ${c}}`,
      `\\boxed{${a}}, \\boxed{${b}} and \\boxed{${c}}`,
      `$\\boxed{${a}}$, $\\boxed{${b}}$, $\\boxed{${c}}$`,
      `The answer is ${a}, ${b} and ${c}.`,
      `\\boxed{${a} \\text{, } ${b} \\text{ and } ${c}}`,
    ]);
    const letter = pick(rng, [..."ABCDE"]);
    const choice = pick(rng, [
      `\\boxed{${letter}}`,
      `\\boxed{\\text{(${letter})}}`,
      `\\boxed{${letter}: ${n} apples}`,
      `\\boxed{${letter}. ${n}}`,
      `\\boxed{\\textbf{(${letter})}\\ ${n}}`,
      `The answer is (${letter}).`,
      `The answer is ${letter}. ${n} apples`,
      `Answer: ${letter}) ${n}`,
      `**Answer: ${letter}**`,
      `The correct option is (${letter}).`,
      `The correct choice is (${letter}) ${n}.`,
      `\\textbf{(${letter})}\\ ${n}`,
      `\\boxed{(${letter})${n}}`,
      `\\boxed{\\textbf{${letter}}: ${n} apples}`,
      `option ${letter} because ${n} is larger`,
    ]);
    for (const [text, value] of [
      [`\\boxed{${measure}}`, `${n} of ${unit[0]}`],
      [list, new Set([a, b, c]).size === 1 && /boxed.*boxed/.test(list) ? `${a} alone` : `${a} and ${b} and ${c}`],
      [choice, letter],
      [`\\boxed{${n}}`, `${n} alone`],
    ]) {
      const key = keyOf(text);
      assert.ok(key !== null, text);
      if (!keys.has(key)) keys.set(key, value);
      assert.equal(keys.get(key), value, text);
    }
  }
  const twice = [...keys].filter(([, value], i, all) => all.findIndex(([, other]) => other === value) !== i);
  assert.deepEqual(twice, [], "a value has two keys");
});
