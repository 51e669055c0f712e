import { createHash } from "node:crypto";
import { LORA_CONFIG, LORA_WEIGHTS } from "../../model/lora.ts";
import { INDEX, openSource, WEIGHTS } from "../../model/source.ts";

/** sha256 in hex of a JSON value: equal for equal values, whatever the order of an object's keys. */
export const fingerprintOf = (value: unknown): string =>
  createHash("sha256").update(JSON.stringify(value, sorted)).digest("hex");

const sorted = (_: string, value: unknown): unknown =>
  typeof value === "object" && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
    : value;

/** A number from 0 up to 1 that a text alone decides, spread evenly over texts. */
export const placeOf = (text: string): number => createHash("sha256").update(text).digest().readUIntBE(0, 6) / 2 ** 48;

/** sha256 in hex of a model's or an adapter's config and weights, as their files hold them. */
export async function fingerprintOfWeights(path: string): Promise<string> {
  const source = await openSource(path);
  const hash = createHash("sha256");
  const shards = (await source.has(WEIGHTS)) || (await source.has(INDEX)) || source.single ? await source.shards() : [];
  for (const name of new Set(["config.json", LORA_CONFIG, ...shards, LORA_WEIGHTS])) {
    if (!(await source.has(name))) continue;
    hash.update(`${name}\n`);
    await using file = await source.open(name);
    for await (const chunk of file.createReadStream()) hash.update(chunk);
  }
  return hash.digest("hex");
}
