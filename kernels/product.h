// Sizes of products' scratch, for plan.cc: the most that any instruction set takes.
#pragma once
#include "scratch.h"

/** Tiles of rows that share a panel of columns while it is in L1. */
constexpr int PRODUCT_BLOCK = 8;
/** Lines of a panel that stay in L1: 256 of 128 bytes. */
constexpr int STRETCH = 256;

HT_SIZE size_t productBytes(const ProductArgs& a, int threads) {
  const size_t rows = ((size_t)a.m + 11) / 12 * 12 + 12, cols = ((size_t)a.n + 31) / 32 * 32, k = (size_t)a.k + 1;
  return lineUp((rows + cols) * k * 4 + (size_t)threads * PRODUCT_BLOCK * 12 * 32 * 4);
}
