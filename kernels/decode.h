// What the files of decode attention share: one call over the steps of a layer, and where its parts lie in the scratch.
#pragma once
#include "lane.h"
#include "scratch.h"

namespace HT_NS {

struct Decode {
  const Call* c;
  Store* st;
  int layer, steps, group, parts;
  const int32_t* items;
  const float *q, *archiveQ;  // the second: what attends to the archive
  float *out, *raw, *lse;
  const char* bounds;  // of pages, null: every page is read
  int32_t* choices;    // [steps][Hkv] number and list of the pages that are read, -1: all; null without bounds
  int stride;
  float* partials;
  // This thread's.
  float *query, *scores;
  uint8_t* done;

  __attribute__((always_inline)) int lane(int i, int h) const { return laneOf(*st, items[3 * i], layer, h); }
  __attribute__((always_inline)) float* partial(int i, int head, int part) const {
    return partials + (((size_t)i * st->queryHeads + head) * parts + part) * partialFloats(*st);
  }
  __attribute__((always_inline)) int32_t* choice(int i, int h) const {
    return choices + ((size_t)i * st->kvHeads + h) * choiceInts(*st);
  }
  __attribute__((always_inline)) bool chosen(int i, int h) const { return choices && choice(i, h)[0] >= 0; }
  /** The page of entry `n` of a choice. */
  __attribute__((always_inline)) int chosenPage(int i, int h, int n) const {
    const int l = lane(i, h);
    return pageAt(*c, *st, l, st->archiveTable[(size_t)l * st->archivePages + choice(i, h)[1 + n]]);
  }
};

/** Fills `choices`: which pages does each KV head of each step read? All threads; they meet inside, and at the end. */
void choosePages(const Decode& d);

}  // namespace HT_NS
