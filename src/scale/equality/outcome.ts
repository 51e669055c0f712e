// What a comparison comes to, and how several come to one.

/** What decided, the surest first: one key, the forms of the answers, a symbolic proof, numbers at sample points. */
export type By = "key" | "form" | "symbolic" | "numeric";
/** Null: nothing decided. */
export type Outcome = { equal: boolean; by: By } | null;

const ORDER: readonly By[] = ["key", "form", "symbolic", "numeric"];

export const equalBy = (by: By): Outcome => ({ equal: true, by });
export const differBy = (by: By): Outcome => ({ equal: false, by });

/** Equal where all are; as sure as the least sure. Later ones are not asked once one differs. */
export function every(outcomes: Iterable<Outcome>, least: By = "form"): Outcome {
  let by: By = least;
  let open = false;
  for (const outcome of outcomes) {
    if (outcome && !outcome.equal) return outcome;
    if (!outcome) open = true;
    else if (ORDER.indexOf(outcome.by) > ORDER.indexOf(by)) by = outcome.by;
  }
  return open ? null : equalBy(by);
}

/** Equal where one is. */
export function some(outcomes: Iterable<Outcome>): Outcome {
  let by: By = "form";
  let open = false;
  for (const outcome of outcomes) {
    if (outcome?.equal) return outcome;
    if (!outcome) open = true;
    else if (ORDER.indexOf(outcome.by) > ORDER.indexOf(by)) by = outcome.by;
  }
  return open ? null : differBy(by);
}

/** The same members, in any order and however often each is named. */
export function sameMembers<T>(a: readonly T[], b: readonly T[], compare: (x: T, y: T) => Outcome): Outcome {
  const table = a.map((x) => b.map((y) => compare(x, y)));
  const rows = table.map((row) => some(row));
  const columns = b.map((_, j) => some(table.map((row) => row[j])));
  return every([...rows, ...columns]);
}
