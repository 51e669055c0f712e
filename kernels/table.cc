#include "table.h"

#define HT_TABLE HT_JOIN(kernels_, HT_ISA)
#define HT_TEXT2(x) #x
#define HT_TEXT(x) HT_TEXT2(x)

template <class Args>
static const int32_t* perform(void (*kernel)(const Call&, const Args&), const Call& c, Words words) {
  kernel(c, read<Args>(words));
  return words.at;
}

const Kernels* HT_TABLE() {
  static const Kernels table = {
      HT_TEXT(HT_ISA),
      {
#define OP(name, Args, ...) [](const Call& c, Words words) { return perform(HT_NS::name, c, words); },
          HT_OPS(OP)
#undef OP
      },
      HT_NS::writeRows,
      HT_NS::readRows,
      HT_NS::readAll,
      HT_NS::multiplyAdd,
  };
  return &table;
}
