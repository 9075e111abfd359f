// The two physical orders of an activation [batch, channels, space...], and the way from one to the other.
#pragma once

#include <cstdint>

#include "core/storage.h"

namespace lampas::cpu {

// Both orders are the same memory when there is one channel or one place in space.
inline bool same_order(Order a, Order b, int64_t channels, int64_t space) {
  return a == b || channels == 1 || space == 1;
}

// out[b][j][i] = in[b][i][j]: `batch` matrices of rows x columns elements of 1, 2, 4, 8 or 16 bytes, transposed.
void transpose_batches(int64_t batch, int64_t rows, int64_t columns, int item_size, const void* in, void* out);

// Copies a whole activation from one order into the other.
inline void change_order(Order from, int64_t batch, int64_t channels, int64_t space, int item_size, const void* in,
                         void* out) {
  if (from == Order::Plain)
    transpose_batches(batch, channels, space, item_size, in, out);
  else
    transpose_batches(batch, space, channels, item_size, in, out);
}

}  // namespace lampas::cpu
