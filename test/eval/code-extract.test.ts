import assert from "node:assert/strict";
import { test } from "node:test";
import { codeBlocks } from "../../src/eval/code/blocks.ts";
import { type FunctionProblem, humanEvalProgram } from "../../src/eval/code/humaneval.ts";
import { contestProgram } from "../../src/eval/code/livecodebench.ts";

test("blocks: Python's, else those without a name; closed ones alone", () => {
  assert.deepEqual(codeBlocks("a\n```python\nx = 1\n```\nb\n```\nout\n```\n"), ["x = 1\n"]);
  assert.deepEqual(codeBlocks("```\nx\n```\n```py\ny\n```\n```Python3\nz\n\n```"), ["y\n", "z\n\n"]);
  assert.deepEqual(codeBlocks("```\nx\n```\n```json\n{}\n```"), ["x\n"]);
  assert.deepEqual(codeBlocks("```text\nx\n```\n```bash\npip\n```"), []);
  assert.deepEqual(codeBlocks("```python title=a\r\nx\r\n```\r\n"), ["x\n"]);
  assert.deepEqual(codeBlocks("1. so\n   ```python\n   if x:\n       y\n   ```\n"), ["if x:\n    y\n"]);
  assert.deepEqual(codeBlocks("````python\ns = '''\n```\n'''\n````"), ["s = '''\n```\n'''\n"]);
  assert.deepEqual(codeBlocks("~~~python\nx\n~~~"), ["x\n"]);
  assert.deepEqual(codeBlocks("```python\nfirst\n```\n```python\nsecond"), ["first\n"]);
  assert.deepEqual(codeBlocks("so `x` and ```y``` are it"), []);
  assert.deepEqual(codeBlocks("```python\nx = 1"), []);
  assert.equal(contestProgram("```python\na\n```\nbetter:\n```python\nb\n```\nIt prints\n```\n3\n```"), "b\n");
  assert.equal(contestProgram("I cannot."), null);
});

const problem: FunctionProblem = {
  id: "x/0",
  prompt: 'import math\n\n\ndef helper(x):\n    return x\n\n\ndef area(r):\n    """ of a circle """\n',
  entry: "area",
  solution: "    return math.pi * r ** 2\n",
  check: "",
};
const { prompt, solution } = problem;
const whole = "def area(r):\n    return helper(math.pi) * r ** 2\n";

test("HumanEval: whole functions go after the prompt, which has their imports and helpers", () => {
  const expected = `${prompt}\n${whole}`;
  for (const reply of [
    `Here it is:\n\`\`\`python\n${whole}\`\`\`\nIt works.`,
    `\`\`\`\n${whole}\`\`\``,
    `\`\`\`python\ndef area(r): return 0\n\`\`\`\nNo:\n\`\`\`python\n${whole}\`\`\`\n\`\`\`python\nprint(area(1))\n\`\`\``,
    whole,
    `The function:\n\n${whole}`,
  ])
    assert.equal(humanEvalProgram(problem, reply), expected, reply);
});

test("HumanEval: bodies go on where the prompt ends", () => {
  const expected = prompt + solution;
  for (const reply of [
    solution,
    `\`\`\`python\n${solution}\`\`\``,
    "```python\nreturn math.pi * r ** 2\n```",
    `${solution}\nprint(area(3))\n`,
    `\n${solution}\ndef other():\n    pass\n`,
    `${solution}\n# next\n`,
  ])
    assert.equal(humanEvalProgram(problem, reply)?.trimEnd(), expected.trimEnd(), reply);
  assert.equal(
    humanEvalProgram(problem, "```python\nx = r\nif x:\n    x += 1\nreturn x\n```"),
    `${prompt}    x = r\n    if x:\n        x += 1\n    return x\n`,
  );
  // A first line that lost its indentation to the template.
  assert.equal(humanEvalProgram(problem, "s = r * r\n    return s"), `${prompt}    s = r * r\n    return s`);
});

test("HumanEval: what is no program abstains", () => {
  for (const reply of ["", "I do not know.", "```python\ndef area(r):\n    return", "The area is pi times r squared."])
    assert.equal(humanEvalProgram(problem, reply), null, reply);
});
