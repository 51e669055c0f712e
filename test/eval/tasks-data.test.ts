import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { seeded } from "../../src/base/rng.ts";
import { findData, hubCache } from "../../src/eval/tasks/data/find.ts";
import { readRows } from "../../src/eval/tasks/data/rows.ts";
import { zipFiles } from "../../src/eval/tasks/data/zip.ts";
import { zipOf } from "../support/zip.ts";

const parquet = fileURLToPath(new URL("./parquet/", import.meta.url));
let folder: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), "hyperthink-tasks-"));
});
after(() => rmSync(folder, { recursive: true }));

const file = (name: string, text: string | Uint8Array): string => {
  const path = join(folder, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  return path;
};
const plain = async (path: string) => (await readRows(path)).map(({ fields }) => Object.fromEntries(fields));

test("the same rows from every format", async () => {
  const rows = [
    { Question: "Größe\nvon π?", answer: 'a "b", c' },
    { Question: "=x", answer: "2" },
  ];
  const want = rows.map(({ Question, answer }) => ({ question: Question, answer }));
  const lines = `\ufeff${JSON.stringify(rows[0])}\r\n\n${JSON.stringify(rows[1])}\n`;
  assert.deepEqual(await plain(file("a.jsonl", lines)), want);
  assert.deepEqual(await plain(file("a.jsonl.gz", gzipSync(lines))), want);
  assert.deepEqual(await plain(file("a.json", JSON.stringify(rows))), want);
  const csv = '\ufeffQuestion,answer\r\n"Größe\nvon π?","a ""b"", c"\r\n=x,2\r\n';
  assert.deepEqual(await plain(file("a.csv", csv)), want);
  const [, second] = await readRows(join(folder, "a.jsonl"));
  assert.match(second.where, /a\.jsonl: row 3$/);
});

test("parquet as pyarrow writes it, in all its compressions", async () => {
  const want = await plain(join(parquet, "questions-none.parquet"));
  assert.deepEqual(want[1], { question: 'How many\nlegs, "dogs"?', answer: "#### 4", n: 2n });
  assert.equal(want.length, 3);
  for (const codec of ["snappy", "gzip", "zstd", "brotli"])
    assert.deepEqual(await plain(join(parquet, `questions-${codec}.parquet`)), want, codec);
  const [first] = await plain(join(parquet, "choices.parquet"));
  assert.deepEqual(first.choices, ["red", "dog", "run", "sad"]);
});

test("damaged files are refused, whatever is wrong with them, and name the row", async () => {
  const refused = async (name: string, text: string | Uint8Array, message: RegExp) =>
    assert.rejects(readRows(file(name, text)), { code: "bad-file", message });
  await refused("b.jsonl", '{"a": 1}\n{"a": }\n', /b\.jsonl: row 2/);
  await refused("b.jsonl", '{"a": 1}\n[1]\n', /row 2: expected an object.*a list/);
  await refused("b.jsonl", "\n \n", /got an empty file/);
  await refused("b.json", '{"a": 1}', /expected a list of rows/);
  await refused("b.csv", 'a,b\n"open,2\n', /expected CSV/);
  await refused("b.csv", "a,b\n1,2,3\n", /expected CSV/);
  await refused("b.jsonl", Buffer.from([0x7b, 0xff, 0x7d]), /line 1: expected UTF-8/);
  await refused("b.jsonl.gz", "no gzip", /expected gzip/);
  await refused("b.txt", "a", /expected \.jsonl/);
  await refused("b.parquet", "PAR1", /expected a parquet file/);
  await assert.rejects(readRows(join(folder, "none.jsonl")), { code: "bad-file", message: /found none/ });
  await assert.rejects(readRows(folder), { code: "bad-file", message: /found a folder/ });
  // 300 MiB of zeros.
  await refused("bomb.jsonl.gz", gzipSync(Buffer.alloc(300 << 20)), /expected gzip of at most 256 MiB/);
});

test("parquet with any byte changed gives rows or an error of ours, soon", async () => {
  const rng = seeded(3);
  const bytes = readFileSync(join(parquet, "questions-snappy.parquet"));
  let refused = 0;
  for (let i = 0; i < 300; i++) {
    const damaged = Uint8Array.from(bytes);
    for (let n = 0; n <= i % 3; n++) damaged[rng.below(damaged.length)] = rng.below(256);
    const path = file("damaged.parquet", damaged);
    const started = performance.now();
    await readRows(path).catch((error) => {
      assert.equal(error.code, "bad-file", String(error.stack));
      refused++;
    });
    assert.ok(performance.now() - started < 2000);
  }
  assert.ok(refused > 30, `${refused}`);
});

test("zip: what is asked for, no more than it says, within bounds, undamaged", async () => {
  const zip = zipOf([
    ["data/dev/a_dev.csv", "1"],
    ["data/", ""],
    ["data/other.txt", "2"],
  ]);
  const found = await zipFiles("x.zip", zip, /\.csv$/);
  assert.deepEqual([...found.keys()], ["data/dev/a_dev.csv"]);
  assert.equal(String(found.get("data/dev/a_dev.csv")), "1");
  const refused = (bytes: Uint8Array, message: RegExp) =>
    assert.rejects(zipFiles("x.zip", bytes, /./), { code: "bad-file", message });
  await refused(Buffer.from("no zip"), /expected a zip file/);
  await refused(zip.subarray(0, -30), /expected a zip file/);
  await refused(
    zipOf([
      ["a", "x"],
      ["a", "y"],
    ]),
    /a once, got it twice/,
  );
  await refused(zipOf([["../a", "x"]]), /expected a zip file/);
  const zeros = Buffer.alloc(100_000);
  await refused(zipOf([["a", zeros]], { size: 3_000_000_000 }), /at most 256 MiB/);
  await refused(zipOf([["a", zeros]], { size: 10 }), /expected a zip file/);
  await refused(zipOf([["a", zeros]], { size: 200_000 }), /expected a zip file/);
  await refused(zipOf([["a", zeros]], { crc: 7 }), /a is damaged/);
});

test("where data lies: a file, a folder, the Hub's cache; else the error says where it was looked for", async () => {
  const published = {
    files: ["one.jsonl", "two.jsonl"],
    hub: [{ repository: "some/set", file: /^main\/test-.*\.parquet$/ }],
  };
  const two = file("set/two.jsonl", "{}");
  assert.equal(await findData(published, { data: two }), two);
  assert.equal(await findData(published, { data: join(folder, "set") }), two);
  const hub = join(folder, "hub");
  const missing = (options: object, message: RegExp) =>
    assert.rejects(findData(published, options), { code: "bad-file", message });
  await missing({ data: join(folder, "nowhere") }, /found none/);
  await missing({ data: folder }, /none of these in it/);
  await missing({ hub }, /hub does not hold some\/set/);
  const root = "hub/datasets--some--set";
  file(`${root}/snapshots/old/main/test-0.parquet`, "");
  file(`${root}/blobs/abc`, "blob");
  mkdirSync(join(folder, `${root}/snapshots/new/main`), { recursive: true });
  assert.equal(await findData(published, { hub }), join(folder, `${root}/snapshots/old/main/test-0.parquet`));
  // As the Hub's programs lay it: links to blobs, and a reference that says which snapshot is main.
  symlinkSync("../../../blobs/abc", join(folder, `${root}/snapshots/new/main/test-00000-of-00001.parquet`));
  file(`${root}/refs/main`, "new\n");
  const found = await findData(published, { hub });
  assert.match(found, /new\/main\/test-00000-of-00001\.parquet$/);
  assert.equal(readFileSync(found, "utf8"), "blob");

  assert.equal(hubCache({ HF_HUB_CACHE: "/a", HF_HOME: "/b" }), "/a");
  assert.equal(hubCache({ HF_HOME: "/b" }), "/b/hub");
  assert.equal(hubCache({ XDG_CACHE_HOME: "/c" }), "/c/huggingface/hub");
  assert.match(hubCache({}), /\.cache\/huggingface\/hub$/);
});
