// Exact values of expressions that a model wrote: whole numbers, + - * / and brackets.

/** A fraction in lowest terms with a positive denominator. */
export interface Rational {
  top: bigint;
  bottom: bigint;
}

/** Longest expression that is read, in characters. */
const LONGEST = 400;

/**
 * Value and numbers (as written, in order) of an expression, in plain signs or LaTeX's (\times, \cdot, \div, \frac);
 * null where it is none, has other operations, or divides by zero.
 */
export function evaluate(text: string): { value: Rational; numbers: number[] } | null {
  const tokens = tokensOf(text);
  if (tokens === null || tokens.length === 0) return null;
  const numbers: number[] = [];
  let at = 0;
  const sum = (): Rational | null => {
    let left = product();
    while (left && (tokens[at] === "+" || tokens[at] === "-")) {
      const sign = tokens[at++] === "+" ? 1n : -1n;
      const right = product();
      left = right && rational(left.top * right.bottom + sign * right.top * left.bottom, left.bottom * right.bottom);
    }
    return left;
  };
  const product = (): Rational | null => {
    let left = factor();
    while (left && (tokens[at] === "*" || tokens[at] === "/")) {
      const times = tokens[at++] === "*";
      const right = factor();
      left =
        right &&
        (times
          ? rational(left.top * right.top, left.bottom * right.bottom)
          : rational(left.top * right.bottom, left.bottom * right.top));
    }
    return left;
  };
  const factor = (): Rational | null => {
    const token = tokens[at++];
    if (token === "-") {
      const value = factor();
      return value && { top: -value.top, bottom: value.bottom };
    }
    if (token === "(") {
      const value = sum();
      return tokens[at++] === ")" ? value : null;
    }
    if (token === undefined || !/^\d/.test(token)) return null;
    numbers.push(Number(token));
    return { top: BigInt(token), bottom: 1n };
  };
  const value = sum();
  return value && at === tokens.length ? { value, numbers } : null;
}

/** The expression in the signs that `evaluate` reads, without blanks: equal spellings become one text. */
export const spelledPlainly = (text: string): string => tokensOf(text)?.join("") ?? text.replace(/\s+/g, "");

const SIGNS: readonly [RegExp, string][] = [
  [/\\left|\\right|\\[,;! ]|\$|\\\(|\\\)|\\\[|\\\]/g, " "],
  [/\\[dt]?frac\s*(\d)\s*(\d)(?!\d)/g, "(($1)/($2))"],
  [/\\times|\\cdot|×|·|⋅|∙|∗/g, "*"],
  [/\\div|÷|∕/g, "/"],
  [/−|–/g, "-"],
  [/\[/g, "("],
  [/\]/g, ")"],
];

function tokensOf(text: string): string[] | null {
  if (text.length > LONGEST) return null;
  let plain = text;
  for (const [sign, written] of SIGNS) plain = plain.replace(sign, written);
  // The innermost fractions first; each round takes away what held none.
  const fraction = /\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}/g;
  for (let round = 0; round < 8 && fraction.test(plain); round++) plain = plain.replace(fraction, "(($1)/($2))");
  const tokens = plain.match(/\d+|[-+*/()]|\S/g) ?? [];
  return tokens.every((token) => /^(?:\d{1,15}|[-+*/()])$/.test(token)) ? tokens : null;
}

function rational(top: bigint, bottom: bigint): Rational | null {
  if (bottom === 0n) return null;
  const sign = bottom < 0n ? -1n : 1n;
  const shared = divisor(top < 0n ? -top : top, bottom * sign);
  return { top: (sign * top) / shared, bottom: (sign * bottom) / shared };
}

function divisor(a: bigint, b: bigint): bigint {
  let [x, y] = [a, b];
  while (y !== 0n) [x, y] = [y, x % y];
  return x;
}
