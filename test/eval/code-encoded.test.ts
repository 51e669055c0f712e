import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { deflateSync } from "node:zlib";
import { decodePrivateTests, unpickledString } from "../../src/eval/code/encoded.ts";

const encode = (pickle: Uint8Array) => deflateSync(pickle).toString("base64");
const bytes = (...parts: (string | number[])[]) =>
  Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part, "utf8") : Buffer.from(part))));

test("pickles of a string, as Python 2 to 3.14 writes them", () => {
  // pickle.dumps("[]ä", protocol=...) of 1 to 5.
  const forms = [
    bytes("X", [4, 0, 0, 0], "[]ä", "q", [0], "."),
    bytes([0x80, 2], "X", [4, 0, 0, 0], "[]ä", "q", [0], "."),
    bytes([0x80, 3], "X", [4, 0, 0, 0], "[]ä", "q", [0], "."),
    bytes([0x80, 4, 0x95, 8, 0, 0, 0, 0, 0, 0, 0, 0x8c, 4], "[]ä", [0x94], "."),
    bytes([0x80, 5, 0x95, 8, 0, 0, 0, 0, 0, 0, 0, 0x8c, 4], "[]ä", [0x94], "."),
    bytes([0x80, 4, 0x8d, 4, 0, 0, 0, 0, 0, 0, 0], "[]ä", [0x94], "."),
  ];
  for (const form of forms) {
    assert.equal(unpickledString(form), "[]ä");
    assert.equal(decodePrivateTests(encode(form)), "[]ä");
  }
  assert.equal(decodePrivateTests(' [{"input": 1}]'), ' [{"input": 1}]');
});

const LENGTHS = [0, 1, 255, 256, 65_535, 65_536, 70_000, 1_000_000];
const source = `import base64, json, pickle, zlib
texts = [("ab\\u00e4\\U0001f600\\n\\0" * n)[:n] for n in ${JSON.stringify(LENGTHS)}]
encode = lambda text, protocol: base64.b64encode(zlib.compress(pickle.dumps(text, protocol=protocol))).decode()
print(json.dumps([[encode(text, protocol) for protocol in range(1, 6)] for text in texts]))`;
const { stdout } = spawnSync("python3", ["-c", source], { encoding: "utf8", maxBuffer: 2 ** 28 });
test("what Python itself writes", { skip: stdout ? false : "UNRUN: no Python" }, () => {
  for (const [i, forms] of (JSON.parse(stdout) as string[][]).entries()) {
    const text = [..."abä😀\n\0".repeat(LENGTHS[i] / 6 + 1)].slice(0, LENGTHS[i]).join("");
    for (const [protocol, form] of forms.entries())
      assert.ok(decodePrivateTests(form) === text, `${LENGTHS[i]} characters, protocol ${protocol + 1}`);
  }
});

test("pickles that do more are refused, and none is run", () => {
  const refused = (pickle: Uint8Array, message: RegExp) => {
    assert.throws(() => unpickledString(pickle), { message });
    assert.throws(() => decodePrivateTests(encode(pickle)), { message });
  };
  // cos\nsystem\n(S'touch x'\ntR. : what a hostile file would hold.
  refused(bytes("cos\nsystem\n(S'touch x'\ntR."), /more than a string: operation 0x63 at 0/);
  refused(bytes([0x80, 4, 0x8c, 2], "os", [0x94, 0x8c, 6], "system", [0x94, 0x93, 0x2e]), /operation 0x8c at 7/);
  refused(bytes([0x80, 2], "X", [1, 0, 0, 0], "a", "q", [0], "R."), /operation 0x52/);
  refused(bytes([0x80, 2], "]q", [0], "."), /operation 0x5d/);
  refused(bytes([0x80, 2], "."), /operation 0x2e/);
  refused(bytes([0x80, 2], "X", [1, 0, 0, 0], "a.", "X", [1, 0, 0, 0], "b."), /operation 0x2e at 8/);
  refused(bytes([0x80, 6], "X", [1, 0, 0, 0], "a."), /protocol 6/);
  refused(bytes([0x80, 0], "Va\n."), /protocol 0/);
  refused(bytes([0x80, 2], "X", [9, 0, 0, 0], "a."), /cut off/);
  refused(bytes([0x80, 2], "X", [255, 255, 255, 255], "a."), /cut off/);
  refused(bytes([0x80, 4, 0x8d, 255, 255, 255, 255, 255, 255, 255, 255], "a."), /cut off/);
  refused(bytes([0x80, 4, 0x95, 99, 0, 0, 0, 0, 0, 0, 0, 0x8c, 1], "a."), /cut off/);
  refused(bytes([0x80, 2], "X", [1, 0, 0, 0], "a"), /cut off/);
  refused(bytes([0x80, 2], "X", [1, 0, 0, 0], [0xff], "."), /not valid/);
  refused(bytes(), /cut off/);
});

test("what is no encoding at all, and what grows without end, is refused", () => {
  assert.throws(() => decodePrivateTests("not base64 {}"), { message: /neither JSON nor base64/ });
  assert.throws(() => decodePrivateTests(Buffer.from("no zlib").toString("base64")), { message: /incorrect header/ });
  const whole = encode(bytes([0x80, 2], "X", [4, 0, 0, 0], "abcd", "."));
  assert.throws(() => decodePrivateTests(whole.slice(0, -8)), { message: /unexpected end of file/ });
  const bomb = deflateSync(Buffer.alloc(50_000_000)).toString("base64");
  assert.ok(bomb.length < 100_000);
  assert.throws(() => decodePrivateTests(bomb, 1_000_000), { message: /larger than 1000000 bytes/ });
});
