// The shape of the code, kept by a test: imports go downhill, files stay small, node: stays at the edges.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../", import.meta.url));
const src = join(root, "src");
const kernels = join(root, "kernels");

/** From the top down: a file may import from its own layer and from those after it. */
const LAYERS = ["cli", "eval", "train", "scale", "request", "engine", "model", "policy", "cache", "device", "base"];
const NODE_MODULES =
  /^(cli|eval)\/|^request\/session\.ts$|^base\/program\.ts$|^train\/(disk\/.*|data\/(store|files)|run|export|retrofit|fit\/kvzap)\.ts$|^scale\/(equality\/(thread|worker)|verifier\/command)\.ts$|^device\/(native|cpu|cpu\/layout)\.ts$|^model\/(source|safetensors|inspect|tokenizer\/process)\.ts$/;

const files = (folder: string, ending: RegExp): string[] =>
  readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => ending.test(name));
const sources = files(src, /\.ts$/).map((name) => ({ name, text: readFileSync(join(src, name), "utf8") }));
/** What a file imports or exports again, types too. */
const imports = (text: string): string[] =>
  [...text.matchAll(/^(?:import|export)[^"';]*?from "([^"]+)";/gms)].map(([, from]) => from);

test("imports go downhill", () => {
  for (const { name, text } of sources) {
    const layer = LAYERS.indexOf(name.split("/")[0]);
    for (const from of imports(text)) {
      if (!from.startsWith(".")) continue;
      const target = relative(src, join(src, name, "..", from));
      if (name === "index.ts") continue;
      const other = LAYERS.indexOf(target.split("/")[0]);
      assert.ok(
        layer >= 0 && other >= layer,
        `${name} imports ${target}: expected imports to go down ${LAYERS.join(" > ")}`,
      );
    }
  }
});

test("node: modules stay at the edges", () => {
  for (const { name, text } of sources)
    for (const from of imports(text))
      assert.ok(!from.startsWith("node:") || NODE_MODULES.test(name), `${name} imports ${from}: browsers cannot`);
});

test("no path is taken from a URL: %20 would stand for a blank in it", () => {
  for (const part of ["src", "bench", "test", "examples", "kernels"]) {
    const folder = join(root, part);
    for (const name of files(folder, /\.(ts|mjs)$/))
      assert.doesNotMatch(
        readFileSync(join(folder, name), "utf8"),
        /[\w)]\.pathname\b/,
        `${part}/${name}: expected fileURLToPath`,
      );
  }
});

test("files are small", () => {
  const lines = (text: string) => text.trimEnd().split("\n").length;
  const all = [
    ...sources,
    ...files(kernels, /\.(cc|h)$/).map((name) => ({ name, text: readFileSync(join(kernels, name), "utf8") })),
  ];
  for (const { name, text } of all)
    assert.ok(lines(text) <= 300, `${name} has ${lines(text)} lines, expected at most 300`);
  const sizes = sources.map(({ text }) => lines(text)).sort((a, b) => a - b);
  const median = sizes[sizes.length >> 1];
  assert.ok(median <= 120, `the median file has ${median} lines, expected at most 120`);
});

/**
 * Could this line be shorter? Comments and plain code can be; strings, templates and regular expressions cannot, nor
 * what the formatter leaves beside them, nor addresses.
 */
function breakable(line: string, literal = /["'`]|\/.+\//): boolean {
  if (/^\s*(\/\/|\/?\*)/.test(line)) return !/https?:\S{60}/.test(line);
  const trailing = line.match(/^(.*[;,{}]) \/\/ [^"'`]*$/);
  return trailing !== null || !literal.test(line);
}

test("lines wrap at 120 columns, comments too", () => {
  for (const [part, ending, literal] of [
    ["src", /\.ts$/],
    ["test", /\.ts$/],
    ["bench", /\.ts$/],
    ["kernels", /\.mjs$/],
    ["kernels", /\.(cc|h)$/, /"/],
  ] as const)
    for (const name of files(join(root, part), ending)) {
      const lines = readFileSync(join(root, part, name), "utf8").split("\n");
      const wrong = lines.findIndex((line) => [...line].length > 120 && breakable(line, literal));
      assert.equal(wrong, -1, `${part}/${name}, line ${wrong + 1} is longer than 120 columns: ${lines[wrong]}`);
    }
  const code = `  const x = ${"f(1) + ".repeat(20)}0;`;
  assert.ok(breakable(code) && breakable(`${code} // why`) && breakable(`// ${code}`) && breakable(` * ${code}`));
  assert.ok(breakable('  call("text"); // why') && !breakable(`  call("${code}");`) && !breakable("  /[a-z]+/i,"));
});

test("tests leave the process as it is", () => {
  // What one test leaves behind in the environment, the folder or the globals, the next
  // one meets: pass it, or start a child.
  const changes =
    /\b(process\.(env(\.\w+|\[[^\]]+\])|argv|title) = |delete process\.|process\.(chdir|on|once|umask)\(|globalThis\.\w+ = )/;
  const folder = fileURLToPath(new URL("./", import.meta.url));
  for (const name of files(folder, /\.ts$/).filter((name) => name !== "layers.test.ts")) {
    const lines = readFileSync(join(folder, name), "utf8").split("\n");
    const wrong = lines.findIndex((line) => changes.test(line));
    assert.equal(wrong, -1, `test/${name}, line ${wrong + 1} changes the process: ${lines[wrong]?.trim()}`);
  }
});

test("no cycles between files, imports of types included", () => {
  const graph = new Map(
    sources.map(({ name, text }) => [
      name,
      imports(text)
        .filter((from) => from.startsWith("."))
        .map((from) => relative(src, join(src, name, "..", from))),
    ]),
  );
  const done = new Set<string>();
  const walk = (name: string, path: string[]): void => {
    assert.ok(!path.includes(name), `a cycle: ${[...path, name].join(" -> ")}`);
    if (done.has(name)) return;
    for (const next of graph.get(name) ?? []) walk(next, [...path, name]);
    done.add(name);
  };
  for (const name of graph.keys()) walk(name, []);
});
