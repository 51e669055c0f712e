import { visible } from "../base/visible.ts";

const MOST = 80;

/**
 * A value out of an untrusted file, as a message shows it: as JSON (no control characters reach a terminal), cut short.
 */
export function brief(value: unknown): string {
  // JSON has no word for these numbers but null.
  const text = typeof value === "number" ? String(value) : (JSON.stringify(value) ?? "nothing");
  return visible(text.length <= MOST ? text : `${text.slice(0, MOST)}... (${text.length} characters)`);
}
