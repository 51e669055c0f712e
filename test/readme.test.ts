// What the README says, done: its snippet runs, its commands exist, its links lead somewhere.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../", import.meta.url));
const readme = readFileSync(`${root}README.md`, "utf8");
const scripts = JSON.parse(readFileSync(`${root}package.json`, "utf8")).scripts;

test("the snippet runs and answers", () => {
  const [, code] = /```ts\n([\s\S]*?)```/.exec(readme)!;
  const file = `${root}test/.readme-snippet.tmp.ts`;
  writeFileSync(file, code.replace('"hyperthink"', '"../src/index.ts"'));
  try {
    const out = execFileSync(process.execPath, [file], { cwd: root, encoding: "utf8", timeout: 120_000 });
    assert.match(out.trim().split("\n").at(-1)!, /^30 \d+ KV reads, \d+\.\dx smaller$/);
  } finally {
    rmSync(file);
  }
});

test("commands and files exist", () => {
  for (const [, name] of readme.matchAll(/npm run (\w+)/g)) assert.ok(scripts[name], `npm run ${name}`);
  for (const name of ["start", "test"]) assert.ok(scripts[name]);
  for (const [, path] of readme.matchAll(/\]\((?!http)([^)#]+)\)/g)) assert.ok(existsSync(root + path), path);
  for (const [, path] of readme.matchAll(/`(?:node )?((?:bench|src|test|models|golden)\/[\w./-]+)/g))
    assert.ok(existsSync(root + path), path);
});

test("verbs of the table are those of the program", () => {
  const help = execFileSync(process.execPath, ["src/cli/main.ts", "--help"], { cwd: root, encoding: "utf8" });
  for (const [, verb] of readme.matchAll(/^\| `(\w+)` \|/gm)) assert.match(help, new RegExp(`^\\s+${verb}\\b`, "m"));
});
