// SVG as a bitmap, the same on every machine: fonts of its own, none of the system's.

import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

let started: Promise<typeof import("@resvg/resvg-wasm")> | null = null;

async function start(): Promise<typeof import("@resvg/resvg-wasm")> {
  const library = await import("@resvg/resvg-wasm");
  const file = fileURLToPath(import.meta.resolve("@resvg/resvg-wasm/index_bg.wasm"));
  await library.initWasm(await readFile(file));
  return library;
}

const FONT = fileURLToPath(new URL("../../../fonts/Arimo.ttf", import.meta.url));
let font: Promise<Uint8Array> | null = null;

/** What the font lacks would be left out, unseen. */
const UNKNOWN =
  /[^\n\u0020-\u007e\u00a0-\u024f\u0370-\u045f\u2010-\u203a\u2070-\u209c\u20ac\u2190-\u22ff\u25a0-\u25cf]/gu;

/** `scale`: pixels for one of the figure's. Letters of other scripts than Latin, Greek and Cyrillic are `?`. */
export async function pngOf(svg: string, scale = 3): Promise<Uint8Array> {
  started ??= start();
  font ??= readFile(FONT);
  const { Resvg } = await started;
  const image = new Resvg(svg.replace(UNKNOWN, "?"), {
    font: { fontBuffers: [await font], defaultFontFamily: "Arimo", sansSerifFamily: "Arimo" },
    fitTo: { mode: "zoom", value: scale },
  });
  const rendered = image.render();
  try {
    return rendered.asPng();
  } finally {
    rendered.free();
    image.free();
  }
}
