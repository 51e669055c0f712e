import { join } from "node:path";
import { makeFolder, writeAside } from "../../train/disk/aside.ts";
import { drawFigure } from "./figures/index.ts";
import { pngOf } from "./png.ts";

/** A folder that files are written to, over what has their names there. */
export class OutputFolder {
  /** Names of what was written, in order. */
  readonly files: string[] = [];
  readonly #path: string;

  private constructor(path: string) {
    this.#path = path;
  }

  /** `inner`: a folder within, made too. Throws `bad-argument` where that cannot be, `no-memory` for a full disk. */
  static async open(path: string, inner: string): Promise<OutputFolder> {
    await makeFolder(join(path, inner));
    return new OutputFolder(path);
  }

  /** Throws as `writeAside` does. */
  async write(name: string, content: string | Uint8Array): Promise<void> {
    const bytes = Buffer.byteLength(content);
    await writeAside(join(this.#path, name), bytes, (handle) => handle.writeFile(content));
    this.files.push(name);
  }

  /** NAME.svg and NAME.png, with the figure's title. */
  async draw(name: string, figure: Parameters<typeof drawFigure>[0]): Promise<void> {
    const svg = drawFigure(figure, "title");
    await this.write(`${name}.svg`, `${svg}\n`);
    await this.write(`${name}.png`, await pngOf(svg));
  }
}
