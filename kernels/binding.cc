// The only file that knows Node-API. JavaScript (src/device/cpu.ts) checks arguments and explains; here, what would crash is
// refused. No exception leaves this file.
#include <node_api.h>

#include <chrono>
#include <cstring>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "device.h"
#include "memory.h"

namespace {

struct Handle {
  std::shared_ptr<Device> device;
  std::vector<napi_ref> buffers;  // keep the host's arrays alive
};

/** A failure for JavaScript; thrown inside this file only. */
struct Refusal {
  std::string text;
};

void need(bool ok, const char* text) {
  if (!ok) throw Refusal{text};
}

struct Arguments {
  napi_env env;
  napi_value values[6];

  Arguments(napi_env env_, napi_callback_info info) : env(env_) {
    size_t count = 6;
    need(napi_get_cb_info(env, info, &count, values, nullptr, nullptr) == napi_ok, "arguments");
  }
  double number(int i) const {
    double x;
    need(napi_get_value_double(env, values[i], &x) == napi_ok, "expected a number");
    return x;
  }
  int whole(int i) const { return (int)number(i); }
  bool boolean(int i) const {
    bool x;
    need(napi_get_value_bool(env, values[i], &x) == napi_ok, "expected a boolean");
    return x;
  }
  std::string text(int i) const {
    char buffer[64];
    size_t length;
    need(napi_get_value_string_utf8(env, values[i], buffer, sizeof buffer, &length) == napi_ok, "expected a string");
    return std::string(buffer, length);
  }
  /** A typed array of 32-bit numbers. */
  template <class T>
  T* array(int i, size_t& length) const {
    void* data;
    napi_typedarray_type type;
    need(napi_get_typedarray_info(env, values[i], &type, &length, &data, nullptr, nullptr) == napi_ok,
         "expected a typed array");
    need(type == napi_int32_array || type == napi_uint32_array || type == napi_float32_array,
         "expected an array of 32-bit numbers");
    return (T*)data;
  }
  Handle& any() const {
    void* data;
    need(napi_get_value_external(env, values[0], &data) == napi_ok, "expected a device");
    return *(Handle*)data;
  }
  Device& device() const {
    Device& d = *any().device;
    need(!d.closed, "expected an open device, got one after close(): make another");
    return d;
  }
  Object& object(int i) const {
    const int id = whole(i);
    Device& d = device();
    need(id >= 0 && (size_t)id < d.objects.size(), "expected an object of this device");
    return d.objects[(size_t)id];
  }
};

napi_value numberValue(napi_env env, double x) {
  napi_value out;
  need(napi_create_double(env, x, &out) == napi_ok, "number");
  return out;
}

template <napi_value (*body)(const Arguments&)>
napi_value call(napi_env env, napi_callback_info info) {
  try {
    return body(Arguments(env, info));
  } catch (const Refusal& r) {
    napi_throw_error(env, nullptr, r.text.c_str());
  } catch (const std::exception& e) {
    napi_throw_error(env, nullptr, e.what());
  }
  return nullptr;
}

void release(napi_env env, Handle& h) {
  deviceClose(*h.device);
  for (napi_ref r : h.buffers) napi_delete_reference(env, r);
  h.buffers.clear();
}

napi_value textValue(napi_env env, const char* text) {
  napi_value out;
  need(napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &out) == napi_ok, "text");
  return out;
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
  size_t length;
  void* data = a.array<void>(1, length);
  napi_ref reference;
  need(napi_create_reference(a.env, a.values[1], 1, &reference) == napi_ok, "reference");
  a.any().buffers.push_back(reference);
  return numberValue(a.env, deviceAdd(a.device(), data, length));
}

// hidden(device: Handle, length: number): number
napi_value hidden(const Arguments& a) {
  return numberValue(a.env, deviceHidden(a.device(), (size_t)a.number(1)));
}

// matrix(device: Handle, rows: number, cols: number, bf16: boolean): number
napi_value matrix(const Arguments& a) {
  return numberValue(a.env, deviceMatrix(a.device(), a.whole(1), a.whole(2), a.boolean(3)));
}

// writeRows(device: Handle, matrix: number, first: number, values: Float32Array): void
napi_value writeRows(const Arguments& a) {
  Matrix& m = *(Matrix*)a.object(1).data;
  size_t length;
  const float* values = a.array<float>(3, length);
  const int first = a.whole(2), rows = (int)(length / (size_t)m.cols);
  need(first >= 0 && first + rows <= m.rows, "expected rows of the matrix");
  deviceWriteRows(a.device(), m, first, rows, values);
  return nullptr;
}

// lanes(device: Handle, shape: Int32Array, tables: Int32Array): number
napi_value lanes(const Arguments& a) {
  size_t shapes, tables;
  const int32_t* shape = a.array<int32_t>(1, shapes);
  const int32_t* ids = a.array<int32_t>(2, tables);
  need(shapes == 10 && tables == 13, "expected 10 sizes and 13 tables");
  for (int i = 0; i < 13; i++) need(ids[i] >= 0 && (size_t)ids[i] < a.device().objects.size(), "expected a table");
  return numberValue(a.env, deviceLanes(a.device(), shape, ids));
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
  if (p->work) napi_delete_async_work(env, p->work);
  napi_delete_reference(env, p->handle);
  delete p;
}

// run(device: Handle, words: Int32Array, count: number): Promise<void>
napi_value run(const Arguments& a) {
  size_t length;
  const int32_t* words = a.array<int32_t>(1, length);
  const size_t count = (size_t)a.number(2);
  need(count <= length, "expected fewer words");
  a.device();
  auto p = std::make_unique<Pending>();
  p->device = a.any().device;
  p->words.assign(words, words + count);
  napi_value promise, name;
  need(napi_create_reference(a.env, a.values[0], 1, &p->handle) == napi_ok, "reference");
  need(napi_create_promise(a.env, &p->deferred, &promise) == napi_ok, "promise");
  {
    std::unique_lock<std::mutex> lock(p->device->running, std::try_to_lock);
    p->error = lock ? devicePlan(*p->device, p->words) : "expected no running pass";
  }
  if (!p->error.empty()) {
    settle(a.env, p.release());
    return promise;
  }
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

// read(device: Handle, buffer: number, from: number, into: Float32Array): void
napi_value read(const Arguments& a) {
  const Object& o = a.object(1);
  size_t length;
  float* into = a.array<float>(3, length);
  const size_t from = (size_t)a.number(2);
  need(from <= o.length && length <= o.length - from, "expected numbers of the buffer");
  std::memcpy(into, (const float*)o.data + from, length * 4);
  return nullptr;
}

// live(device: Handle, lanes: number, lane: number): Int32Array
napi_value live(const Arguments& a) {
  const Store& s = *(const Store*)a.object(1).data;
  const int lane = a.whole(2);
  need(lane >= 0 && lane < s.sets * s.layers * s.kvHeads, "expected a lane");
  const std::vector<int32_t> positions = deviceLive(a.device(), s, lane);
  napi_value buffer, out;
  void* data;
  need(napi_create_arraybuffer(a.env, positions.size() * 4, &data, &buffer) == napi_ok, "buffer");
  if (!positions.empty()) std::memcpy(data, positions.data(), positions.size() * 4);
  need(napi_create_typedarray(a.env, napi_int32_array, positions.size(), buffer, 0, &out) == napi_ok, "array");
  return out;
}

// keys(device: Handle, lanes: number, lane: number): Float32Array
napi_value keys(const Arguments& a) {
  const Store& s = *(const Store*)a.object(1).data;
  const int lane = a.whole(2);
  need(lane >= 0 && lane < s.sets * s.layers * s.kvHeads, "expected a lane");
  const std::vector<float> numbers = deviceKeys(a.device(), s, lane);
  napi_value buffer, out;
  void* data;
  need(napi_create_arraybuffer(a.env, numbers.size() * 4, &data, &buffer) == napi_ok, "buffer");
  if (!numbers.empty()) std::memcpy(data, numbers.data(), numbers.size() * 4);
  need(napi_create_typedarray(a.env, napi_float32_array, numbers.size(), buffer, 0, &out) == napi_ok, "array");
  return out;
}

// close(device: Handle): void
napi_value close(const Arguments& a) {
  release(a.env, a.any());
  return nullptr;
}

struct Probe {
  const Kernels* kernels;
  Team* team;
  const char* memory;
  size_t bytes;
  int rounds;
  float sink;
  double operations;
};

template <class F>
double seconds(const F& body) {
  const auto start = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// measureRead(threads: number, isa: string, bytes: number): number, the best bytes a second of five passes
napi_value measureRead(const Arguments& a) {
  constexpr size_t PIECE = 4 << 20;
  const size_t bytes = (size_t)a.number(2) / PIECE * PIECE;
  Probe p = {kernelsOf(a, 1), nullptr, (const char*)memoryMap(bytes), bytes, 0, 0, 0};
  need(p.memory && bytes > 0, "expected memory for the buffer");
  std::memset((void*)p.memory, 1, bytes);
  p.team = teamMake(a.whole(0));
  const auto body = [](void* data, int) {
    Probe& q = *(Probe*)data;
    float sum = 0;
    for (size_t i; (i = (size_t)teamNext(q.team)) < q.bytes / PIECE;) sum += q.kernels->readAll(q.memory + i * PIECE, PIECE);
    __atomic_store(&q.sink, &sum, __ATOMIC_RELAXED);
  };
  double best = 0;
  for (int i = 0; i < 5; i++) best = std::max(best, (double)bytes / seconds([&] { teamRun(p.team, body, &p); }));
  teamFree(p.team);
  memoryUnmap((void*)p.memory, bytes);
  return numberValue(a.env, best);
}

// measureMultiplyAdd(threads: number, isa: string): number, the best operations (2 a multiply-add) a second of five runs
napi_value measureMultiplyAdd(const Arguments& a) {
  Probe p = {kernelsOf(a, 1), nullptr, nullptr, 0, 4000000, 0, 0};
  p.team = teamMake(a.whole(0));
  const auto body = [](void* data, int thread) {
    Probe& q = *(Probe*)data;
    double operations;
    float sum = q.kernels->multiplyAdd(q.rounds, &operations);
    __atomic_store(&q.sink, &sum, __ATOMIC_RELAXED);
    if (thread == 0) q.operations = operations;
  };
  double best = 0;
  for (int i = 0; i < 5; i++) {
    const double s = seconds([&] { teamRun(p.team, body, &p); });
    best = std::max(best, p.operations * teamSize(p.team) / s);
  }
  teamFree(p.team);
  return numberValue(a.env, best);
}

// ops: Record<string, number>, words of each operation by name, in order of their codes
napi_value opsValue(napi_env env) {
  napi_value out;
  need(napi_create_object(env, &out) == napi_ok, "object");
#define OP(name, words) need(napi_set_named_property(env, out, #name, numberValue(env, words)) == napi_ok, "property");
  HT_OPS(OP)
#undef OP
  return out;
}

#define METHOD(name) {#name, nullptr, call<name>, nullptr, nullptr, nullptr, napi_default, nullptr}

}  // namespace

NAPI_MODULE_INIT() {
  try {
    const napi_property_descriptor methods[] = {
        METHOD(sets),  METHOD(open), METHOD(share), METHOD(hidden), METHOD(matrix),      METHOD(writeRows),         METHOD(lanes),
        METHOD(run),   METHOD(read), METHOD(live),  METHOD(keys), METHOD(close),  METHOD(measureRead), METHOD(measureMultiplyAdd),
    };
    need(napi_define_properties(env, exports, sizeof methods / sizeof *methods, methods) == napi_ok, "methods");
    need(napi_set_named_property(env, exports, "ops", opsValue(env)) == napi_ok, "ops");
  } catch (const Refusal& r) {
    napi_throw_error(env, nullptr, r.text.c_str());
  }
  return exports;
}
