// The kernels of whole network layers a device must have.
#pragma once

#include "ops/attention.h"
#include "ops/embedding_bag.h"
#include "ops/resample.h"
#include "ops/rnn.h"

namespace lampas {

struct NetworkKernels {
  // The type that recurrent layers and attention take operands of this one in; `even`: whether all rows that products
  // run along have an even number of elements.
  DType (*operand_type)(DType type, bool even);
  void (*rnn_forward)(const RnnCall& call);
  void (*rnn_backward)(const RnnCall& call);
  void (*attention)(const AttentionCall& call);
  void (*attention_backward)(const AttentionCall& call);
  void (*resample)(const ResampleCall& call);
  void (*grid_sample)(const GridSampleCall& call);
  void (*embedding_bag)(const BagCall& call);
  void (*embedding_bag_backward)(const BagCall& call);
};

}  // namespace lampas
