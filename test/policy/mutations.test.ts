// Do the tests of policies see small mistakes? Each mutation below is made in a copy of the
// sources, and must fail the kept sets.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Copy, type Mutation } from "./mutants.ts";

const MUTATIONS: Mutation[] = [
  {
    what: "StreamingLLM's window is one longer",
    file: "src/policy/streaming.ts",
    from: "window: recent - 1",
    to: "window: recent",
    seen: "streaming",
  },
  {
    what: "StreamingLLM forgets its sinks",
    file: "src/policy/streaming.ts",
    from: "protect: sinks }",
    to: "protect: 0 }",
    seen: "streaming",
  },
  {
    what: "DMS's window is one shorter",
    file: "src/policy/dms.ts",
    from: "threshold, window, protect",
    to: "threshold, window: window - 1, protect",
    seen: "dms",
  },
  {
    what: "KVzap's sign",
    file: "src/policy/kvzap.ts",
    from: "threshold: -threshold",
    to: "threshold",
    seen: "kvzap",
  },
  {
    what: "R-KV takes the mean for the max over the group",
    file: "src/policy/rkv.ts",
    from: 'group: "max"',
    to: 'group: "mean"',
    seen: "rkv",
  },
  {
    what: "R-KV pools by the mean",
    file: "src/policy/rkv.ts",
    from: 'smooth: "max"',
    to: 'smooth: "mean"',
    seen: "rkv",
  },
  {
    what: "SnapKV's own window is not safe",
    file: "src/policy/snapkv.ts",
    from: "recent: window",
    to: "recent: 0",
    seen: "snapkv",
  },
  {
    what: "SnapKV does not pool",
    file: "src/policy/snapkv.ts",
    from: 'smooth: "mean", kernel }',
    to: 'smooth: "mean", kernel: 1 }',
    seen: "snapkv",
  },
  {
    what: "TOVA looks at one KV head alone",
    file: "src/policy/tova.ts",
    from: 'group: "layer"',
    to: 'group: "mean"',
    seen: "tova",
  },
  {
    what: "H2O forgets the prompt's attention",
    file: "src/policy/h2o.ts",
    from: "sums: true",
    to: "sums: false",
    seen: "h2o",
  },
  {
    what: "H2O protects one key fewer",
    file: "src/device/reference/keep.ts",
    from: "newest - recent(key.lane)",
    to: "newest - recent(key.lane) + 1",
    seen: "h2o",
  },
  {
    what: "VaSE forgets large values",
    file: "src/policy/vase.ts",
    from: 'kind: "range", part: large',
    to: 'kind: "range", part: 0',
    seen: "vase",
  },
  {
    what: "VaSE draws the same at every cut",
    file: "src/device/reference/score.ts",
    from: "uniform(seed, newest,",
    to: "uniform(seed, 0,",
    seen: "vase",
  },
  {
    what: "VaSE does not draw",
    file: "src/device/reference/score.ts",
    from: "scores[s] / -Math.log(u + 2 ** -25)",
    to: "scores[s]",
    seen: "vase",
  },
  {
    what: "sinks are not among VaSE's large values",
    file: "src/device/reference/score.ts",
    from: " - keys.filter(({ position }) => position < protect).length",
    to: "",
    seen: "vase",
  },
  {
    what: "EpiKV counts no late layer against a key",
    file: "src/device/reference/watch.ts",
    from: "late ? standing[p] - z : z",
    to: "late ? standing[p] : z",
    seen: "epikv",
  },
  {
    what: "EpiKV looks one layer too early",
    file: "src/model/paged.ts",
    from: "layer !== changes.early &&",
    to: "layer + 1 !== changes.early &&",
    seen: "epikv",
  },
  {
    what: "EpiKV compares with one token more",
    file: "src/device/reference/watch.ts",
    from: "p + 1 - window",
    to: "p - window",
    seen: "epikv",
  },
  {
    what: "EpiKV compares with the prompt",
    file: "src/device/reference/watch.ts",
    from: "Math.max(from, p",
    to: "Math.max(0, p",
    seen: "epikv",
  },
  {
    what: "a cut's order is lost",
    file: "src/policy/once.ts",
    from: "replace: false",
    to: "replace: true",
    seen: "snapkv, every 6",
  },
  {
    what: "random forgets its sinks",
    file: "src/policy/once.ts",
    from: "protect: parts.sinks ?? 0",
    to: "protect: 0",
    seen: "random, every 7",
  },
  {
    what: "dms-budget keeps one key too few of its window",
    file: "src/policy/dms-budget.ts",
    from: "recent: window + 1,",
    to: "recent: window,",
    seen: "dms-budget",
  },
  {
    what: "expected attention leaves values out",
    file: "src/policy/expected.ts",
    from: "values: true",
    to: "values: false",
    seen: "expected",
  },
  {
    what: "observed attention keeps its bias to old keys",
    file: "src/device/reference/score.ts",
    from: "newest + 1 - position",
    to: "newest + 1",
    seen: "observed",
  },
  {
    what: "Quest bounds by the least alone",
    file: "src/device/reference/select.ts",
    from: "Math.max(q[d] * least[d], q[d] * most[d])",
    to: "q[d] * least[d]",
    seen: "quest",
  },
  {
    what: "AdaKV has no floor",
    file: "src/policy/ada.ts",
    from: 'share: "layer", floor',
    to: 'share: "layer", floor: 0',
    seen: "adakv, every 6",
  },
  {
    what: "KVzip pools by layer and head",
    file: "src/policy/kvzip.ts",
    from: 'share: "set"',
    to: 'share: "lane"',
    seen: "kvzip",
  },
  {
    what: "the pyramid stands on its head",
    file: "src/policy/pyramid.ts",
    from: "most - (lane.layer *",
    to: "least + (lane.layer *",
    seen: "pyramidkv",
  },
  {
    what: "positions in the cache go one too far",
    file: "src/policy/streaming.ts",
    from: "archivePosition: sinks + recent - 1",
    to: "archivePosition: sinks + recent",
    seen: "streaming, positions in the cache",
  },
  {
    what: "protection is asked for and not given",
    file: "src/policy/protect.ts",
    from: "Math.max(before, count)",
    to: "before",
    seen: "rkv, protect 5",
  },
  {
    what: "a gate takes one key of the protected",
    file: "src/engine/batch.ts",
    from: "position - back >= protect",
    to: "position - back + 1 >= protect",
    seen: "dms, protect 11",
  },
];

/** Mistakes that stop the tests from running say nothing of what they check. */
const BROKEN: Mutation[] = [
  {
    what: "an import of no file",
    file: "src/policy/streaming.ts",
    from: '"./options.ts"',
    to: '"./nowhere.ts"',
    seen: "streaming",
  },
  {
    what: "an import of no name",
    file: "src/policy/index.ts",
    from: "import { streaming }",
    to: "import { nothing as streaming }",
    seen: "streaming",
  },
  {
    what: "a syntax error",
    file: "src/policy/streaming.ts",
    from: "window: recent - 1",
    to: "window: recent -",
    seen: "streaming",
  },
  {
    what: "a name that nothing defines",
    file: "src/policy/streaming.ts",
    from: "window: recent - 1",
    to: "window: nothing - 1",
    seen: "streaming",
  },
];

describe("mutations", () => {
  const copy = new Copy(); // without kernels: on the reference device
  before(() =>
    copy.mustPass(
      "reference",
      MUTATIONS.map(({ seen }) => seen),
    ),
  );
  after(() => copy.remove());

  for (const mutation of MUTATIONS) test(mutation.what, () => copy.mustSee(mutation, "reference"));

  for (const mutation of BROKEN)
    test(`${mutation.what} is not counted as seen`, () =>
      assert.rejects(copy.mustSee(mutation, "reference"), /expected assertions to fail, or a fault of the device/));

  test("a change that changes nothing is not counted as seen", () =>
    assert.rejects(copy.mustSee({ ...MUTATIONS[0], to: "window: recent - 1 + 0" }, "reference"), /saw it/));

  test("a case that is not there, or was not run before, sees nothing", async () => {
    assert.throws(() => copy.mustPass("reference", ["no such policy"]), /has no case no such policy/);
    await assert.rejects(copy.mustSee({ ...MUTATIONS[0], seen: "no such policy" }, "reference"), /not shown to pass/);
  });
});
