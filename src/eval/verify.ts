import { basename, join, resolve } from "node:path";
import { badFile, unsupported } from "../base/errors.ts";
import { readJson } from "../model/source.ts";
import { openDevice } from "../request/session.ts";
import { verifyAnswers } from "./verify/answers.ts";
import type { Check, VerifyOptions } from "./verify/check.ts";
import { verifyDecodePolicies } from "./verify/decode-policies.ts";
import { verifyEquality } from "./verify/equality.ts";
import { verifyGradients } from "./verify/gradients.ts";
import { verifyLogits } from "./verify/logits.ts";
import { verifyPolicies } from "./verify/policies.ts";
import { verifyTemplates } from "./verify/templates.ts";
import { verifyText } from "./verify/text.ts";
import { verifyTokens } from "./verify/tokens.ts";

export type { Check, VerifyOptions } from "./verify/check.ts";

export interface Report {
  folder: string;
  kind: string;
  device: string; // in words; NO_DEVICE for kinds that compute nothing on one
  checks: Check[];
}

export const NO_DEVICE = "no device";
/** Kinds that need none. */
export const DEVICELESS: ReadonlySet<string> = new Set(["answers", "equality", "templates", "tokens"]);

export const passed = (report: Report): boolean => report.checks.every((check) => check.status !== "FAIL");

/**
 * Runs a golden folder on a device. Throws `bad-file` where it is not one, `unsupported` for a kind that is not known.
 */
export async function verify(folder: string, options: VerifyOptions = {}): Promise<Report> {
  const golden = await readGolden(folder);
  const kind = String(golden.kind);
  const runs = {
    logits: verifyLogits,
    gradients: verifyGradients,
    text: verifyText,
    policies: verifyPolicies,
    "decode-policies": verifyDecodePolicies,
    answers: verifyAnswers,
    equality: verifyEquality,
    templates: verifyTemplates,
    tokens: verifyTokens,
  };
  if (!Object.hasOwn(runs, kind))
    throw unsupported(
      `${folder}/golden.json has kind "${kind}": expected ${new Intl.ListFormat("en", { type: "disjunction" }).format(Object.keys(runs))}`,
    );
  const run = runs[kind as keyof typeof runs];
  const device = DEVICELESS.has(kind) ? NO_DEVICE : describe(options);
  const checks: Check[] = [];
  for await (const check of run(resolve(folder), golden, options)) {
    checks.push(check);
    options.onCheck?.(check);
  }
  return { folder: basename(resolve(folder)), kind, device, checks };
}

function describe({ device, threads }: VerifyOptions): string {
  const probe = openDevice(device, threads);
  try {
    return probe.description;
  } finally {
    probe.close();
  }
}

async function readGolden(folder: string): Promise<Record<string, unknown>> {
  const golden = await readJson(join(folder, "golden.json"));
  if (golden === null) throw badFile(`${folder}: expected a golden folder, found no golden.json in it`);
  return golden as Record<string, unknown>;
}
