// One page that needs nothing else: no script, nothing from a network, every word of a record escaped.

import { element, escaped } from "./draw/svg.ts";
import { TIP_STYLE } from "./draw/tip.ts";
import { drawFigure, figuresOf } from "./figures/index.ts";
import type { Report, TaskReport } from "./report.ts";
import { type Cell, heading, type Table, told, type Unit } from "./table.ts";
import { tablesOf } from "./tables.ts";
import { modelLine, problemLine, wallTimes } from "./words.ts";

const STYLE = `
body { font: 14px/1.45 Helvetica, Arial, sans-serif; color: #222; background: #fff; margin: 2em auto }
h1 { font-size: 1.5em }
h2 { font-size: 1.25em; margin-top: 2em; border-bottom: 1px solid #ccc }
h3 { font-size: 1.05em; margin: 1.6em 0 .2em }
body { max-width: 1100px; padding: 0 1em }
p, li { max-width: 46em }
figcaption { max-width: 32em }
.about, figcaption { color: #555 }
.note { background: #fff8e0 }
code { overflow-wrap: anywhere }
figure { display: inline-block; margin: 0 1em 1.5em 0; vertical-align: top }
figure svg { max-width: 100%; height: auto; overflow: visible }
.scroll { overflow: auto; max-height: 34em; border: 1px solid #ddd }
table { border-collapse: collapse; font-size: 12.5px; white-space: nowrap }
th, td { padding: 2px 9px; text-align: right }
th { position: sticky; top: 0; background: #f3f3f3; white-space: normal; vertical-align: bottom }
.text { text-align: left }
tr:nth-child(even) td { background: #fafafa }
.ends { color: #888 }
${TIP_STYLE}
`;

const RULES = "default-src 'none'; style-src 'unsafe-inline'";

/** The whole report as HTML: points of figures tell what they are under the mouse. */
export function htmlOf({ folders, seconds, models, notes, tasks }: Report): string {
  const title = `Report: ${tasks.map(({ spec }) => spec).join(", ")}`;
  return [
    "<!doctype html>",
    '<html lang="en"><head><meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="${RULES}">`,
    '<meta name="viewport" content="width=device-width,initial-scale=1">',
    `<title>${escaped(title)}</title><style>${STYLE}</style></head><body>`,
    element("h1", {}, escaped(title)),
    element("p", {}, `Of ${folders.map((folder) => element("code", {}, escaped(folder))).join(", ")}.`),
    list([...models.map(modelLine), ...wallTimes({ folders, seconds })].map(escaped)),
    list(notes.map(escaped), "note"),
    ...tasks.map(section),
    "</body></html>",
    "",
  ].join("\n");
}

const list = (items: readonly string[], name?: string): string =>
  items.length > 0 ? element("ul", { class: name }, ...items.map((item) => element("li", {}, item))) : "";

function section(task: TaskReport): string {
  const figures = figuresOf(task).map((figure) =>
    element("figure", {}, drawFigure(figure, "box"), element("figcaption", {}, escaped(figure.caption))),
  );
  return [
    element("h2", {}, escaped(task.spec)),
    element("p", {}, escaped(`${task.source}. ${problemLine(task)}`)),
    list(task.notes.map(escaped), "note"),
    ...figures,
    ...tablesOf(task)
      .filter(({ long }) => !long)
      .map(tableHtml),
  ].join("\n");
}

function tableHtml({ title, about, columns, rows }: Table): string {
  const align = (unit: Unit) => (unit === "text" ? "text" : undefined);
  const head = columns.map((column) => element("th", { class: align(column.unit) }, escaped(heading(column))));
  const line = (row: readonly Cell[]) =>
    row.map((cell, i) => element("td", { class: align(columns[i].unit) }, cellHtml(cell, columns[i].unit)));
  return [
    element("h3", {}, escaped(title)),
    element("p", { class: "about" }, escaped(about)),
    element(
      "div",
      { class: "scroll" },
      element(
        "table",
        {},
        element("thead", {}, element("tr", {}, ...head)),
        element("tbody", {}, ...rows.map((row) => element("tr", {}, ...line(row)))),
      ),
    ),
  ].join("\n");
}

function cellHtml(cell: Cell, unit: Unit): string {
  if (cell === null || typeof cell !== "object") return escaped(told(cell, unit));
  const [mean, whole] = [told(cell, unit, true), told(cell, unit)];
  return `${escaped(mean)}${element("span", { class: "ends" }, escaped(whole.slice(mean.length)))}`;
}
