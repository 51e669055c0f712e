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
} from "../src/device/cpu/layout.ts";
import { LANE_TABLES } from "../src/device/device.ts";
import { type Field, ITEMS } from "../src/device/fields.ts";
import { OPS } from "../src/device/ops.ts";

export const HEADER = fileURLToPath(new URL("ops.h", import.meta.url));

const pascal = (name: string) => name[0].toUpperCase() + name.slice(1);
/** Choices of one name are one enumeration. */
const enums = new Map<string, string>();

const NUMBERS = { f32: "float", i32: "int32_t", u32: "uint32_t" };
const TYPES = {
  ints: "const int32_t*",
  matrix: "const Matrix*",
  lanes: "Store*",
  layer: "int",
  whole: "int",
  real: "float",
  double: "double",
  flag: "bool",
} as const;

function typeOf(name: string, field: Field): string {
  switch (field.kind) {
    case "floats":
      return field.use === "read" ? "const float*" : "float*";
    case "table":
      return `const ${NUMBERS[field.type]}*`;
    case "result":
      return `${NUMBERS[field.type]}*`;
    case "list":
      return `List<${pascal(field.item)}>`;
    case "choice": {
      const [choice, values] = [pascal(name), field.of.join(", ")];
      if ((enums.get(choice) ?? values) !== values) throw new Error(`two kinds of ${name}`);
      enums.set(choice, values);
      return choice;
    }
    default:
      return TYPES[field.kind];
  }
}

/** In lines of at most 120 columns, broken behind commas and semicolons; `end` closes those that go on. */
function wrapped(text: string, end = ""): string {
  const lines = [""];
  for (const piece of text.split(/(?<=[,;] )/)) {
    if (lines.at(-1)!.length + piece.trimEnd().length + end.length > 120) lines.push(`      ${piece}`);
    else lines.push(lines.pop() + piece);
  }
  return lines.map((line) => line.trimEnd()).join(`${end}\n`);
}

/** An operation, the number of its arguments, and their declarations; neighbours of one type share one. */
function operation([op, fields]: [string, Record<string, Field>]): string {
  const names = Object.keys(fields);
  const args: string[] = [];
  let last = "";
  for (const name of names) {
    const type = typeOf(name, fields[name]);
    const declarator = type.endsWith("*") ? `*${name}` : name;
    if (type === last) args.push(`${args.pop()!.slice(0, -1)}, ${declarator};`);
    else args.push(`${type.replace("*", "")} ${declarator};`);
    last = type;
  }
  return wrapped(`  OP(${op}, ${pascal(op)}Args, ${names.length}, ${args.join(" ")})`, " \\");
}

export function header(): string {
  const operations = Object.entries(OPS).map(operation);
  const enumOf = (name: string, values: string) => `enum class ${name} : int { ${values} };`;
  const tables = Object.keys(LANE_TABLES);
  const lengths = { SIZES: SHAPE.length, TABLES: tables.length };
  const constants = Object.entries({ ...CONSTANTS, MOST_HEAD: MOST_HEAD_DIM, ...lengths });
  return `// Written by \`npm run ops\` from src/device, not by hand: what the kernels must know of it.
#pragma once
#include "words.h"

constexpr const char* SIGNATURE = "${signature()}";
${wrapped(`constexpr int ${constants.map(([name, value]) => `${name} = ${value}`).join(", ")};`)}

// Sizes of lanes and their tables: LaneShape and LANE_TABLES of buffers.ts.
struct Shape { int ${SHAPE.join(", ")}; };
struct Tables {
${wrapped(`  int32_t *${tables.join(", *")};`)}
};

// Items of lists: ITEMS of fields.ts.
${Object.entries(ITEMS)
  .map(([name, columns]) => `struct ${pascal(name)} { int32_t ${columns.join(", ")}; };`)
  .join("\n")}

${enumOf("PageFormat", PAGE_FORMAT_NAMES.join(", "))}
${enumOf("WeightFormat", WEIGHT_FORMAT_NAMES.join(", "))}
${[...enums].map(([name, values]) => enumOf(name, values)).join("\n")}

// Operations and their arguments: OPS of ops.ts.
#define HT_OPS(OP) \\
${operations.join(" \\\n")}

enum class Op : int {
#define OP(name, ...) name,
  HT_OPS(OP)
#undef OP
  count
};
#define OP(name, Args, N, ...) \\
  struct Args { static constexpr Op OPERATION = Op::name; static constexpr int COUNT = N; __VA_ARGS__ };
HT_OPS(OP)
#undef OP
`;
}

if (import.meta.main) writeFileSync(HEADER, header());
