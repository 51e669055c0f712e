// How the words of an operation are read: ids of objects (-1: absent), numbers, bits. src/device/cpu/recording.ts
// writes them.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// Inlined everywhere: objects of all instruction sets share this header, and the linker would keep one copy for all.
#define HT_READER __attribute__((always_inline))

struct Matrix;
struct Store;
struct Object {
  void* data = nullptr;  // numbers, Matrix or Store
  size_t length = 0;     // of numbers
};

/** Items of a list. */
template <class Item>
struct List {
  const Item* items;
  int count;
  HT_READER const Item& operator[](int i) const { return items[i]; }
  HT_READER const Item* begin() const { return items; }
  HT_READER const Item* end() const { return items + count; }
};

struct Words {
  const int32_t* at;
  const Object* objects;

  HT_READER int whole() { return *at++; }
  HT_READER bool flag() { return *at++ != 0; }
  template <class T>
  HT_READER T* object() {
    const int32_t id = *at++;
    return id < 0 ? nullptr : (T*)objects[id].data;
  }
  HT_READER float* floats() { return object<float>(); }
  template <class T>
  HT_READER T choice() {
    return (T)*at++;
  }
  template <class Item>
  HT_READER List<Item> list() {
    const Item* items = object<Item>();
    const int first = whole();
    return {items + first, whole()};
  }
  HT_READER float real() {
    float x;
    memcpy(&x, at++, 4);
    return x;
  }
  HT_READER double wide() {
    double x;
    memcpy(&x, at, 8);
    at += 2;
    return x;
  }
};

/** Arguments that take N words: their fields read themselves, one after the other. */
template <int N>
struct Reads {
  static constexpr int WORDS = N;
  Words words;
};
