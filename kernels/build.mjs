// Compiles the kernels into kernels/build/hyperthink-PLATFORM-ARCH.node; npm's install script. Plain JavaScript for any
// Node >= 18. Where it cannot, it says so and succeeds: the program then runs on the slow reference device. The name
// tells machines apart that share a folder, such as a Mac and a container on it.
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const build = join(here, "build");
const output = join(build, `hyperthink-${process.platform}-${process.arch}.node`);

// Sources with kernels are compiled once per instruction set, the others once. No -ffast-math: the order of operations
// is part of the contract; multiply-adds are fused where the source says so, and nowhere else.
const SHARED = ["binding.cc", "device.cc", "keys.cc", "plan.cc", "measure.cc", "threads.cc", "memory.cc"];
const SETS =
  process.arch === "x64"
    ? {
        baseline: [],
        avx2: ["-mavx2", "-mfma"],
        avx512: ["-mavx2", "-mfma", "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl"],
      }
    : { baseline: [] };
const COMMON = [
  "-std=c++20",
  "-O3",
  "-fPIC",
  "-fvisibility=hidden",
  "-ffp-contract=off",
  "-fno-math-errno",
  "-fno-trapping-math",
];
const WARNINGS = ["-Wall", "-Wextra", "-Wno-psabi", "-Wno-unknown-pragmas", "-Wno-missing-field-initializers"];

function explain(what, detail) {
  console.warn(
    `hyperthink: the fast kernels were not built: ${what}. The program will run on the slow reference device. For the fast ` +
      "one, install g++ or clang++ (C++20) and run `npm rebuild` (in a checkout: `npm run install`).",
  );
  if (detail) console.warn(detail.trim().split("\n").slice(0, 12).join("\n"));
  process.exit(0);
}

function findCompiler() {
  const candidates = [process.env.CXX, "c++", "g++", "clang++"].filter(Boolean);
  for (const name of candidates) {
    if (spawnSync(name, ["--version"], { stdio: "ignore" }).status === 0) return name;
  }
  return explain(`no C++ compiler was found (tried ${candidates.join(", ")})`);
}

function run(command, args) {
  return new Promise((done) => {
    const child = spawn(command, args, { stdio: ["ignore", "ignore", "pipe"] });
    let text = "";
    child.stderr.on("data", (data) => {
      text += data;
    });
    child.on("error", (error) => done({ ok: false, text: String(error) }));
    child.on("close", (code) => done({ ok: code === 0, text }));
  });
}

function newerThanSources(files) {
  try {
    const built = statSync(output).mtimeMs;
    return files.every((file) => statSync(join(here, file)).mtimeMs < built);
  } catch {
    return false;
  }
}

function headers() {
  try {
    const require = createRequire(import.meta.url);
    return require("node-api-headers").include_dir;
  } catch {
    return explain("the npm package node-api-headers is missing");
  }
}

const sources = readdirSync(here).filter((name) => /\.(cc|h|mjs)$/.test(name));
if (newerThanSources(sources)) process.exit(0);
if (process.platform === "win32") explain("Windows is not supported yet; use WSL");

const include = headers();
const compiler = findCompiler();
mkdirSync(build, { recursive: true });

const jobs = [];
for (const source of sources.filter((name) => name.endsWith(".cc"))) {
  if (SHARED.includes(source)) {
    const object = join(build, `${source}.o`);
    jobs.push({
      object,
      args: [...COMMON, ...WARNINGS, `-I${include}`, "-pthread", "-c", join(here, source), "-o", object],
    });
    continue;
  }
  for (const [set, flags] of Object.entries(SETS)) {
    const object = join(build, `${source}.${set}.o`);
    const isolated = ["-fno-exceptions", "-fno-rtti", `-DHT_ISA=${set}`];
    jobs.push({
      object,
      args: [...COMMON, ...WARNINGS, ...flags, ...isolated, "-c", join(here, source), "-o", object],
    });
  }
}
// The longest first: attention and products are templates over tile sizes.
const weight = ({ object }) => (/matmul|attend/.test(object) ? 0 : 1);
const queue = [...jobs].sort((a, b) => weight(a) - weight(b));

async function worker() {
  for (let job = queue.shift(); job; job = queue.shift()) {
    const { ok, text } = await run(compiler, job.args);
    if (!ok) explain(`${compiler} failed on ${job.args[job.args.length - 3]}`, text);
    if (text) console.warn(text);
  }
}
await Promise.all([worker(), worker()]);

// Linked aside and renamed: a running process keeps the file that it has mapped.
const fresh = `${output}.${process.pid}`;
const link = process.platform === "darwin" ? ["-bundle", "-undefined", "dynamic_lookup"] : ["-shared"];
const linked = await run(compiler, [...link, "-pthread", ...jobs.map((job) => job.object), "-o", fresh]);
if (!linked.ok) explain(`${compiler} failed to link`, linked.text);
renameSync(fresh, output);
for (const { object } of jobs) rmSync(object, { force: true });
