// The CPU's kernels of losses; ops/loss_kernels.h says what each does.
#pragma once

#include "ops/elementwise.h"
#include "ops/loss_kernels.h"

namespace lampas::cpu {

void cross_entropy(const CrossEntropyCall& call);
void cross_entropy_backward(const CrossEntropyCall& call);
double pair_sum(Ew op, DType type, const void* a, const void* b, int64_t n, const EwParams& params);
void ctc(const CtcCall& call);
bool all_between(const void* x, DType type, int64_t n, double low, double high);

}  // namespace lampas::cpu
