// Rows of a table reduced bag by bag, as a device's kernels see them.
#pragma once

#include <cstdint>

#include "core/dtype.h"

namespace lampas {

enum class BagReduce : int64_t { Sum, Mean, Max };

// Bag b holds rows[starts[b]], ..., rows[starts[b + 1] - 1] of the table, whose rows lie `table_row` elements apart.
struct BagCall {
  BagReduce reduce;
  DType type;  // of the table, the factors and y: floating
  int64_t bags, width, table_row;
  const int64_t *rows, *starts;
  const void* table;
  const void* factors;  // of the rows in their sums; may be null
  void* y;              // [bags, width]; zeros for an empty bag
  int64_t* largest;     // Max: the row that gave y, 0 for an empty bag
  // Backward: adds the gradient of sums to that of a table whose rows lie in one piece. Float32 and Float64.
  const void* gy = nullptr;
  void* gtable = nullptr;
};

}  // namespace lampas
