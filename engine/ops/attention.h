// Attention of one query block, as a device's kernels see it.
#pragma once

#include <cstdint>

#include "core/dtype.h"

namespace lampas {

// Strides in elements: of the batch dimensions, then of rows; features lie contiguous. A stride of 0 shares the data.
struct AttentionOperand {
  void* data = nullptr;
  const int64_t* batch = nullptr;
  int64_t row = 0;
};

// o = softmax(scale * q k^T + mask) v for each index of a batch shape.
struct AttentionCall {
  DType type;  // of the operands; one that is its own operand_type
  int rank;    // batch dimensions
  const int64_t* sizes;
  int64_t queries, keys, features, value_features;
  double scale;
  bool causal;  // query i sees keys 0 to i
  AttentionOperand q, k, v, o;
  // The mask: bool (true: seen) or of the compute type of `type` (added); null: none. Its columns may be a stride apart
  // too.
  AttentionOperand mask;
  bool bool_mask = false;
  int64_t mask_column = 0;
  void* lse = nullptr;  // [batch, queries], in the compute type: the logarithm of each row's sum of exponentials; -inf
                        // where nothing is seen
  // Backward: the gradient of o, and those of q, k and v (dense batches; all three are computed).
  AttentionOperand go, gq, gk, gv;
};

}  // namespace lampas
