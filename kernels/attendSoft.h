// Scratch of attention under a soft mask: what a thread has for one document and KV head at a time.
#pragma once
#include "scratch.h"

/** Queries that are taken at once: scores of a document's keys for so many lie in L2. */
constexpr int SOFT_QUERIES = 32;

HT_SIZE int longest(const List<Document>& documents) {
  int most = 0;
  for (const Document& d : documents)
    if (d.rows > most) most = d.rows;
  return most;
}
/** Six tables of [keys, width], two of [keys, queries], four of [queries, width], and rows of queries. */
HT_SIZE size_t softBytes(const List<Document>& documents, int dim) {
  const size_t keys = ((size_t)longest(documents) + 15) / 16 * 16, width = ((size_t)dim + 15) / 16 * 16;
  return lineUp((keys * (6 * width + 2 * SOFT_QUERIES) + SOFT_QUERIES * (5 * width + 8)) * 4);
}
