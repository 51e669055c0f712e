// Tests as they run on lesser CPUs: once with each of these instruction sets hidden. `npm run test:hidden`
// takes the suites that touch the kernels; others are given as arguments:
// `npm run test:hidden -- 'test/**/*.test.ts'` is the whole suite.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { cpuAvailable } from "../src/device/cpu.ts";
import { ISA_NAMES, instructionSets } from "../src/device/isa.ts";

const HIDDEN = ["avx512", "avx512,avx2"];
const SUITES = ["test/device/*.test.ts", "test/engine/{bits,finite,partition}.test.ts", "test/policy/kept.test.ts"];
/** Tests of the reference device, which knows no instruction sets. */
const REFERENCE = "/^(equal bits on )?reference\\b/";

const root = fileURLToPath(new URL("../", import.meta.url));
const asked = process.argv.slice(2);
const suites = asked.length > 0 ? asked : [`--test-skip-pattern=${REFERENCE}`, ...SUITES];

function green(hide: string): boolean {
  const args = ["--test", "--test-reporter=tap", ...suites];
  const env = { ...process.env, HYPERTHINK_ISA: "", HYPERTHINK_HIDE_ISA: hide };
  const { status, stdout } = spawnSync(process.execPath, args, {
    cwd: root,
    env,
    encoding: "utf8",
    maxBuffer: 2 ** 28,
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (status !== 0) console.log(stdout);
  for (const line of stdout.split("\n")) {
    const [, skipped, counted] = /^\s*ok \d+ - (.* # SKIP.*)|^# ((?:tests|pass|fail|skipped) \d+)/.exec(line) ?? [];
    if (skipped || counted) console.log(`  ${skipped ?? counted}`);
  }
  return status === 0;
}

const missing = cpuAvailable();
const lesser = process.arch === "x64" && missing === null;
if (!lesser) console.log(`UNRUN: ${missing ?? `one instruction set on ${process.arch}, nothing to hide`}`);
const failed = (lesser ? HIDDEN : []).filter((hide) => {
  console.log(`${hide} hidden, ${ISA_NAMES[instructionSets(hide)[0]]} run: ${suites.join(" ")}`);
  return !green(hide);
});
if (failed.length > 0) {
  console.log(`failed with these hidden: ${failed.join("; ")}`);
  process.exitCode = 1;
}
