// Do the tests of policies see small mistakes in the kernels? Each is made in a copy,
// compiled, and must fail the kept sets.
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Copy, type Mutation } from "./mutants.ts";

const MUTATIONS: Mutation[] = [
  {
    what: "a cut protects one recent key fewer",
    file: "kernels/keep.cc",
    from: "position > newest - recent;",
    to: "position > newest - recent + 1;",
    seen: "h2o",
  },
  {
    what: "a cut forgets what is protected",
    file: "kernels/keep.cc",
    from: "position < st.protect[set] || ",
    to: "",
    seen: "tova, protect 4",
  },
  {
    what: "heads that share a budget have no floor",
    file: "kernels/keep.cc",
    from: "(int64_t)::floor(st.budget[lane] * k.a->floor)",
    to: "0",
    seen: "adakv, every 6",
  },
  {
    what: "scores do not move with their keys",
    file: "kernels/keep.cc",
    from: "scores[to] = scores[s];",
    to: "",
    seen: "h2o",
  },
  {
    what: "the range of a value leaves the least channel out",
    file: "kernels/score.cc",
    from: "return high - low;",
    to: "return high;",
    seen: "vase",
  },
  {
    what: "large values are looked for among the newest too",
    file: "kernels/score.cc",
    from: "&& v.positions[s] <= last",
    to: "",
    seen: "vase",
  },
  {
    what: "a run's first token is compared with nothing",
    file: "kernels/observe.cc",
    from: "const float* before = lastState(state, a.late);",
    to: "const float* before = a.x + (size_t)run.row * a.dim;",
    seen: "epikv",
  },
  {
    what: "a fork forgets how the hidden state moved",
    file: "kernels/admit.cc",
    from: "    if (within == 0) copyChanges(st.states[pair.source], st.states[pair.set]);",
    to: "",
    seen: "epikv",
  },
  {
    what: "a chunk stores its doomed keys one query too short",
    file: "kernels/admit.cc",
    from: "position >= last - g.window)",
    to: "position > last - g.window)",
    seen: "dms",
  },
  {
    what: "doomed keys leave one token late",
    file: "kernels/admit.cc",
    from: ">= last - g.window) return;",
    to: ">= last - g.window - 1) return;",
    seen: "kvzap",
  },
  {
    what: "a fork forgets its scores",
    file: "kernels/admit.cc",
    from: "    copyScores(st, from, to);",
    to: "",
    seen: "h2o",
  },
  {
    what: "attention of the last queries takes the mean for the max over the group",
    file: "kernels/scoreAttention.cc",
    from: "const bool most = a.group == Group::max;",
    to: "const bool most = false;",
    seen: "rkv",
  },
  {
    what: "observed attention keeps its bias to old keys",
    file: "kernels/score.cc",
    from: "(v.newest + 1 - v.positions[s])",
    to: "(v.newest + 1)",
    seen: "observed",
  },
];

const compiler = [process.env.CXX, "c++", "g++", "clang++"].find(
  (name) => name && spawnSync(name, ["--version"], { stdio: "ignore" }).status === 0,
);
let include: string | null = null;
try {
  include = createRequire(import.meta.url)("node-api-headers").include_dir;
} catch {}
const missing = !compiler ? "no C++ compiler was found" : !include ? "npm's node-api-headers are not installed" : null;
const DEVICE = "cpu, threads 1";

// Kept sets do not depend on instruction sets or on how hard the compiler tries: one
// set, compiled fast, source by source.
const FLAGS = ["-std=c++20", "-O1", "-fPIC", "-fvisibility=hidden", "-ffp-contract=off", "-pthread", "-w"];
/** What device.cc calls for the sets that were not compiled. */
const ABSENT =
  "struct Kernels;\nconst Kernels* kernels_baseline();\n" +
  "const Kernels* kernels_avx2() { return kernels_baseline(); }\nconst Kernels* kernels_avx512() { return kernels_baseline(); }\n";

class Build {
  readonly copy = new Copy(["kernels"]);
  readonly #kernels = join(this.copy.path, "kernels");
  #changed: string | null = null;

  async all(): Promise<void> {
    mkdirSync(join(this.#kernels, "build"), { recursive: true });
    writeFileSync(join(this.#kernels, "absent.cc"), process.arch === "x64" ? ABSENT : "");
    const queue = readdirSync(this.#kernels).filter((name) => name.endsWith(".cc"));
    const worker = async () => {
      for (let source = queue.shift(); source; source = queue.shift()) await this.#compile(source);
    };
    await Promise.all([worker(), worker()]);
    await this.#link();
  }

  /** After a change to one source, given as in `Mutation.file`; the one before was taken back. */
  async again(file: string): Promise<void> {
    const source = file.slice("kernels/".length);
    const before = this.#changed;
    this.#changed = source;
    await Promise.all([...new Set([source, before ?? source])].map((name) => this.#compile(name)));
    await this.#link();
  }

  #compile(source: string): Promise<void> {
    return this.#run([...FLAGS, `-I${include}`, "-c", source, "-o", `build/${source}.o`]);
  }

  #link(): Promise<void> {
    const kind = process.platform === "darwin" ? ["-bundle", "-undefined", "dynamic_lookup"] : ["-shared"];
    const objects = readdirSync(join(this.#kernels, "build")).filter((name) => name.endsWith(".o"));
    const addon = `build/hyperthink-${process.platform}-${process.arch}.node`;
    return this.#run([...kind, "-pthread", ...objects.map((name) => `build/${name}`), "-o", addon]);
  }

  #run(args: string[]): Promise<void> {
    return new Promise((done, fail) => {
      const child = spawn(compiler!, args, { cwd: this.#kernels, stdio: ["ignore", "ignore", "pipe"] });
      let text = "";
      child.stderr.on("data", (data) => {
        text += data;
      });
      child.on("error", fail);
      child.on("close", (code) => (code === 0 ? done() : fail(new Error(`${compiler} ${args.join(" ")}: ${text}`))));
    });
  }
}

if (missing) test("mutations of the kernels", (t) => t.skip(`UNRUN: ${missing}`));
else
  describe("mutations of the kernels", () => {
    let build: Build;
    before(async () => {
      build = new Build();
      await build.all();
      build.copy.mustPass(
        DEVICE,
        MUTATIONS.map(({ seen }) => seen),
      );
    });
    after(() => build?.copy.remove());

    for (const mutation of MUTATIONS)
      test(mutation.what, () => build.copy.mustSee(mutation, DEVICE, () => build.again(mutation.file)));
  });
