// Real values of MathJSON expressions in float64, where unknowns have values: bounded work whatever the expression.

/** As the symbolic library writes it. */
export type MathJson = number | string | { num: string } | { [key: string]: unknown } | MathJson[];

/** Most terms of a sum or a product that are added up. */
const MOST_TERMS = 1000;

const CONSTANTS: Record<string, number> = {
  Pi: Math.PI,
  ExponentialE: Math.E,
  Half: 0.5,
  GoldenRatio: (1 + Math.sqrt(5)) / 2,
  CatalanConstant: 0.915965594177219,
  EulerGamma: 0.5772156649015329,
  PositiveInfinity: Infinity,
  NegativeInfinity: -Infinity,
};

const FUNCTIONS: Record<string, (...x: number[]) => number> = {
  Add: (...x) => x.reduce((sum, y) => sum + y, 0),
  Multiply: (...x) => x.reduce((product, y) => product * y, 1),
  Subtract: (x, y) => x - y,
  Negate: (x) => -x,
  Divide: (x, y) => x / y,
  Rational: (x, y) => x / y,
  Square: (x) => x * x,
  Sqrt: Math.sqrt,
  Root: (x, n) => (x < 0 && n % 2 === 1 ? -((-x) ** (1 / n)) : x ** (1 / n)),
  Exp: Math.exp,
  Ln: (x, base = Math.E) => Math.log(x) / (base === Math.E ? 1 : Math.log(base)),
  Log: (x, base = 10) => (base === 10 ? Math.log10(x) : Math.log(x) / Math.log(base)),
  Lb: Math.log2,
  Abs: Math.abs,
  Sign: Math.sign,
  Floor: Math.floor,
  Ceil: Math.ceil,
  Round: Math.round,
  Max: Math.max,
  Min: Math.min,
  Mod: (x, y) => x - y * Math.floor(x / y),
  Sin: Math.sin,
  Cos: Math.cos,
  Tan: Math.tan,
  Cot: (x) => 1 / Math.tan(x),
  Sec: (x) => 1 / Math.cos(x),
  Csc: (x) => 1 / Math.sin(x),
  Arcsin: Math.asin,
  Arccos: Math.acos,
  Arctan: Math.atan,
  Arccot: (x) => Math.PI / 2 - Math.atan(x),
  Sinh: Math.sinh,
  Cosh: Math.cosh,
  Tanh: Math.tanh,
  Coth: (x) => 1 / Math.tanh(x),
  Sech: (x) => 1 / Math.cosh(x),
  Csch: (x) => 1 / Math.sinh(x),
  Arsinh: Math.asinh,
  Arcosh: Math.acosh,
  Artanh: Math.atanh,
  Factorial: (x) => gamma(x + 1),
  Gamma: (x) => gamma(x),
  Binomial: binomial,
  Choose: binomial,
};

export type Values = ReadonlyMap<string, number>;

/**
 * The value of `expression`; NaN where it is not real, or holds what is not known here. A function that nobody defined,
 * f(x + 1), has a value of its own for each of its arguments' values.
 */
export function evaluate(expression: MathJson, values: Values): number {
  if (typeof expression === "number") return expression;
  if (typeof expression === "string") return values.get(expression) ?? CONSTANTS[expression] ?? Number.NaN;
  if (!Array.isArray(expression)) return typeof expression.num === "string" ? Number(expression.num) : Number.NaN;
  const [head, ...operands] = expression as [string, ...MathJson[]];
  if (head === "Power") return power(operands[0], operands[1], values);
  if (head === "Sum" || head === "Product") return repeated(head, operands, values);
  if (head === "Delimiter") return evaluate(operands[0], values);
  const known = Object.hasOwn(FUNCTIONS, head) ? FUNCTIONS[head] : null;
  if (!known && !isOpaque(head)) return Number.NaN;
  const numbers = operands.map((operand) => evaluate(operand, values));
  return known ? known(...numbers) : opaque(head, operands, numbers);
}

/** x^(p/q) with odd q is real for negative x. */
function power(base: MathJson, exponent: MathJson, values: Values): number {
  const x = evaluate(base, values);
  const y = evaluate(exponent, values);
  if (x < 0 && Array.isArray(exponent) && exponent[0] === "Rational") {
    const [p, q] = [Number(exponent[1]), Number(exponent[2])];
    if (q % 2 === 1) return (p % 2 === 0 ? 1 : -1) * (-x) ** y;
  }
  return x ** y;
}

function repeated(head: string, [body, ...limits]: MathJson[], values: Values): number {
  if (limits.length !== 1 || !Array.isArray(limits[0])) return Number.NaN;
  const [, index, low, high] = limits[0];
  const [from, to] = [evaluate(low ?? "Nothing", values), evaluate(high ?? "Nothing", values)];
  if (typeof index !== "string" || !Number.isInteger(from) || !Number.isInteger(to) || to - from > MOST_TERMS)
    return Number.NaN;
  let total = head === "Sum" ? 0 : 1;
  for (let i = from; i <= to; i++) {
    const term = evaluate(body, new Map([...values, [index, i]]));
    total = head === "Sum" ? total + term : total * term;
  }
  return total;
}

/** Heads that are names in the answer itself, and things that are drawn rather than computed. */
const isOpaque = (head: string): boolean =>
  /^(?![DN]$)[a-zA-Z](?:_\w+|prime)?$|^(?:Angle|Triangle|Subscript|OverVector|OverBar|Conjugate|Prime)$/.test(head);

function opaque(head: string, operands: readonly MathJson[], numbers: readonly number[]): number {
  const inside = operands.map((operand, i) =>
    Number.isNaN(numbers[i]) ? JSON.stringify(operand) : numbers[i].toPrecision(9),
  );
  return 0.5 + scatter(`${head}(${inside.join()})`);
}

/** A number from 0 to 1 out of a text (FNV-1a). */
export function scatter(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0;
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) >>> 0;
  return ((hash ^ (hash >>> 12)) >>> 0) / 2 ** 32;
}

const LANCZOS = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
  12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
];

/** Of real numbers too. */
function binomial(n: number, k: number): number {
  return gamma(n + 1) / (gamma(k + 1) * gamma(n - k + 1));
}

/** Lanczos' approximation, g = 7, n = 9: good to about 1e-13. */
function gamma(x: number): number {
  if (Number.isInteger(x) && x > 0 && x < 171) {
    let product = 1;
    for (let i = 2; i < x; i++) product *= i;
    return product;
  }
  if (Number.isInteger(x) && x <= 0) return Number.NaN;
  if (x < 0.5) return Math.PI / (Math.sin(Math.PI * x) * gamma(1 - x));
  const y = x - 1;
  const t = y + 7.5;
  const sum = LANCZOS.slice(1).reduce((total, c, i) => total + c / (y + i + 1), LANCZOS[0]);
  return Math.sqrt(2 * Math.PI) * t ** (y + 0.5) * Math.exp(-t) * sum;
}

/** Names in an expression that are neither constants nor functions nor indices of its sums. */
export function unknowns(expression: MathJson, bound: readonly string[] = []): Set<string> {
  if (typeof expression === "string")
    return new Set(
      /^'/.test(expression) || Object.hasOwn(CONSTANTS, expression) || bound.includes(expression) ? [] : [expression],
    );
  if (!Array.isArray(expression)) return new Set();
  const [, ...operands] = expression;
  const indices = operands.flatMap((operand) =>
    Array.isArray(operand) && operand[0] === "Limits" && typeof operand[1] === "string" ? [operand[1]] : [],
  );
  return new Set(operands.flatMap((operand) => [...unknowns(operand, [...bound, ...indices])]));
}
