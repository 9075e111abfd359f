// The CPU's kernels on activations as the table calls them; ops/activation_kernels.h says what each does.
#pragma once

#include "ops/activation_kernels.h"

namespace lampas::cpu {

Order conv_order(const ConvShape& shape, DType type);
void conv_forward(const ConvCall& call);
void conv_backward_data(const ConvCall& call);
void conv_backward_weights(const ConvCall& call);
void max_pool(const PoolCall& call);
void max_pool_backward(const PoolCall& call);
void mean_pool(const PoolCall& call);
void mean_pool_backward(const PoolCall& call);
void channel_norm(const NormCall& call);
void channel_norm_backward(const NormCall& call);
void row_norm(const NormCall& call);
void row_norm_backward(const NormCall& call);
void change_activation_order(Order from, int64_t batch, int64_t channels, int64_t space, int item_size, const void* in,
                             void* out);

}  // namespace lampas::cpu
