// What a report draws and writes: figures without a browser, and words of others that stay words.
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "csv-parse/sync";
import { seeded } from "../../src/base/rng.ts";
import type { RecordedChain, RecordedSetting } from "../../src/eval/harness/record.ts";
import { type Axis, linearAxis, logAxis, percentAxis, placeOf, ticksOf } from "../../src/eval/report/draw/axis.ts";
import { boxesAlong, placeLabels } from "../../src/eval/report/draw/place.ts";
import { styleOf } from "../../src/eval/report/draw/style.ts";
import { fitted, widthOf } from "../../src/eval/report/draw/words.ts";
import { drawFigure, figuresOf } from "../../src/eval/report/figures/index.ts";
import { htmlOf } from "../../src/eval/report/html.ts";
import { pngOf } from "../../src/eval/report/png.ts";
import { makeReport, type Report } from "../../src/eval/report/report.ts";
import { compact, csvOf, markdownOf, type Table, told } from "../../src/eval/report/table.ts";
import { slugsOf, writeReport } from "../../src/eval/report/write.ts";
import { type Made, recordFiles, setting, withScratch, writeRecord } from "../support/made-record.ts";

function chain(p: number, s: RecordedSetting, c: number, chance: number): Partial<RecordedChain> {
  const rng = seeded(p * 64 + c, s.length, Math.round(10 * s.cr) + 100 * s.policy.length);
  const right = rng.next() < chance * 2 * seeded(p, 7).next();
  const tokens = Math.round(s.length * (0.2 + 0.8 * rng.next()));
  return {
    key: right ? "1" : String(2 + rng.below(5)),
    tokens,
    reads: (tokens * 300) / s.cr,
    fullReads: tokens * 300,
    peakKeys: 10 + tokens / s.cr,
    peakBytes: (10 + tokens / s.cr) * 4096,
  };
}

async function reportOf(made: Made): Promise<Report> {
  let report: Report;
  await withScratch(async (folder) => {
    writeRecord(folder, recordFiles(made));
    report = await makeReport([folder]);
  });
  return report!;
}

const POLICIES = ["full", "dms", "h2o", "snapkv:window=32", "tova", "streaming", "rkv", "vase", "epikv", "random"];
const LONG = `a name ${"that somebody made far too long ".repeat(6)}:sinks=4`;
const HOSTILE = '</style><script>alert(1)</script> & "x" | `y` [z](http://e.x) \u202e漢字';
const many: Made = {
  problems: 12,
  settings: [...POLICIES, LONG].flatMap((policy) =>
    (policy === "full" ? [1] : [2, 4]).flatMap((cr) => [1024, 8192].map((L) => setting(policy, L, 4, cr))),
  ),
  tasks: [{ spec: "sums" }, { spec: HOSTILE, source: HOSTILE, fingerprint: "other", kind: "pass" }],
  chain: (p, s, c) => chain(p, s, c, 0.5 / (1 + 0.05 * s.policy.length)),
};
const full = setting("full", 1024, 4, 1);
const dms = setting("dms", 1024, 4, 4);
const edges: Record<string, Made> = {
  "one point": { problems: 3, settings: [setting("full", 1024, 1, 1)], chain: (p, s, c) => chain(p, s, c, 0.5) },
  "one problem": { problems: 1, settings: [full, dms], chain: (p, s, c) => chain(p, s, c, 0.5) },
  "all wrong": { problems: 5, settings: [full, dms], chain: (p, s, c) => ({ ...chain(p, s, c, 0), score: 0 }) },
  "all right": {
    problems: 5,
    settings: [full, dms],
    chain: (p, s, c) => ({ ...chain(p, s, c, 1), key: "1", score: 1 }),
  },
  "all failed": {
    problems: 3,
    settings: [full, dms],
    chain: () => ({ key: null, end: "failed", tokens: 0, reads: 0, fullReads: 0, peakKeys: 0, peakBytes: 0 }),
  },
  "far apart": {
    problems: 5,
    settings: [full, dms],
    chain: (p, s, c) => ({ ...chain(p, s, c, 0.5), reads: s.cr === 1 ? 1e12 : 0.5 }),
  },
  "44 settings": many,
};

/** Words of an SVG, with the ends of each along its line. */
const wordsOf = (svg: string) =>
  [...svg.matchAll(/<text([^>]*)>([^<]*)<\/text>/g)].flatMap(([, attributes, escaped]) => {
    if (attributes.includes("rotate")) return [];
    const value = (name: string) => new RegExp(` ${name}="([^"]*)"`).exec(attributes)?.[1];
    const words = escaped.replace(/&(amp|lt|gt|quot|#39);/g, (_, name) => ENTITIES[name]);
    const width = widthOf(words, Number(value("font-size") ?? 10));
    const anchor = value("text-anchor");
    const left = Number(value("x")) - (anchor === "middle" ? width / 2 : anchor === "end" ? width : 0);
    return [{ words, left, right: left + width, y: Number(value("y")) }];
  });
const ENTITIES: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', "#39": "'" };

for (const [name, made] of Object.entries(edges))
  test(`figures: ${name}: whole numbers, words within their bounds, a bitmap`, async () => {
    const { tasks } = await reportOf(made);
    for (const task of tasks)
      for (const [i, figure] of figuresOf(task).entries()) {
        const svg = drawFigure(figure, "title");
        assert.doesNotMatch(svg, /NaN|Infinity|undefined|null/, figure.name);
        const [, width, height] = /width="([\d.]+)" height="([\d.]+)"/.exec(svg)!.map(Number);
        assert.ok(width < 1000 && height < 1600, `${figure.name}: ${width} x ${height}`);
        for (const { words, left, right, y } of wordsOf(svg))
          assert.ok(
            left >= 0 && right <= width && y > 0 && y < height,
            `${figure.name}: ${words}: ${left} ${right} ${y}`,
          );
        if (i > 1) continue; // reading one as XML takes a tenth of a second
        const png = await pngOf(svg, 1);
        assert.equal(Buffer.from(png.subarray(1, 4)).toString(), "PNG");
      }
    const html = htmlOf({ folders: ["f"], seconds: [null], models: [], baseline: null, notes: [], tasks });
    assert.doesNotMatch(html, /NaN|undefined/);
  });

test("words are drawn on a machine without fonts, and what the font lacks is seen to be missing", async () => {
  const page = (words: string) =>
    `<svg xmlns="http://www.w3.org/2000/svg" width="60" height="20"><text x="2" y="15" font-family="Nowhere, sans-serif">${words}</text></svg>`;
  const bytes = async (words: string) => Buffer.from(await pngOf(page(words), 1));
  const blank = await bytes("");
  for (const words of ["KV reads", "é", "Δ ≥ –", "жук"]) assert.notDeepEqual(await bytes(words), blank, words);
  assert.deepEqual(await bytes("漢"), await bytes("?"));
  await assert.rejects(pngOf("<svg", 1));
});

test("a page needs nothing else, and words of others stay words", async () => {
  const report = await reportOf({ ...many, settings: [...many.settings.slice(0, 5), setting(HOSTILE, 1024, 4, 4)] });
  const html = htmlOf({ ...report, notes: [HOSTILE], folders: [HOSTILE] });
  assert.doesNotMatch(html, /<script|<img|<link|<iframe|\son\w+=|javascript:|@import|url\(/i);
  const addresses = [...html.matchAll(/(?:src|href)="/g)];
  assert.equal(addresses.length, 0);
  assert.equal([...html.matchAll(/<\/style>/g)].length, 1);
  assert.match(html, /Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"/);
  assert.match(html, /&lt;script&gt;alert\(1\)&lt;\/script&gt; &amp; &quot;x&quot; \| `y` .* \\u\{202e\}漢字/);
  // Hovering shows the box that follows a point: every point has one.
  assert.match(html, /\.hit:hover\+\.tip\{visibility:visible\}/);
  const hits = html.match(/class="hit"/g)!.length;
  assert.equal(html.match(/class="hit"[^>]*\/><g class="tip"/g)!.length, hits);
  assert.ok(hits > 100);
});

test("a folder: every name there, CSV that reads back, Markdown whose figures are there", async () => {
  await withScratch(async (folder) => {
    const report = await reportOf({ ...many, settings: many.settings.slice(0, 4) });
    const out = join(folder, "a", "b");
    const names = await writeReport(report, out);
    for (const name of names) assert.ok(readFileSync(join(out, name)).length > 0, name);
    assert.deepEqual(readdirSync(out).sort(), [...new Set(names.map((name) => name.split("/")[0]))].sort());
    assert.ok(
      ["report.html", "report.md", "report.json", "accuracy.csv", "points.csv"].every((n) => names.includes(n)),
    );
    assert.deepEqual(JSON.parse(readFileSync(join(out, "report.json"), "utf8")), JSON.parse(JSON.stringify(report)));
    const markdown = readFileSync(join(out, "report.md"), "utf8");
    const linked = [...markdown.matchAll(/!\[[^\]]*\]\(([^)]*)\)/g)].map(([, path]) => path);
    assert.equal(linked.length, names.filter((name) => name.endsWith(".png")).length);
    for (const path of linked) assert.ok(names.includes(path), path);
    assert.doesNotMatch(markdown, /(?<!\\)<script|(?<!\\)\[z\]/);
    for (const name of names.filter((each) => each.endsWith(".csv"))) {
      const rows: string[][] = parse(readFileSync(join(out, name), "utf8"));
      assert.ok(rows.length > 1 && rows.every((row) => row.length === rows[0].length), name);
      assert.equal(new Set(rows[0]).size, rows[0].length, name);
    }
    const rows = parse(readFileSync(join(out, "accuracy.csv"), "utf8"), { columns: true }) as Record<string, string>[];
    assert.equal(Number(rows[0].avg), report.tasks[0].settings[0].average.mean);
    assert.equal(Number(rows[0].avg_high), report.tasks[0].settings[0].average.high);
    await writeReport(report, out); // over itself
    const notes = join(out, "..", "notes");
    mkdirSync(notes);
    writeFileSync(join(notes, "report.md"), "a user's");
    await assert.rejects(writeReport(report, notes), {
      code: "bad-argument",
      message: /holds report\.md and nothing of/,
    });
    assert.equal(readFileSync(join(notes, "report.md"), "utf8"), "a user's");
    const file = join(folder, "file");
    writeFileSync(file, "");
    await assert.rejects(writeReport(report, file), { code: "bad-argument" });
    await assert.rejects(writeReport(report, join(file, "x")), { code: "bad-argument", message: /cannot be written/ });
  });
});

const table: Table = {
  name: "t",
  title: "T",
  about: "",
  columns: [
    { name: "who", title: "who", unit: "text" },
    { name: "share", title: "share", unit: "share", interval: true },
    { name: "gain", title: "gain", unit: "gain" },
  ],
  rows: [
    ['=cmd|"x",\n', { mean: 0.5, low: 0.25, high: Number.NaN }, -0.0001],
    ["a|b *c* <d> & https://e.x", null, 0.0312],
  ],
};

test("cells: as text, as CSV, as Markdown", () => {
  assert.equal(told(table.rows[0][1], "share"), "50.0 [25.0, -]");
  assert.equal(told({ mean: Infinity, low: 1, high: 2 }, "number"), "-");
  assert.equal(told(-0.0001, "gain"), "0.0");
  assert.equal(told(0.0312, "gain"), "+3.1");
  assert.equal(told(1536, "bytes"), "1.50 KiB");
  assert.deepEqual([0, 7, 0.256, 999, 999.6, 1234, 12_340, 123_400, 9.999e5, 1.2e9, 1e17].map(compact), [
    "0",
    "7",
    "0.26",
    "999",
    "1.00k",
    "1.23k",
    "12.3k",
    "123k",
    "1.00M",
    "1.20G",
    "100000T",
  ]);
  const csv = csvOf([{ task: "-1+1", table }]);
  assert.deepEqual(parse(csv), [
    ["task", "who", "share", "share_low", "share_high", "gain"],
    ["'-1+1", `'=cmd|"x",\n`, "0.5", "0.25", "", "-0.0001"],
    ["'-1+1", "a|b *c* <d> & https://e.x", "", "", "", "0.0312"],
  ]);
  const lines = markdownOf(table).split("\n");
  assert.equal(lines[0], "| who | share (%) | gain (points) |");
  assert.equal(lines[3], "| a\\|b \\*c\\* \\<d\\> &amp; https\\://e.x | - | +3.1 |");
  assert.ok(lines[2].startsWith('| =cmd\\|"x",\\\\u\\{a\\}'), lines[2]);
});

test("names of files: plain, short, each once", () => {
  const specs = ["needle:length=2048", "needle:length:2048", "../..", "漢", "x".repeat(500), "a/b", "CON"];
  const slugs = [...slugsOf(specs).values()];
  assert.deepEqual(slugs.slice(0, 4), ["needle-length-2048", "needle-length-2048-2", "task", "task-2"]);
  for (const slug of slugs) assert.match(slug, /^[a-z0-9-]{1,64}$/);
});

test("axes: round ticks within, at least two of them, and every value inside", () => {
  const rng = seeded(5);
  for (let i = 0; i < 500; i++) {
    const values = Array.from({ length: 1 + rng.below(4) }, () => rng.next() * 10 ** -rng.below(3));
    const high = values.map((value) => value * 10 ** rng.below(12));
    const axes: [Axis, number[]][] = [
      [percentAxis("a", values), values],
      [linearAxis("a", "number", high), high],
      [logAxis("a", "number", high), high],
      [logAxis("a", "bytes", high), high],
      [logAxis("a", "ratio", values), values],
    ];
    for (const [axis, all] of axes) {
      const ticks = ticksOf(axis);
      const told = `${axis.kind} ${axis.unit} ${axis.from} ${axis.to}: ${ticks.map(({ label }) => label)}`;
      assert.ok(ticks.length >= 2 && ticks.length <= 13, told);
      assert.ok(
        ticks.every(({ value }) => placeOf(axis, value) > -1e-9 && placeOf(axis, value) < 1 + 1e-9),
        told,
      );
      assert.ok(
        all.every((value) => placeOf(axis, value) >= 0 && placeOf(axis, value) <= 1),
        told,
      );
    }
  }
  assert.deepEqual(
    ticksOf(percentAxis("a", [0.131, 0.612])).map(({ label }) => label),
    ["0", "20", "40", "60", "80"],
  );
});

test("labels cover neither points, nor lines, nor each other", () => {
  const rng = seeded(9);
  const area = { x: 40, y: 10, width: 340, height: 230 };
  const points = Array.from(
    { length: 60 },
    () => [area.x + rng.next() * area.width, area.y + rng.next() * area.height] as const,
  );
  const taken = boxesAlong(points.slice(0, 10));
  const labels = points.map(([x, y], i) => ({ words: `${i}k-8-4`, color: "#000000", x, y }));
  const placed = placeLabels(labels, { taken, faint: [], area, size: 8 });
  assert.ok(placed.length > 20 && placed.length < 60, `${placed.length}`);
  const boxes = placed.map(({ words, x, y }) => {
    const width = widthOf(words, 8);
    return { x: x - width / 2, y: y - 6.4, width, height: 8 };
  });
  const meet = (a: (typeof boxes)[0], b: (typeof boxes)[0]) =>
    a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
  for (const [i, box] of boxes.entries()) {
    assert.ok(box.x >= area.x && box.x + box.width <= area.x + area.width);
    for (const other of [...boxes.slice(i + 1), ...taken]) assert.ok(!meet(box, other), placed[i].words);
  }
});

test("lines differ in colour, shape or dash; long names are cut in their middle", () => {
  const styles = Array.from({ length: 28 }, (_, i) => JSON.stringify(styleOf(i)));
  assert.equal(new Set(styles).size, 28);
  assert.ok(widthOf(fitted(LONG, 10, 100), 10) <= 100);
  assert.match(fitted(LONG, 10, 100), /^a name.*….*sinks=4$/);
  assert.equal(fitted("short", 10, 100), "short");
});
