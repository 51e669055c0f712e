import assert from "node:assert/strict";
import { test } from "node:test";
import { parseJson } from "../../src/base/json.ts";
import { visible } from "../../src/base/visible.ts";

const messageOf = (text: string): string => {
  try {
    parseJson(text, "x.json");
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error(`${text} was parsed`);
};

test("a fault is named by line and column, wherever it is", () => {
  const text = JSON.stringify(
    { a: [1, -2.5e3, true, null], "b c": { d: "x\ny", e: "é世界" }, long: "y".repeat(99) },
    null,
    2,
  );
  let inString = false;
  let places = 0;
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '"') inString = !inString;
    if (inString || text[at] === '"') continue; // there "@" is text
    const before = text.slice(0, at).split("\n");
    const place = `line ${before.length}, column ${before.at(-1)!.length + 1}: `;
    const message = messageOf(`${text.slice(0, at)}@${text.slice(at)}`);
    assert.ok(message.startsWith(`x.json: expected JSON: ${place}`), `${message}\nexpected: ${place}`);
    places++;
  }
  assert.ok(places > 50);
});

test("a text that ends too early, and one that goes on", () => {
  assert.equal(messageOf(""), "x.json: expected JSON: line 1, column 1: Unexpected end of JSON input");
  assert.match(messageOf('{\n  "a": 1'), /line 2, column 9: Expected ',' or '}'/);
  assert.match(messageOf('{\n"a": '), /line 2, column 6: Unexpected end/);
  assert.match(messageOf("{}\n\n  x"), /line 3, column 3: Unexpected non-whitespace/);
});

test("nothing invisible stands in a message", () => {
  for (const char of ["\ufeff", "\u200b", "\u202e", "\u00a0", "\u0085", "\u001b", "\u2028", "\ud800"]) {
    const code = char.charCodeAt(0).toString(16);
    assert.match(
      messageOf(`{\n  ${char}"a": 1}`),
      new RegExp(`line 2, column 3: .*\\\\u\\{${code}\\}|line 2, column 3: Expected`),
    );
    assert.doesNotMatch(messageOf(`[1, ${char}]`), /[^\x20-\x7e]/);
    assert.equal(visible(`a${char}b`), `a\\u{${code}}b`);
  }
  assert.equal(visible("plain text: é 世界 😀 ½"), "plain text: é 世界 😀 ½");
});
