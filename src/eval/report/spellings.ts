// Which spellings were taken for one answer, and which answers equal their gold by more than their key: to be read.

import type { ProblemChains, Spelling, Tie } from "../metrics/chain.ts";
import type { Run } from "./complete.ts";

/** One finding in one problem under one setting, and the chains that it holds for. */
interface Found {
  setting: string;
  problem: string;
  chains: number[];
}

export type FoundTie = Found & Tie;
export type FoundGrade = Found & Spelling & { score: number };

export const tiesOf = (runs: readonly Run[]): FoundTie[] => findings(runs, ({ merged }) => merged);

export const gradesOf = (runs: readonly Run[]): FoundGrade[] =>
  findings(runs, ({ graded, score }) => graded && { ...graded, score });

/** Each once a problem and setting. */
const findings = <T extends object>(
  runs: readonly Run[],
  of: (chain: ProblemChains["chains"][number]) => T | undefined,
): (Found & T)[] =>
  runs.flatMap(({ setting, problems }) =>
    problems.flatMap(({ problem, chains }) => {
      const found = new Map<string, Found & T>();
      for (const chain of chains) {
        const one = of(chain);
        if (!one) continue;
        const same = found.get(JSON.stringify(one));
        if (same) same.chains.push(chain.chain);
        else found.set(JSON.stringify(one), { setting: setting.id, problem, chains: [chain.chain], ...one });
      }
      return [...found.values()];
    }),
  );
