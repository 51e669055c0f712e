// Writes kernels/ops.h, what the kernels must know of src/device: `npm run ops`. A test compares the file with what
// this would write.
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import {
  CONSTANTS,
  MOST_HEAD_DIM,
  PAGE_FORMAT_NAMES,
  SHAPE,
  signature,
  WEIGHT_FORMAT_NAMES,
  wordsOf,
} from "../src/device/cpu/layout.ts";
import { LANE_TABLES } from "../src/device/device.ts";
import { type Field, ITEMS } from "../src/device/fields.ts";
import { OPS } from "../src/device/ops.ts";

export const HEADER = fileURLToPath(new URL("ops.h", import.meta.url));

const pascal = (name: string) => name[0].toUpperCase() + name.slice(1);
/** Choices of one name are one enumeration. */
const enums = new Map<string, string>();

/** C++ types of arguments, and the methods of the reader (words.h) that give them. */
const TYPES = {
  floats: ["const float*", "floats()"],
  ints: ["const int32_t*", "object<int32_t>()"],
  f32: ["float*", "floats()"],
  i32: ["int32_t*", "object<int32_t>()"],
  u32: ["const uint32_t*", "object<uint32_t>()"],
  matrix: ["const Matrix*", "object<Matrix>()"],
  lanes: ["Store*", "object<Store>()"],
  layer: ["int", "whole()"],
  whole: ["int", "whole()"],
  real: ["float", "real()"],
  double: ["double", "wide()"],
  flag: ["bool", "flag()"],
} as const;

function typeOf(name: string, field: Field): readonly [string, string] {
  switch (field.kind) {
    case "floats":
      return field.use === "read" ? TYPES.floats : TYPES.f32;
    case "table":
      return field.type === "f32" ? TYPES.floats : TYPES[field.type];
    case "result":
      return TYPES[field.type];
    case "list":
      return [`List<${pascal(field.item)}>`, `list<${pascal(field.item)}>()`];
    case "choice": {
      const [choice, values] = [pascal(name), field.of.join(", ")];
      if ((enums.get(choice) ?? values) !== values) throw new Error(`two kinds of ${name}`);
      enums.set(choice, values);
      return [choice, `choice<${choice}>()`];
    }
    default:
      return TYPES[field.kind];
  }
}

/** Pieces in lines of at most 120 columns; `end` closes those that go on. */
function wrapped(start: string, pieces: readonly string[], end = "", indent = "  "): string {
  const lines = [start];
  for (const piece of pieces) {
    const last = lines.length - 1;
    if (lines[last].length + 1 + piece.length + end.length <= 120) lines[last] += ` ${piece}`;
    else {
      lines[last] += end;
      lines.push(`${indent}${piece}`);
    }
  }
  return lines.join("\n");
}

/** Declarations of one type. */
function declared(type: string, declarators: readonly string[]): string {
  const star = type.endsWith("*") ? "*" : "";
  return `${type.slice(0, type.length - star.length)} ${declarators.map((text) => star + text).join(", ")};`;
}

/** A struct whose fields read themselves from the words, one after the other. */
function argumentsOf(op: string, fields: Record<string, Field>): string {
  const groups: { type: string; texts: string[] }[] = [];
  for (const [name, field] of Object.entries(fields)) {
    const [type, read] = typeOf(name, field);
    if (groups.at(-1)?.type !== type) groups.push({ type, texts: [] });
    groups.at(-1)!.texts.push(`${name} = words.${read}`);
  }
  const words = Object.values(fields).reduce((sum, field) => sum + wordsOf(field), 0);
  const lines = wrapped(
    " ",
    groups.map(({ type, texts }) => declared(type, texts)),
  );
  return `struct ${pascal(op)}Args : Reads<${words}> {\n${lines}\n};`;
}

export function header(): string {
  const structs = Object.entries(OPS).map(([op, fields]) => argumentsOf(op, fields));
  const enumOf = (name: string, values: string) => `enum class ${name} : int { ${values} };`;
  const ops = Object.keys(OPS).map((op) => `OP(${op}, ${pascal(op)}Args)`);
  return `// Written by \`npm run ops\` from src/device, not by hand: what the kernels must know of it.
#pragma once
#include "words.h"

constexpr const char* SIGNATURE = "${signature()}";
${Object.entries({ ...CONSTANTS, MOST_HEAD: MOST_HEAD_DIM })
  .map(([name, value]) => `constexpr int ${name} = ${value};`)
  .join("\n")}

${enumOf("PageFormat", PAGE_FORMAT_NAMES.join(", "))}
${enumOf("WeightFormat", WEIGHT_FORMAT_NAMES.join(", "))}

/** Sizes of lanes, see LaneShape of device.ts. */
struct Shape {
  int ${SHAPE.join(", ")};
};
constexpr int SIZES = ${SHAPE.length};

/** The lanes' tables, see LANE_TABLES of device.ts. */
struct Tables {
${wrapped(" ", declared("int32_t*", Object.keys(LANE_TABLES)).split(/(?<=[,;]) /), "", "      ")}
};
constexpr int TABLES = ${Object.keys(LANE_TABLES).length};

// Items of lists, see ITEMS of fields.ts.
${Object.entries(ITEMS)
  .map(([name, columns]) => `struct ${pascal(name)} { int32_t ${columns.join(", ")}; };`)
  .join("\n")}

${[...enums].map(([name, values]) => enumOf(name, values)).join("\n")}

// Arguments of the operations, see ops.ts.
${structs.join("\n")}

${wrapped("#define HT_OPS(OP)", ops, " \\")}

enum class Op : int {
#define OP(name, Args) name,
  HT_OPS(OP)
#undef OP
  count
};
`;
}

if (import.meta.main) writeFileSync(HEADER, header());
