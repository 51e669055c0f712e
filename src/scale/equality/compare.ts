// Whether two answers are equal: their forms part by part. Symmetric: what is compared stands in one order, whichever
// came first.

import { answerKey, isNumberKey } from "../key.ts";
import { type Form, named, type Relation, readForm } from "./form.ts";
import type { Asked } from "./judge.ts";
import { differBy, equalBy, every, type Outcome, sameMembers } from "./outcome.ts";
import { compareReals, isCondition, isInterval, isRealSet } from "./reals.ts";
import { compareSingle, noted } from "./single.ts";

type Of<Kind extends Form["is"]> = Extract<Form, { is: Kind }>;

/** Two texts of `plain`. Null: undecided by the judge that was asked, or no answers. */
export function compareAnswers(a: string, b: string, asked: Asked): Outcome {
  if (a === b) return a === "" ? null : equalBy("form");
  const [first, second] = a < b ? [a, b] : [b, a];
  const [x, y] = [readForm(first), readForm(second)];
  return x && y ? compareForms(x, y, asked) : null;
}

function compareForms(a: Form, b: Form, asked: Asked): Outcome {
  if (a.is === "list") a = onlyValues(a);
  if (b.is === "list") b = onlyValues(b);
  if (a.is === "relation" && b.is === "relation") return compareRelations(a, b, asked);
  if (a.is === "relation") return compareRelation(a, b, asked);
  if (b.is === "relation") return compareRelation(b, a, asked);
  if (a.is === "value" && b.is === "value" && !isRealSet(a) && !isRealSet(b))
    return compareSingle(a.text, b.text, asked);
  if (isCondition(a) !== isCondition(b) && (isRealSet(a) || isRealSet(b))) return asRelation(a, b, asked);
  if (isMany(a) && isMany(b)) return compareMany(a, b, asked);
  if (a.is === "union" && b.is === "union") return compareUnions(a, b, asked) ?? compareReals(a, b, asked);
  const kinds = compareKinds(a, b, asked) ?? compareKinds(b, a, asked);
  if (kinds) return kinds;
  // One answer said twice, 1/2 or 0.5, is one.
  if (a.is === "list" && b.is === "value") return sameMembers(a.items, [b], (p, q) => same(p, q, asked));
  if (b.is === "list" && a.is === "value") return sameMembers(b.items, [a], (p, q) => same(p, q, asked));
  if (isRealSet(a) && isRealSet(b)) return compareReals(a, b, asked);
  if (isRealSet(a) || isRealSet(b))
    return a.is === "set" || b.is === "set" ? compareReals(a, b, asked) : differBy("form");
  if (a.is === "matrix" && b.is === "matrix") return compareMatrices(a.rows, b.rows, asked);
  if (a.is === "ratio" && b.is === "ratio") return compareRatios(a, b, asked);
  return compareMixed(a, b, asked);
}

/** `x = 1 or x = 2`, `n = 2, 3, 4`, `(x, y) = (5, 8) and (8, 5)`: one name's values, without it. */
function onlyValues(list: Of<"list">): Form {
  const names = list.items.map((item) => (item.is === "relation" ? named(item) : null));
  const [first] = names;
  if (!first || list.items.some((item, i) => item.is === "relation" && names[i]?.name !== first.name)) return list;
  return { ...list, items: list.items.map((item, i) => names[i]?.value ?? item) };
}

const same = (a: Form, b: Form, asked: Asked): Outcome => compareForms(a, b, asked);

function compareRelations(a: Relation, b: Relation, asked: Asked): Outcome {
  const [x, y] = [named(a), named(b)];
  if (x && y && sameName(x.name, y.name)) return same(x.value, y.value, asked);
  if (a.signs[0] === "\\in" && x) return compareRelation(b, x.value, asked);
  if (b.signs[0] === "\\in" && y) return compareRelation(a, y.value, asked);
  if (x && y && [x, y].every(({ value }) => isNumberKey(answerKey(value.text)))) {
    // A letter is another letter's equal nowhere; AB = 5 and x = 5 may be.
    if (!asked.lenient || [x, y].every(({ name }) => name.length === 1)) return differBy("form");
    return noted(same(x.value, y.value, asked), "it has another name", asked);
  }
  if (x && y && isFunction(x.name) && isFunction(y.name) && asked.lenient)
    return noted(same(x.value, y.value, asked), "a function has another name", asked);
  const related = asked.judge.related(a, b);
  if (related?.equal || !isCondition(a) || !isCondition(b)) return related;
  return compareReals(a, b, asked) ?? related; // |x| < 2 and -2 < x < 2
}

/** Whether both say of what they are the value, and of different letters. */
export function otherNames(a: string, b: string): boolean {
  const [x, y] = [a, b].map((text) => /^([A-Za-z]) ?=/.exec(text)?.[1]);
  return x !== undefined && y !== undefined && x !== y;
}

const sameName = (a: string, b: string): boolean => a.replace(/[{}]/g, "") === b.replace(/[{}]/g, "");
/** y and f(x), which name the same graph. */
const isFunction = (name: string): boolean => /^(?:y|[fgh]\([a-z]\))$/.test(name);

/** A relation and what is none. */
function compareRelation(relation: Relation, other: Form, asked: Asked): Outcome {
  const { sides, signs } = relation;
  const name = named(relation);
  if (name) return same(name.value, other, asked);
  if (isCondition(relation)) {
    if (isCondition(other)) return compareReals(relation, other, asked);
    return isRealSet(other) ? asRelation(relation, other, asked) : differBy("form");
  }
  const computed =
    signs.every((sign) => sign === "=") && !sides.some((side) => /[A-Za-z]/.test(side.replace(/\\[a-z]+/g, "")));
  const last = computed ? readForm(sides.at(-1)!) : null; // 3 + 4 = 7
  return last ? same(last, other, asked) : differBy("form");
}

function asRelation(a: Form, b: Form, asked: Asked): Outcome {
  return asked.setsAsRelations === false ? differBy("form") : compareReals(a, b, asked);
}

const isMany = (form: Form): form is Of<"list"> | Of<"set"> | Of<"tuple"> =>
  form.is === "list" || form.is === "set" || form.is === "tuple";

function compareMany(a: Of<"list" | "set" | "tuple">, b: Of<"list" | "set" | "tuple">, asked: Asked): Outcome {
  if (a.is === "tuple" && b.is === "tuple") return compareTuples(a, b, asked);
  if (a.is !== "tuple" && b.is !== "tuple") return compareLists(a, b, asked);
  const [tuple, other] = a.is === "tuple" ? [a, b] : [b as Of<"tuple">, a];
  if (other.is === "set" || !asked.lenient || !(tuple.open === "(" && tuple.close === ")")) return differBy("form");
  return noted(inOrder(tuple.items, valuesOf(other.items).values, asked), "a tuple without its brackets", asked);
}

function compareTuples(a: Of<"tuple">, b: Of<"tuple">, asked: Asked): Outcome {
  if (a.open === b.open && a.close === b.close) return inOrder(a.items, b.items, asked);
  if (!asked.lenient || isInterval(a)) return differBy("form");
  return noted(inOrder(a.items, b.items, asked), "a vector in other brackets", asked);
}

function inOrder(a: readonly Form[], b: readonly Form[], asked: Asked): Outcome {
  if (a.length !== b.length) return differBy("form");
  return every(a.values().map((item, i) => same(item, b[i], asked)));
}

/**
 * A list of answers is a set: 1, 2 and 2, 1 are equal, as x = 1 or x = 2 is. Where only one side names its items, and
 * by different names, their order tells which is which.
 */
function compareLists(a: Of<"list" | "set">, b: Of<"list" | "set">, asked: Asked): Outcome {
  const joints = new Set([a, b].flatMap((many) => (many.is === "list" && many.joint !== "," ? [many.joint] : [])));
  if (joints.size > 1 && isCondition(a) && isCondition(b)) return compareReals(a, b, asked);
  const [x, y] = [valuesOf(a.items), valuesOf(b.items)];
  if (x.named !== y.named) return inOrder(x.values, y.values, asked);
  return sameMembers(a.items, b.items, (p, q) => same(p, q, asked));
}

/** The items without their names, where each has one. */
function valuesOf(items: readonly Form[]): { values: readonly Form[]; named: boolean } {
  const names = items.map((item) => (item.is === "relation" ? named(item) : null));
  return names.includes(null)
    ? { values: items, named: false }
    : { values: names.map((name) => name!.value), named: true };
}

function compareUnions(a: Of<"union">, b: Of<"union">, asked: Asked): Outcome {
  if (![...a.marks, ...b.marks].every((mark) => mark === "\\cup")) return null;
  const outcome = sameMembers(a.parts, b.parts, (p, q) => same(p, q, asked));
  return outcome?.equal ? outcome : null; // parts may overlap
}

function compareMatrices(a: readonly Form[][], b: readonly Form[][], asked: Asked): Outcome {
  const shape = (rows: readonly Form[][]) => rows.map((row) => row.length).join();
  return shape(a) === shape(b) ? inOrder(a.flat(), b.flat(), asked) : differBy("form");
}

/** 3:4 is 6:8; but 3:45 may be a time of day, which only itself is. */
function compareRatios(a: Of<"ratio">, b: Of<"ratio">, asked: Asked): Outcome {
  const exact = inOrder(a.parts, b.parts, asked);
  if (exact?.equal || a.parts.length !== b.parts.length || [a, b].every(({ text }) => TIME.test(text))) return exact;
  const to = (parts: readonly Form[]) => parts.slice(1).map((part) => `\\frac{${parts[0].text}}{${part.text}}`);
  const [x, y] = [to(a.parts), to(b.parts)];
  return every(x.values().map((quotient, i) => compareSingle(quotient, y[i], asked)));
}

const TIME = /^(?:[01]?\d|2[0-3]) ?: ?[0-5]\d(?!\d)/;

/** What a grader takes for the same thing in another form; null where neither is. */
function compareKinds(a: Form, b: Form, asked: Asked): Outcome {
  if (a.is === "ratio" && b.is === "value" && a.parts.length === 2) {
    if (!asked.lenient) return differBy("form");
    const quotient = `\\frac{${a.parts[0].text}}{${a.parts[1].text}}`;
    return noted(compareSingle(quotient, b.text, asked), "a ratio as a fraction", asked);
  }
  if (a.is === "matrix" && b.is === "tuple" && (a.rows.length === 1 || a.rows.every((row) => row.length === 1)))
    return asked.lenient
      ? noted(inOrder(a.rows.flat(), b.items, asked), "a vector as a tuple", asked)
      : differBy("form");
  if (a.is === "set" && a.items.length === 1 && b.is === "value")
    return asked.lenient ? noted(same(a.items[0], b, asked), "a set of one as its member", asked) : differBy("form");
  return null;
}

/** Expressions that only look like another kind of thing, such as a product of matrices. */
function compareMixed(a: Form, b: Form, asked: Asked): Outcome {
  const [x, y] = [answerKey(a.text), answerKey(b.text)];
  if (x !== "" && x === y) return equalBy("key");
  return [a, b].every(({ text }) => text.includes("\\begin")) ? asked.judge.same(a.text, b.text) : differBy("form");
}
