// A run that does nothing but write: it goes on from its folder's newest checkpoint until it is killed, and each step
// writes a line of the journal and a checkpoint. It tells a step once its checkpoint is there.
import { writeSync } from "node:fs";
import { join } from "node:path";
import {
  cleanCheckpoints,
  latestCheckpoint,
  readCheckpoint,
  writeCheckpoint,
} from "../../src/train/disk/checkpoint.ts";
import { Journal } from "../../src/train/disk/journal.ts";

export const shapes = { "a.weight": [300, 700], bias: [33] };
const names = Object.keys(shapes) as (keyof typeof shapes)[];
/** Number `i` of a tensor after a step. */
export const numberOf = (name: string, step: number, i: number): number => step * 1000 + (i % 997) + name.length / 8;

/** The step that all numbers of a checkpoint agree on; throws where they do not. */
export async function readStep(dir: string): Promise<number> {
  const { checkpoint, notes } = await latestCheckpoint(dir);
  if (notes.length) throw new Error(notes.join());
  if (!checkpoint) return 0;
  const { step } = checkpoint.state;
  await readCheckpoint(
    checkpoint,
    names.map((name) => ({
      name,
      shape: shapes[name],
      write(values, row) {
        const first = row * shapes[name].at(-1)!;
        const wrong = values.findIndex((value, i) => value !== Math.fround(numberOf(name, step, first + i)));
        if (wrong >= 0) throw new Error(`${name}[${first + wrong}] after step ${step} is ${values[wrong]}`);
      },
    })),
  );
  return step;
}

/** Takes steps until `last`. */
export async function run(dir: string, last: number, tell: (step: number) => void): Promise<void> {
  await cleanCheckpoints(dir);
  const from = await readStep(dir);
  await using journal = await Journal.open(join(dir, "journal.jsonl"), from);
  for (let step = from + 1; step <= last; step++) {
    await journal.write({ step, loss: 1 / step, seconds: performance.now() });
    if (step % 3 === 0) await journal.write({ step, heldOut: 2 / step });
    await writeCheckpoint(
      dir,
      { step, cursor: 7 * step, settings: { rate: 0.1 }, data: "data" },
      names.map((name) => ({
        name,
        shape: shapes[name],
        read(into, row) {
          const first = row * shapes[name].at(-1)!;
          for (let i = 0; i < into.length; i++) into[i] = numberOf(name, step, first + i);
        },
      })),
    );
    tell(step);
  }
}

if (process.argv[1] === import.meta.filename)
  await run(process.argv[2], Number.POSITIVE_INFINITY, (step) => writeSync(1, `${step}\n`));
