#include "table.h"

#define HT_TABLE HT_JOIN(kernels_, HT_ISA)
#define HT_TEXT2(x) #x
#define HT_TEXT(x) HT_TEXT2(x)

const Kernels* HT_TABLE() {
  static const Kernels table = {
      HT_TEXT(HT_ISA),
      {
#define OP(name, Args) [](const Call& c, Words words) { HT_NS::name(c, Args{{words}}); },
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
