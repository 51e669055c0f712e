// Fits a KVzap probe (arXiv 2601.07891) for a model; see src/cli/retrofit-kvzap.ts.
//   node bench/kvzap-probe.ts --model DIR --data a.txt --data b.txt --out DIR [--surrogate mlp] ..
import { Command } from "commander";
import { kvzapAlone, runKvzap } from "../src/cli/retrofit-kvzap.ts";

await kvzapAlone(new Command("kvzap-probe")).action(runKvzap).parseAsync();
