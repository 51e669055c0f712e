// How the words of an operation are read: ids of objects (-1: absent), numbers, bits. src/device/cpu/recording.ts
// writes them.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <utility>

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

/** Each argument is read as what it is declared as. */
struct Words {
  const int32_t* at;
  const Object* objects;

  template <class T>
  HT_READER operator T*() {
    const int32_t id = *at++;
    return id < 0 ? nullptr : (T*)objects[id].data;
  }
  template <class Item>
  HT_READER operator List<Item>() {
    const Item* items = *this;
    const int first = *this, count = *this;
    return {items + first, count};
  }
  HT_READER operator bool() { return *at++ != 0; }
  /** Numbers and choices. */
  template <class T>
  HT_READER operator T() {
    static_assert(sizeof(T) % 4 == 0);
    T x;
    memcpy(&x, at, sizeof x);
    at += sizeof x / 4;
    return x;
  }
};

/** The arguments of an operation, in order. */
template <class Args, size_t... I>
HT_READER static inline Args read(Words& words, std::index_sequence<I...>) {
  return {((void)I, words)...};
}
template <class Args>
HT_READER static inline Args read(Words& words) {
  return read<Args>(words, std::make_index_sequence<Args::COUNT>{});
}
