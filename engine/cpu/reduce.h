// Reductions, running totals, softmax and sorting on the CPU.
#pragma once

#include "ops/kernels.h"

namespace lampas::cpu {

void reduce(const ReduceCall& call);
void scan(const ScanCall& call);
void softmax(const SoftmaxCall& call);
void sort(const SortCall& call);
void search(const SearchCall& call);

}  // namespace lampas::cpu
