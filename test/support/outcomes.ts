// What each test of a run in TAP came to, and whether a failure says anything of the code under test.

/**
 * "assertion": a test's own; "fault": an error that a device threw while it ran; "broken": anything else, such as a
 * file that cannot be imported, a crash, a time limit or a TypeError.
 */
export type Verdict = "pass" | "skip" | "assertion" | "fault" | "broken";

export interface Outcome {
  name: string;
  verdict: Verdict;
}

/** Outcomes of tests and of files that failed as a whole; suites are left out. */
export function outcomes(tap: string): Outcome[] {
  const lines = tap.split("\n");
  return lines.flatMap((line, at): Outcome[] => {
    const [, indent, not, name, skip] = line.match(/^( *)(not )?ok \d+ - (.*?)( # SKIP.*)?$/) ?? [];
    if (name === undefined) return [];
    const end = lines.indexOf(`${indent}  ...`, at);
    const details = lines[at + 1] === `${indent}  ---` ? lines.slice(at + 2, end) : [];
    const field = (key: string) =>
      details.find((text) => text.startsWith(`${indent}  ${key}: `))?.match(/: '?(.*?)'?$/)?.[1];
    if (field("type") === "suite") return [];
    if (skip) return [{ name, verdict: "skip" }];
    if (!not) return [{ name, verdict: "pass" }];
    const thrown = field("failureType") === "testCodeFailure" && field("exitCode") === undefined;
    const ofDevice = [undefined, "Error", "HyperthinkError"].includes(field("name"));
    if (thrown && field("code") === "ERR_ASSERTION") return [{ name, verdict: "assertion" }];
    if (thrown && ofDevice && details.some((text) => text.includes("/src/device/")))
      return [{ name, verdict: "fault" }];
    return [{ name, verdict: "broken" }];
  });
}
