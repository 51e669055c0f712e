// What lies on the device after loading is what lies in the files, read here by other code.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { HyperthinkError } from "../../src/base/errors.ts";
import { roundBf16 } from "../../src/base/half.ts";
import { cpuAvailable } from "../../src/device/cpu.ts";
import type { Device, F32, Matrix, WeightFormat } from "../../src/device/device.ts";
import { reference } from "../../src/device/reference.ts";
import { openBench } from "../../src/eval/verify/bench.ts";
import { defaultDtype, loadConfig, loadWeights } from "../../src/model/load.ts";
import { openSource } from "../../src/model/source.ts";
import type { LayerWeights } from "../../src/model/weights.ts";
import { bf16, f32, llamaConfig, llamaTensors, safetensors, type Tensors, withFolder } from "../support/checkpoint.ts";

const golden = fileURLToPath(new URL("../../golden/", import.meta.url));

/** Every tensor of a folder as float64 numbers. */
function tensorsOf(folder: string): Map<string, number[]> {
  const tensors = new Map<string, number[]>();
  for (const name of readdirSync(folder).filter((file) => /^model.*\.safetensors$/.test(file))) {
    const bytes = readFileSync(folder + name);
    const start = 8 + Number(bytes.readBigUInt64LE(0));
    const header = JSON.parse(bytes.toString("utf8", 8, start));
    delete header.__metadata__;
    for (const [
      tensor,
      {
        dtype,
        data_offsets: [begin, end],
      },
    ] of Object.entries<{ dtype: string; data_offsets: number[] }>(header)) {
      const width = dtype === "F32" ? 4 : 2;
      const word = Buffer.alloc(4);
      const read = (at: number) => {
        if (width === 4) return bytes.readFloatLE(at);
        word.writeUInt16LE(bytes.readUInt16LE(at), 2); // bf16 is the high half of a float32
        return word.readFloatLE(0);
      };
      assert.ok(dtype === "F32" || dtype === "BF16");
      tensors.set(
        tensor,
        Array.from({ length: (end - begin) / width }, (_, i) => read(start + begin + i * width)),
      );
    }
  }
  return tensors;
}

/** A matrix's numbers [rows, cols], by multiplying it with the identity. */
async function numbersOf(device: Device, matrix: Matrix): Promise<number[]> {
  const { rows, cols } = matrix;
  const identity = device.f32(cols * cols);
  for (let i = 0; i < cols; i++) identity.host[i * cols + i] = 1;
  identity.wrote(0, identity.length);
  const out = device.hidden(cols * rows); // [cols, rows]: the matrix, transposed
  const pass = device.begin();
  pass.matmul({ out, x: identity, w: matrix, rows: cols, bias: null, add: false });
  await device.run(pass);
  const transposed = new Float32Array(cols * rows);
  await device.read(out, 0, transposed);
  return Array.from({ length: rows * cols }, (_, i) => transposed[(i % cols) * rows + Math.floor(i / cols)]);
}

const FIELDS: Record<string, keyof LayerWeights> = {
  "input_layernorm.weight": "inputNorm",
  "post_attention_layernorm.weight": "postNorm",
  "self_attn.q_norm.weight": "qNorm",
  "self_attn.k_norm.weight": "kNorm",
  "self_attn.q_proj.weight": "q",
  "self_attn.k_proj.weight": "k",
  "self_attn.v_proj.weight": "v",
  "self_attn.o_proj.weight": "o",
  "self_attn.q_proj.bias": "qBias",
  "self_attn.k_proj.bias": "kBias",
  "self_attn.v_proj.bias": "vBias",
  "mlp.gate_proj.weight": "gate",
  "mlp.up_proj.weight": "up",
  "mlp.down_proj.weight": "down",
};

async function compare(folder: string, adapter: string | null, weights: WeightFormat): Promise<number> {
  const source = await openSource(folder);
  const gates = adapter ? await openSource(adapter) : undefined;
  const device = reference();
  const config = await loadConfig(source, gates);
  const loaded = await loadWeights(device, config, source, { weights, adapter: gates });
  const places = new Map<string, Matrix | F32>([
    ["model.embed_tokens.weight", loaded.embed],
    ["model.norm.weight", loaded.norm],
  ]);
  if (config.tied) assert.equal(loaded.head, loaded.embed);
  else places.set("lm_head.weight", loaded.head);
  loaded.layers.forEach((layer, i) => {
    const at = `model.layers.${i}`;
    for (const [name, field] of Object.entries(FIELDS)) {
      const place = layer[field] as Matrix | F32 | null;
      if (place) places.set(`${at}.${name}`, place);
    }
    if (!layer.alpha) return;
    assert.equal(layer.alpha.proj.format, "f32");
    places.set(`${at}.self_attn.dms_proj_alpha.weight`, layer.alpha.proj);
    places.set(`${at}.self_attn.dms_proj_alpha_norm.weight`, layer.alpha.norm);
  });
  const files = new Map([...tensorsOf(folder), ...(adapter ? tensorsOf(adapter) : [])]);
  assert.deepEqual([...places.keys()].sort(), [...files.keys()].sort());
  for (const [name, place] of places) {
    const expected = files.get(name)!;
    const actual = "host" in place ? [...place.host] : await numbersOf(device, place);
    const round = !("host" in place) && place.format === "bf16" ? roundBf16 : Math.fround;
    // Adding 0 turns -0 to 0, as the products of the identity do.
    const off = expected.findIndex((value, i) => actual[i] + 0 !== round(value) + 0);
    assert.equal(actual.length, expected.length, name);
    assert.equal(off, -1, `${name}: number ${off} is ${actual[off]}, expected ${expected[off]}`);
  }
  return places.size;
}

describe("golden checkpoints", () => {
  const folders = readdirSync(golden).filter((name) =>
    readdirSync(golden + (name.endsWith(".md") ? "" : name)).includes("config.json"),
  );
  for (const name of folders) {
    const folder = `${golden}${name}/`;
    const { base } = JSON.parse(readFileSync(`${folder}golden.json`, "utf8"));
    test(name, async () => {
      const basis = base ? `${resolve(folder, base)}/` : null;
      for (const weights of ["f32", "bf16"] as const)
        assert.ok((await compare(basis ?? folder, basis ? folder : null, weights)) >= 11);
    });
  }
  test("there are some of each kind", () => assert.ok(folders.length >= 10));
});

const llama = (tensors: Tensors, config: object = llamaConfig) => ({
  "config.json": config,
  "model.safetensors": safetensors(tensors),
});

test("a borrowed gate keeps its heads' rows in float32 where bf16 would round them", async () => {
  // 4 query heads of 2 in 2 groups: heads 0 and 2 carry, rows 0, 1, 4, 5.
  const config = { ...llamaConfig, num_attention_heads: 4, num_key_value_heads: 2, dms_window_size: 4 };
  const carried = [0, 1, 4, 5];
  const load = async (tensors: Tensors, weights: WeightFormat) =>
    withFolder(llama(tensors, config), async (folder) => {
      const source = await openSource(folder);
      const device = reference();
      const { layers } = await loadWeights(device, await loadConfig(source), source, { weights });
      return { device, borrowed: layers[0].borrowed };
    });
  await Promise.all([
    load(llamaTensors(), "bf16").then(async ({ device, borrowed }) => {
      const { data } = llamaTensors()["model.layers.0.self_attn.q_proj.weight"];
      const q = new Float32Array(data.buffer);
      assert.ok(borrowed && borrowed.q.format === "f32" && borrowed.bias === null);
      assert.deepEqual(
        await numbersOf(device, borrowed.q),
        carried.flatMap((row) => [...q.subarray(row * 8, row * 8 + 8)]),
      );
    }),
    load(llamaTensors(), "f32").then(({ borrowed }) => assert.equal(borrowed, null)),
    load(llamaTensors(bf16), "bf16").then(({ borrowed }) => assert.equal(borrowed, null)),
  ]);
});

/** Decision logits of layer 0 [tokens, KV heads] as the device of `verify` computes them. */
async function decisions(tensors: Tensors, device: "reference" | "cpu", weights: WeightFormat): Promise<Float32Array> {
  const config = { ...llamaConfig, num_attention_heads: 4, num_key_value_heads: 2, dms_window_size: 4 };
  const ids = Array.from({ length: 16 }, (_, i) => i);
  return withFolder(llama(tensors, config), async (folder) => {
    const bench = await openBench(folder, { rows: ids.length }, { device, weights });
    await bench.feed("chunk", ids, 0, ids.length);
    const z = new Float32Array(ids.length * 2);
    await bench.runner.device.read(bench.runner.activations.layers[0].z, 0, z);
    bench.close();
    return z;
  });
}

for (const device of ["reference", "cpu"] as const) {
  const reason = device === "cpu" ? cpuAvailable() : null;
  test(`so its decisions do not depend on the type of the weights, ${device}`, {
    skip: reason ? `UNRUN: ${reason}` : false,
  }, async () => {
    // An embedding that bf16 holds exactly, so that layer 0 sees the same numbers.
    const embed = "model.embed_tokens.weight";
    const exact = { ...llamaTensors(), [embed]: llamaTensors(bf16)[embed] };
    const [full, half, rounded] = await Promise.all([
      decisions(exact, device, "f32"),
      decisions(exact, device, "bf16"),
      decisions(llamaTensors(bf16), device, "bf16"), // what comes of rounding the rows
    ]);
    const off = (z: Float32Array) => Math.max(...z.map((value, i) => Math.abs(value - full[i])));
    assert.ok(off(half) <= 1e-3, `off by ${off(half)}`);
    assert.ok(off(rounded) > 0.1, `rounded rows are off by only ${off(rounded)}: this test shows nothing`);
  });
}

test("and its bias", () => {
  const bias = Float32Array.from({ length: 8 }, (_, i) => i + 1 / 3);
  const tensors = llamaTensors();
  for (const [name, length] of [
    ["q", 8],
    ["k", 4],
    ["v", 4],
    ["o", 8],
  ] as const)
    tensors[`model.layers.0.self_attn.${name}_proj.bias`] = f32([length], bias.subarray(0, length));
  const config = {
    ...llamaConfig,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    dms_window_size: 4,
    attention_bias: true,
  };
  return withFolder(llama(tensors, config), async (folder) => {
    const source = await openSource(folder);
    const { layers } = await loadWeights(reference(), await loadConfig(source), source, { weights: "bf16" });
    assert.deepEqual(
      [...layers[0].borrowed!.bias!.host],
      [0, 1, 4, 5].map((i) => bias[i]),
    );
    assert.deepEqual([...layers[0].oBias!.host], [...bias]);
  });
});

test("f16 checkpoints are read", () => {
  const halves = Uint16Array.of(0x3c00, 0xc000, 0x3555, 0x0001, 0x7bff, 0x8000, 0x03ff, 0x4248);
  const tensors = llamaTensors();
  const values = [1, -2, 0.333251953125, 2 ** -24, 65504, -0, 1023 * 2 ** -24, 3.140625];
  tensors["model.norm.weight"] = { dtype: "F16", shape: [8], data: new Uint8Array(halves.buffer) };
  const down = "model.layers.0.mlp.down_proj.weight";
  const matrix = Uint16Array.from({ length: 96 }, (_, i) => halves[i % 8]);
  tensors[down] = { dtype: "F16", shape: [8, 12], data: new Uint8Array(matrix.buffer) };
  return withFolder(llama(tensors), async (folder) => {
    const source = await openSource(folder);
    for (const [weights, round] of [
      ["f32", Math.fround],
      ["bf16", roundBf16],
    ] as const) {
      const device = reference();
      const { norm, layers } = await loadWeights(device, await loadConfig(source), source, { weights });
      assert.deepEqual([...norm.host], values);
      const expected = Array.from({ length: 96 }, (_, i) => round(values[i % 8]) + 0);
      assert.deepEqual(await numbersOf(device, layers[0].down), expected);
    }
  });
});

test("the default type is that of the projections, whatever the gates' is", async () => {
  const gates = {
    "model.layers.0.self_attn.dms_proj_alpha.weight": f32([1, 8], new Array(8).fill(0)),
    "model.layers.0.self_attn.dms_proj_alpha_norm.weight": f32([8], new Array(8).fill(1)),
  };
  const of = (tensors: Tensors) => withFolder(llama(tensors), async (folder) => defaultDtype(await openSource(folder)));
  assert.equal(await of({ ...llamaTensors(bf16), ...gates }), "bf16");
  assert.equal(await of(llamaTensors()), "f32");
  const down = "model.layers.0.mlp.down_proj.weight";
  assert.equal(await of({ ...llamaTensors(bf16), [down]: llamaTensors()[down] }), "f32");
});

describe("loading", () => {
  const run = (options: object, tensors = llamaTensors(), config: object = llamaConfig) =>
    withFolder(llama(tensors, config), async (folder) => {
      const source = await openSource(folder);
      const device = reference();
      let taken = 0;
      const counting: Device = {
        ...device,
        matrix: (...shape) => {
          taken++;
          return device.matrix(...shape);
        },
      };
      const done = loadWeights(counting, await loadConfig(source), source, { weights: "f32", ...options });
      return done.then(
        () => ({ error: null, taken }),
        (error: unknown) => ({ error: error as HyperthinkError, taken }),
      );
    });

  test("progress rises to the bytes of all tensors", async () => {
    const seen: number[][] = [];
    await run({ onProgress: (...both: number[]) => seen.push(both) });
    const total = Object.values(llamaTensors()).reduce((sum, { data }) => sum + data.length, 0);
    assert.deepEqual(seen.at(-1), [total, total]);
    assert.ok(seen.every(([done], i) => i === 0 || done > seen[i - 1][0]));
  });

  test("an abort stops it", async () => {
    const controller = new AbortController();
    const { error } = await run({ signal: controller.signal, onProgress: () => controller.abort() });
    assert.equal(error?.code, "aborted");
  });

  test("all that does not fit is told in one error, before any memory is taken", async () => {
    const tensors = llamaTensors();
    delete tensors["model.norm.weight"];
    tensors["model.layers.0.mlp.up_proj.weight"] = f32([8, 12], new Array(96).fill(0));
    tensors["model.layers.0.mlp.down_proj.weight"] = { dtype: "I32", shape: [8, 12], data: new Uint8Array(384) };
    for (let i = 0; i < 7; i++) tensors[`extra.${i}`] = f32([1], [0]);
    const { error, taken } = await run({}, tensors);
    assert.equal(error?.code, "bad-model");
    assert.equal(taken, 0);
    for (const part of [
      "missing: model.norm.weight;",
      "model.layers.0.mlp.up_proj.weight (expected shape [12,8], got [8,12])",
      "model.layers.0.mlp.down_proj.weight (expected F32, F16 or BF16, got I32",
      "unknown: extra.0, extra.1, extra.2, extra.3, extra.4 and 2 more",
    ])
      assert.ok(error.message.includes(part), `${error.message}\nexpected to include: ${part}`);
  });

  test("gates in two spellings at once", async () => {
    const alpha = "model.layers.0.self_attn.dms_proj_alpha";
    const proj = f32([1, 8], new Array(8).fill(0));
    const tensors = {
      ...llamaTensors(),
      [`${alpha}.weight`]: proj,
      [alpha]: proj,
      [`${alpha}_norm`]: f32([8], new Array(8).fill(1)),
    };
    const { error } = await run({}, tensors, { ...llamaConfig, dms_separate_alpha: true });
    assert.match(error?.message ?? "", /in two places.*dms_proj_alpha\.weight/);
  });

  test("tensors that overlap with an empty one between them", () =>
    withFolder(
      {
        "config.json": llamaConfig,
        "model.safetensors": safetensors(
          { a: f32([4], [1, 2, 3, 4]), empty: f32([0], []), b: f32([4], [1, 2, 3, 4]) },
          (header: Record<string, { data_offsets: number[] }>) => {
            header.empty.data_offsets = [8, 8];
            header.b.data_offsets = [12, 28];
          },
        ),
      },
      async (folder) => assert.rejects(openSource(folder).then(defaultDtype), /tensors a and b overlap/),
    ));
});
