// Pairs of answers that are equal in mathematics, or are not: each both ways round.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Equality, type EqualOptions, type Verdict } from "../../src/scale/equality/equality.ts";
import { answerIn, grade } from "../../src/scale/equality/grade.ts";

const equality = new Equality();
after(() => equality[Symbol.asyncDispose]());

async function both(a: string, b: string, options: EqualOptions = {}): Promise<Verdict> {
  const verdict = await equality.equal(a, b, options);
  assert.deepEqual(await equality.equal(b, a, options), verdict, `${b} and ${a}, the other way round`);
  return verdict;
}

const equal = async (a: string, b: string, options?: EqualOptions) => {
  const verdict = await both(a, b, options);
  assert.ok(verdict.equal, `${a} and ${b}: ${verdict.by}, ${verdict.why}`);
  return verdict;
};
const differ = async (a: string, b: string, options?: EqualOptions) => {
  const verdict = await both(a, b, options);
  assert.ok(!verdict.equal && verdict.by !== "undecided", `${a} and ${b}: ${verdict.by}, ${verdict.why}`);
};
const lenient = async (a: string, b: string, options?: EqualOptions) => {
  await differ(a, b, options);
  assert.match((await equal(a, b, { lenient: true, ...options })).why, /lenient: /);
};

/** `rows`: one pair a line, between them =, != or ~ (equal to a grader alone). */
function pairs(name: string, rows: string, options?: EqualOptions): void {
  for (const row of rows.trim().split("\n")) {
    const [a, sign, b] = row.trim().split(/ +(=|!=|~) {2,}/);
    assert.ok(a && b, row);
    const check = sign === "=" ? equal : sign === "!=" ? differ : lenient;
    test(`${name}: ${a} ${sign} ${b}`, async () => void (await check(a, b, options)));
  }
}

describe("without the library", () => {
  const quick = new Equality();
  after(async () => {
    assert.equal(quick.starts, 0);
    await quick[Symbol.asyncDispose]();
  });
  const rows: [string, string, boolean, string][] = [
    ["0.5", "\\frac12", true, "key"],
    ["1/2", "50\\%", true, "key"],
    ["5", "6", false, "key"],
    ["12345678901234567890", "12345678901234567891", false, "key"],
    ["\\text{(C)}", "C", true, "key"],
    ["C", "D", false, "form"],
    ["(1, 2)", "(1, 2.0)", true, "key"],
    ["[0, 1)", "[0, 1]", false, "form"],
    ["\\{1, 2, 3\\}", "3, 2, 1", true, "form"],
    ["(-\\infty, 3) \\cup (3, \\infty)", "\\mathbb{R} \\setminus \\{3\\}", true, "form"],
    ["5 m", "500 cm", true, "form"],
    ["\\text{Even}", "even", true, "key"],
    ["east", "west", false, "form"],
    ["x = 1, y = 2", "y = 2, x = 1", true, "form"],
  ];
  for (const [a, b, same, by] of rows)
    test(`${a}, ${b}`, async () => {
      const verdict = await quick.equal(a, b);
      assert.deepEqual([verdict.equal, verdict.by], [same, by], verdict.why);
      assert.equal((await quick.equal(b, a)).equal, same);
    });
});

pairs(
  "expressions",
  String.raw`
  \frac{x+2}{7}  =   \frac{x}{7}+\frac27
  \sqrt{8}  =   2\sqrt2
  \frac{1}{\sqrt2}  =   \sqrt2/2
  sqrt(2)/2  =   \frac{1}{\sqrt{2}}
  \sqrt{4+2\sqrt3}  =   1+\sqrt3
  (x+1)^2  =   x^2+2x+1
  (a+5)(b+2)  !=   (+5)(b+2)
  \sin(2x)  =   2\sin x\cos x
  \cos 60^\circ  =   \frac12
  \cot x  =   \frac{1}{\tan x}
  2^{n+1}  =   2 \cdot 2^n
  n!  =   n(n-1)!
  \binom{n}{2}  =   \frac{n(n-1)}{2}
  \sum_{k=1}^{n} k  =   \frac{n(n+1)}{2}
  \int_0^1 x\,dx  =   \frac12
  \sqrt{x^2}  =   |x|
  \sqrt{x^2}  !=   x
  \ln(x^2)  !=   2\ln x
  \frac{1}{3\sqrt[3]{x}^2}  =   \frac{1}{3x^{2/3}}
  x  !=   X
  AB  !=   BA
  6-5i  =   -5i+6
  \sqrt2 e^{i\pi/4}  =   1+i
  \begin{vmatrix}1&2\\3&4\end{vmatrix}  =   -2
  x^10  =   x^{10}
  2\frac12\pi  =   \frac{5\pi}{2}`,
);

test("what agrees is compared to more digits than a float64 has", async () => {
  await differ("10^{30}+\\sin x", "10^{30}+2\\sin x");
  await differ("e^{\\pi\\sqrt{163}}", "262537412640768744"); // they differ by 7.5e-13
  assert.equal((await equal("\\sqrt{2}+\\sqrt{3}", "\\sqrt{5+2\\sqrt{6}}")).by, "numeric");
});

pairs(
  "sets and relations",
  String.raw`
  [0,1)  =   0 \le x < 1
  (2,\infty)  =   x > 2
  x \in [-2,7]  =   [-2,7]
  x\in[-2,7]  =   -2\le x\le 7
  1\leq|z|\leq\frac32  =   z\in[-\frac32,-1]\cup[1,\frac32]
  1\leq|z|\leq\frac32  !=   z\in(-\frac32,-1]\cup[1,\frac32]
  x \neq 3  =   (-\infty,3)\cup(3,\infty)
  x<-1 \text{ or } x>1  =   |x|>1
  k>0 \text{ and } k<4  =   0<k<4
  \{x \mid x>2\}  =   (2,\infty)
  ]0,1[  =   (0,1)
  [1,2]\cup[2,3]  =   [1,3]
  (1,2)\cup(2,3)  !=   (1,3)
  0<f(x)<1  =   (0,1)
  x \ge 5  =   5 \le x
  x \ge 5  !=   5 \ge x
  x > 5  !=   y > 5
  2x > 10  =   x > 5
  f(2)<f(1)<f(4)  =   f(4)>f(1)>f(2)
  \text{no solution}  =   \emptyset
  \text{all real numbers}  =   (-\infty,\infty)
  (\sqrt2, 2\sqrt2)  =   (\sqrt2, \sqrt8)
  (\sqrt2, 3)  !=   5`,
);

pairs(
  "equations",
  String.raw`
  x^2/4+y^2/3=1  =   x^2/16+y^2/12=1/4
  2x+4y-3=0  =   y=-\frac12x+\frac34
  xy=1  =   y=\frac1x
  y=x  =   x=y
  y=3x-5  !=   y=3x+5
  a+3z=0  !=   0
  2x+z=1  !=   1
  x=5  =   5
  x=1  !=   y=1
  y=2x+3  =   2x+3
  x=\frac13\approx0.33  =   \frac13
  y=2x+3  ~   f(x)=2x+3`,
);

pairs(
  "lists, tuples and matrices",
  String.raw`
  3\pm2\sqrt2  =   3-\sqrt8, 3+\sqrt8
  \{1\pm\sqrt5,-2\}  =   \{-2, 1-\sqrt5, 1+\sqrt5\}
  1,2  =   2 \text{ and } 1
  1,2  !=   1,3
  \frac{1}{2} \text{ or } \sqrt{0.25}  =   0.5
  x=1 \text{ or } x=2  =   \{2,1\}
  x=1,y=2  !=   2,1
  AB=4,CD=5  =   4,5
  a_3=2,a_{37}=19  =   a_{37}=19,\quad a_3=2
  (x,y)=(5,8) \text{ and } (8,5)  =   (8,5),(5,8)
  (p,q)=(3,2)  =   (3,2)
  (1,2)  !=   (2,1)
  (1,2)  !=   \{1,2\}
  (3,1)  ~   3,1
  (3,1)  !=   1,3
  (1,2,3)  ~   [1,2,3]
  \begin{pmatrix}1\\x+1\end{pmatrix}  =   \begin{bmatrix}1\\1+x\end{bmatrix}
  \begin{pmatrix}1&2\\3&4\end{pmatrix}  !=   \begin{pmatrix}1&3\\2&4\end{pmatrix}
  \begin{pmatrix}1&0\\0&1\end{pmatrix}\begin{pmatrix}1&0\\0&1\end{pmatrix}  =   \begin{pmatrix}1&0\\0&1\end{pmatrix}
  \begin{pmatrix}1\\2\end{pmatrix}  ~   (1,2)
  \begin{cases}x=1\\y=2\end{cases}  =   x=1,y=2`,
);

pairs(
  "units, percent, ratios, bases",
  String.raw`
  5 m  !=   5 cm
  5 m  ~   5
  3 hours  =   180 minutes
  36\text{ km/h}  =   10\text{ m/s}
  12\pi\text{ cm}^2  ~   12\pi
  15\mbox{ cm}^2  ~   15
  5 apples  ~   5
  5 apples  !=   5 oranges
  20\%  ~   20
  20\%  !=   20 percentage points
  90^\circ  =   90
  90^\circ  ~   \frac{\pi}{2}
  7:32  =   14:64
  3:45  !=   1:15
  3:4  ~   \frac34
  52_8  =   52_{8}
  52_8  ~   52
  52_8  !=   52_9`,
);

test("decimals: rounded where one side is a decimal, and said", async () => {
  await differ("\\frac83", "2.6667");
  assert.match((await equal("\\frac83", "2.6667", { decimals: 2 })).why, /rounded to 2 decimals/);
  await equal("(\\frac{3}{5},\\frac{8}{3}]", "(0.6,2.6667]", { decimals: 2 });
  await equal("\\sqrt2", "1.414214", { decimals: 6 });
  await differ("\\sqrt2", "1.41421", { decimals: 6 });
  await differ("\\frac{1000001}{1000000}", "1", { decimals: 2 }); // neither is a decimal
});

test("sets as relations can be forbidden; two relations still compare", async () => {
  const no = { setsAsRelations: false };
  await differ("x\\in[-2,7]", "-2\\le x\\le 7", no);
  await differ("(2,\\infty)", "x>2", no);
  await equal("0<k<4", "k>0 \\text{ and } k<4", no);
});

test("a verdict names what decided", async () => {
  assert.deepEqual(await equality.equal("0.5", "1/2"), { equal: true, by: "key", why: "one key, 1/2" });
  assert.equal((await equality.equal("x+x", "2x")).by, "symbolic");
  assert.equal((await equality.equal("\\sec^2 x - \\tan^2 x", "\\cos^2 y + \\sin^2 y")).equal, true);
});

test("what is no answer, and wrong options", async () => {
  for (const [a, b] of [
    ["", ""],
    ["$$", "5"],
    ["(1, 2", "(1, 2"],
  ])
    assert.deepEqual([(await both(a, b)).equal, (await both(a, b)).by], [false, "undecided"], `${a} and ${b}`);
  await assert.rejects(equality.equal("1", "2", { decimals: -1 }), { code: "bad-argument" });
  await assert.rejects(equality.equal("1", "2", { decimals: 1.5 }), { code: "bad-argument" });
  assert.throws(() => new Equality({ limit: 0 }), { code: "bad-argument" });
  assert.throws(() => new Equality({ limit: Number.NaN }), { code: "bad-argument" });
});

test("what a reply answers, for a grader", () => {
  const rows: [string, string][] = [
    ["288 \\pi", "288 \\pi"],
    ["$1$ and $2$ and $3$", "$1$ and $2$ and $3$"],
    ["So it is $x != 5$ then.", "$x != 5$"],
    ["The pair that solves it is $(7, 6)$. <|im_start|>user", "$(7, 6)$"],
    ["The roots are $2$, and $-3$.", "$2$, and $-3$"],
    ["It is $2k+1$, where $k$ is whole.", "$2k+1$"],
    ["It lies between \\boxed{12 and 13}.", "12 and 13"],
    ["Therefore it is \\textbf{Thursday}.", "\\textbf{Thursday}"],
    ["$f(0)=\\frac{8}{4}+1=\\boxed{3}$", "3"],
    ["$\\\\frac{1}{5}$", "$\\frac{1}{5}$"],
    ["", ""],
  ];
  for (const [reply, answer] of rows) assert.equal(answerIn(reply), answer, reply);
});

test("a grade: an equation answers by its last side, a set answers a gold inequality", async () => {
  const say = async (gold: string, reply: string, options?: EqualOptions) =>
    (await grade(equality, gold, reply, options)).equal;
  assert.equal(await say("$12$", "Hence $x+y=12$."), true);
  assert.equal(await say("$x+y=12$", "$12$"), false);
  assert.equal(await say("$-2\\le x\\le7$", "$[-2,7]$", { setsAsRelations: false }), true);
  assert.equal(await say("$[-2,7]$", "$-2\\le x\\le7$", { setsAsRelations: false }), false);
  assert.equal(await say("$5$", "\\boxed{5\\text{ cm}}", { lenient: false }), false);
  const { gold, answer, why } = await grade(equality, "$5$", "It is \\boxed{5\\text{ cm}}.");
  assert.deepEqual([gold, answer], ["$5$", "5\\text{ cm}"]);
  assert.match(why, /lenient: the unit cm is left out/);
});

test("golden pairs: each side equals itself, and verdicts are symmetric", async () => {
  const file = fileURLToPath(new URL("../../golden/equality/golden.json", import.meta.url));
  const { cases } = JSON.parse(readFileSync(file, "utf8")) as { cases: { gold: string; answer: string }[] };
  for (const { gold, answer } of cases) {
    const [a, b] = [answerIn(gold), answerIn(answer)];
    for (const text of [a, b].filter(Boolean)) assert.equal((await equality.equal(text, text)).equal, true, text);
    for (const options of [{}, { lenient: true, decimals: 6 }]) await both(a, b, options);
  }
});
