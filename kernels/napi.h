// Arguments and results of Node-API calls. No exception leaves a call: `call` turns it into JavaScript's.
#pragma once
#include <node_api.h>

#include <cstring>
#include <exception>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "device.h"

struct Handle {
  std::shared_ptr<Device> device;
  std::vector<napi_ref> buffers;  // keep the host's arrays alive
};

/** A failure for JavaScript. */
struct Refusal {
  std::string text;
};

static void need(bool ok, const char* text) {
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
  std::string text(int i) const {
    char buffer[64];
    size_t length;
    need(napi_get_value_string_utf8(env, values[i], buffer, sizeof buffer, &length) == napi_ok, "expected a string");
    return std::string(buffer, length);
  }
  /** A typed array of 32-bit numbers, or of bytes where `bytes` asks for them and says if they came. */
  template <class T>
  std::span<T> array(int i, bool* bytes = nullptr) const {
    void* data;
    size_t length;
    napi_typedarray_type type;
    need(napi_get_typedarray_info(env, values[i], &type, &length, &data, nullptr, nullptr) == napi_ok,
         "expected a typed array");
    const bool wide = type == napi_int32_array || type == napi_uint32_array || type == napi_float32_array;
    need(wide || (bytes && type == napi_uint8_array), "expected an array of 32-bit numbers");
    if (bytes) *bytes = !wide;
    return {(T*)data, length};
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
  Object& object(int i) const { return objectOf(whole(i)); }
  Object& objectOf(int id) const {
    Device& d = device();
    need(id >= 0 && (size_t)id < d.objects.size(), "expected an object of this device");
    return d.objects[(size_t)id];
  }
  Matrix& matrix(int i) const { return *(Matrix*)object(i).data; }
  Store& store(int i) const { return *(Store*)object(i).data; }
  int lane(int i, const Store& st) const {
    const int lane = whole(i);
    need(lane >= 0 && lane < st.sets * st.lanes, "expected a lane");
    return lane;
  }
};

static napi_value numberValue(napi_env env, double x) {
  napi_value out;
  need(napi_create_double(env, x, &out) == napi_ok, "number");
  return out;
}

static napi_value textValue(napi_env env, const char* text) {
  napi_value out;
  need(napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &out) == napi_ok, "text");
  return out;
}

/** A typed array of 32-bit numbers. */
template <class T>
static napi_value arrayValue(napi_env env, napi_typedarray_type type, const std::vector<T>& numbers) {
  napi_value buffer, out;
  void* data;
  need(napi_create_arraybuffer(env, numbers.size() * 4, &data, &buffer) == napi_ok, "buffer");
  if (!numbers.empty()) std::memcpy(data, numbers.data(), numbers.size() * 4);
  need(napi_create_typedarray(env, type, numbers.size(), buffer, 0, &out) == napi_ok, "array");
  return out;
}

template <napi_value (*body)(const Arguments&)>
static napi_value call(napi_env env, napi_callback_info info) {
  try {
    return body(Arguments(env, info));
  } catch (const Refusal& r) {
    napi_throw_error(env, nullptr, r.text.c_str());
  } catch (const std::exception& e) {
    napi_throw_error(env, nullptr, e.what());
  }
  return nullptr;
}
