// Sentences that all forms of a report have.

import { duration } from "../../base/duration.ts";
import type { RecordedModel } from "../harness/record.ts";
import type { Report, TaskReport } from "./report.ts";

/** "48 problems." or what is missing of them. */
export function problemLine({ problems: { asked, compared, unfinished, faulty }, settings }: TaskReport): string {
  if (compared === asked) return `${asked} problems, ${settings.length} settings.`;
  const why = [
    ...(unfinished > 0 ? [`${unfinished} not complete in every setting`] : []),
    ...(faulty > 0 ? [`${faulty} with chains that cannot be counted`] : []),
  ];
  const left = why.length > 0 ? `, left out: ${why.join(", ")}` : "";
  return `${compared} of ${asked} problems, ${settings.length} settings${left}.`;
}

/** "runs/gsm8k ran for 3 h 20 min (wall time of all its settings together)." */
export const wallTimes = ({ folders, seconds }: Pick<Report, "folders" | "seconds">): string[] =>
  folders.flatMap((folder, i) => {
    const spent = seconds[i];
    return spent === null ? [] : [`${folder} ran for ${duration(spent)} (wall time of all its settings together).`];
  });

export const modelLine = ({ name, path, adapters, fingerprint }: RecordedModel): string =>
  `${name}: ${[path, ...adapters].join(" + ")} (${fingerprint.slice(0, 12)})`;
