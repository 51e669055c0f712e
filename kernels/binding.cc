// The methods of the addon. JavaScript (src/device/cpu.ts) checks arguments and explains; here, what would crash is
// refused.
#include "memory.h"
#include "napi.h"

namespace {

void release(napi_env env, Handle& h) {
  deviceClose(*h.device);
  for (napi_ref r : h.buffers) napi_delete_reference(env, r);
  h.buffers.clear();
}

/** The kernels that an argument names. */
const Kernels* kernelsOf(const Arguments& a, int i) {
  const std::string isa = a.text(i);
  for (const Kernels* kernels : kernelSets())
    if (isa == kernels->name) return kernels;
  throw Refusal{"expected an instruction set that this machine and build have, got " + isa};
}

// sets(): string[]
napi_value sets(const Arguments& a) {
  napi_value out;
  need(napi_create_array(a.env, &out) == napi_ok, "array");
  uint32_t count = 0;
  for (const Kernels* kernels : kernelSets())
    need(napi_set_element(a.env, out, count++, textValue(a.env, kernels->name)) == napi_ok, "element");
  return out;
}

// bf16Unit(): boolean
napi_value bf16Unit(const Arguments& a) {
  bool there = false;
#if defined(__x86_64__)
  there = __builtin_cpu_supports("avx512bf16");
#endif
  napi_value out;
  need(napi_get_boolean(a.env, there, &out) == napi_ok, "boolean");
  return out;
}

// open(threads: number, isa: string): Handle
napi_value open(const Arguments& a) {
  const Kernels* kernels = kernelsOf(a, 1);
  Handle* h = new Handle{std::make_shared<Device>(), {}};
  h->device->kernels = kernels;
  h->device->team = teamMake(a.whole(0));
  napi_value out;
  const auto finalize = [](napi_env env, void* data, void*) {
    release(env, *(Handle*)data);
    delete (Handle*)data;
  };
  need(napi_create_external(a.env, h, finalize, nullptr, &out) == napi_ok, "handle");
  return out;
}

// share(device: Handle, numbers: Numbers): number
napi_value share(const Arguments& a) {
  const auto numbers = a.array<int32_t>(1);
  napi_ref reference;
  need(napi_create_reference(a.env, a.values[1], 1, &reference) == napi_ok, "reference");
  a.any().buffers.push_back(reference);
  memorySparse(numbers.data(), numbers.size_bytes());
  return numberValue(a.env, deviceAdd(a.device(), numbers.data(), numbers.size()));
}

// hidden(device: Handle, length: number): number
napi_value hidden(const Arguments& a) {
  return numberValue(a.env, deviceHidden(a.device(), (size_t)a.number(1)));
}

// matrix(device: Handle, rows: number, cols: number, format: number): number
napi_value matrix(const Arguments& a) {
  return numberValue(a.env, deviceMatrix(a.device(), a.whole(1), a.whole(2), (WeightFormat)a.whole(3)));
}

// writeRows(device: Handle, matrix: number, first: number, rows: number, values: Rows): void
napi_value writeRows(const Arguments& a) {
  Matrix& m = a.matrix(1);
  bool stored;
  const auto values = a.array<char>(4, &stored);
  const int first = a.whole(2), rows = a.whole(3);
  need(first >= 0 && rows >= 0 && rows <= m.rows - first, "expected rows of the matrix");
  need(values.size() >= (size_t)rows * (size_t)m.cols, "expected as many numbers as the rows have");
  deviceWriteRows(a.device(), m, first, rows, values.data(), stored);
  return nullptr;
}

// readRows(device: Handle, matrix: number, first: number, into: Float32Array): void
napi_value readRows(const Arguments& a) {
  const Matrix& m = a.matrix(1);
  const auto into = a.array<float>(3);
  const int first = a.whole(2), rows = (int)(into.size() / (size_t)m.cols);
  need(first >= 0 && rows <= m.rows - first, "expected rows of the matrix");
  deviceReadRows(a.device(), m, first, rows, into.data());
  return nullptr;
}

// lanes(device: Handle, shape: Int32Array, tables: Int32Array): number
napi_value lanes(const Arguments& a) {
  const auto shape = a.array<int32_t>(1), ids = a.array<int32_t>(2);
  need(shape.size() == SIZES + 1 && ids.size() == TABLES, "expected the sizes, a page format and the tables");
  int32_t* tables[TABLES];
  for (size_t i = 0; i < TABLES; i++) tables[i] = (int32_t*)a.objectOf(ids[i]).data;
  static_assert(sizeof(Shape) == SIZES * 4 && sizeof(Tables) == sizeof tables);
  Shape s;
  Tables t;
  std::memcpy(&s, shape.data(), sizeof s);
  std::memcpy(&t, tables, sizeof t);
  return numberValue(a.env, deviceLanes(a.device(), s, (PageFormat)shape[SIZES], t));
}

// attach(device: Handle, lanes: number, set: number, state: Int32Array): number
napi_value attach(const Arguments& a) {
  Store& st = a.store(1);
  const auto state = a.array<int32_t>(3);
  const int set = a.whole(2);
  Remembered asked;
  need(set >= 0 && set < st.sets && state.size() * 4 == sizeof asked, "expected a set, and the sizes of its state");
  std::memcpy(&asked, state.data(), sizeof asked);
  return numberValue(a.env, deviceAttach(a.device(), st, set, asked));
}

struct Pending {
  napi_deferred deferred;
  napi_async_work work;
  napi_ref handle;  // a device lives as long as its passes
  std::shared_ptr<Device> device;
  std::vector<int32_t> words;
  std::string error;
};

void settle(napi_env env, Pending* p) {
  napi_value value;
  if (p->error.empty()) {
    napi_get_undefined(env, &value);
    napi_resolve_deferred(env, p->deferred, value);
  } else {
    napi_value text;
    napi_create_string_utf8(env, p->error.c_str(), NAPI_AUTO_LENGTH, &text);
    napi_create_error(env, nullptr, text, &value);
    napi_reject_deferred(env, p->deferred, value);
  }
  napi_delete_async_work(env, p->work);
  napi_delete_reference(env, p->handle);
  delete p;
}

// run(device: Handle, words: Int32Array, count: number): Promise<void>
napi_value run(const Arguments& a) {
  const auto words = a.array<int32_t>(1);
  const size_t count = (size_t)a.number(2);
  need(count <= words.size(), "expected fewer words");
  a.device();
  auto p = std::make_unique<Pending>();
  p->device = a.any().device;
  p->words.assign(words.begin(), words.begin() + (ptrdiff_t)count);
  {
    std::unique_lock<std::mutex> lock(p->device->running, std::try_to_lock);
    need(lock.owns_lock(), "expected no running pass");
    devicePlan(*p->device, p->words);
  }
  napi_value promise, name;
  need(napi_create_reference(a.env, a.values[0], 1, &p->handle) == napi_ok, "reference");
  need(napi_create_promise(a.env, &p->deferred, &promise) == napi_ok, "promise");
  const auto execute = [](napi_env, void* data) {
    Pending* job = (Pending*)data;
    try {
      job->error = deviceRun(*job->device, job->words);
    } catch (const std::exception& e) {
      job->error = e.what();
    }
  };
  const auto complete = [](napi_env env, napi_status, void* data) { settle(env, (Pending*)data); };
  need(napi_create_string_utf8(a.env, "hyperthink pass", NAPI_AUTO_LENGTH, &name) == napi_ok, "name");
  need(napi_create_async_work(a.env, nullptr, name, execute, complete, p.get(), &p->work) == napi_ok, "work");
  need(napi_queue_async_work(a.env, p->work) == napi_ok, "queue");
  p.release();
  return promise;
}

/** Numbers [from, from + count) of a buffer: arguments 1 and 2. */
float* numbersAt(const Arguments& a, size_t count) {
  const Object& o = a.object(1);
  const size_t from = (size_t)a.number(2);
  need(from <= o.length && count <= o.length - from, "expected numbers of the buffer");
  return (float*)o.data + from;
}

// read(device: Handle, buffer: number, from: number, into: Float32Array): void
napi_value read(const Arguments& a) {
  const auto into = a.array<float>(3);
  std::memcpy(into.data(), numbersAt(a, into.size()), into.size_bytes());
  return nullptr;
}

// write(device: Handle, buffer: number, from: number, values: Float32Array): void
napi_value write(const Arguments& a) {
  const auto values = a.array<float>(3);
  std::memcpy(numbersAt(a, values.size()), values.data(), values.size_bytes());
  return nullptr;
}

// live(device: Handle, lanes: number, lane: number): Int32Array
napi_value live(const Arguments& a) {
  const Store& st = a.store(1);
  return arrayValue(a.env, napi_int32_array, deviceLive(a.device(), st, a.lane(2, st)));
}

// keys(device: Handle, lanes: number, lane: number): Float32Array
napi_value keys(const Arguments& a) {
  const Store& st = a.store(1);
  return arrayValue(a.env, napi_float32_array, deviceKeys(a.device(), st, a.lane(2, st)));
}

// score(device: Handle, lanes: number, lane: number, scores: Float32Array): number
napi_value score(const Arguments& a) {
  const Store& st = a.store(1);
  const auto scores = a.array<float>(3);
  return numberValue(a.env, deviceScore(a.device(), st, a.lane(2, st), scores.data(), scores.size()));
}

// close(device: Handle): void
napi_value close(const Arguments& a) {
  release(a.env, a.any());
  return nullptr;
}

// measureRead(threads: number, isa: string, bytes: number): number, the best bytes per second
napi_value measureRead(const Arguments& a) {
  const double rate = ::measureRead(kernelsOf(a, 1), a.whole(0), (size_t)a.number(2));
  need(rate > 0, "expected memory for the buffer");
  return numberValue(a.env, rate);
}

// measureMultiplyAdd(threads: number, isa: string): number, the best operations (2 per multiply-add) per second
napi_value measureMultiplyAdd(const Arguments& a) {
  return numberValue(a.env, ::measureMultiplyAdd(kernelsOf(a, 1), a.whole(0)));
}

#define METHOD(name) {#name, nullptr, call<name>, nullptr, nullptr, nullptr, napi_default, nullptr}

}  // namespace

NAPI_MODULE_INIT() {
  try {
    const napi_property_descriptor methods[] = {
        METHOD(sets),  METHOD(open),        METHOD(share),    METHOD(hidden), METHOD(matrix),      METHOD(writeRows),
        METHOD(lanes), METHOD(attach),      METHOD(readRows), METHOD(run),    METHOD(read),        METHOD(write),
        METHOD(live),  METHOD(keys),        METHOD(score),    METHOD(close),  METHOD(measureRead),
        METHOD(bf16Unit), METHOD(measureMultiplyAdd),
    };
    need(napi_define_properties(env, exports, sizeof methods / sizeof *methods, methods) == napi_ok, "methods");
    need(napi_set_named_property(env, exports, "signature", textValue(env, SIGNATURE)) == napi_ok, "signature");
  } catch (const Refusal& r) {
    napi_throw_error(env, nullptr, r.text.c_str());
  }
  return exports;
}
