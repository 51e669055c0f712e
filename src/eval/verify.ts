import { basename, join, resolve } from "node:path";
import { HyperthinkError } from "../base/errors.ts";
import { openDevice } from "../engine/session.ts";
import { readJson } from "../model/source.ts";
import type { Check, VerifyOptions } from "./verify/check.ts";
import { verifyDecodePolicies } from "./verify/decode-policies.ts";
import { verifyLogits } from "./verify/logits.ts";
import { verifyPolicies } from "./verify/policies.ts";
import { verifyTemplates } from "./verify/templates.ts";
import { verifyText } from "./verify/text.ts";

export type { Check, VerifyOptions } from "./verify/check.ts";

export interface Report {
  folder: string;
  kind: string;
  device: string;
  checks: Check[];
}

export const passed = (report: Report): boolean => report.checks.every((check) => check.status !== "FAIL");

/** Runs a golden folder on a device. Throws `bad-file` where it is not one, `unsupported` for a kind that is not known. */
export async function verify(folder: string, options: VerifyOptions = {}): Promise<Report> {
  const golden = await readGolden(folder);
  const kind = String(golden.kind);
  const run = {
    logits: verifyLogits,
    text: verifyText,
    policies: verifyPolicies,
    "decode-policies": verifyDecodePolicies,
    templates: verifyTemplates,
  }[kind];
  if (!run)
    throw new HyperthinkError(
      "unsupported",
      `${folder}/golden.json has kind "${kind}": expected logits, text, policies, decode-policies or templates`,
    );
  const probe = openDevice(options.device, options.threads);
  const device = probe.description;
  probe.close();
  const checks: Check[] = [];
  for await (const check of run(resolve(folder), golden, options)) {
    checks.push(check);
    options.onCheck?.(check);
  }
  return { folder: basename(resolve(folder)), kind, device, checks };
}

async function readGolden(folder: string): Promise<Record<string, unknown>> {
  const golden = await readJson(join(folder, "golden.json"));
  if (golden === null)
    throw new HyperthinkError("bad-file", `${folder}: expected a golden folder, found no golden.json in it`);
  return golden as Record<string, unknown>;
}
