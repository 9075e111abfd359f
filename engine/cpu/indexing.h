// Reading and writing elements at positions that are data.
#pragma once

#include "ops/kernels.h"

namespace lampas::cpu {

IndexRange index_range(const int64_t* index, int64_t n);
void index_offsets(const IndexOffsetsCall& call);
void index(const IndexCall& call);
void gather(const GatherCall& call);
int64_t count_true(const bool* mask, int64_t n);
void true_positions(const TruePositionsCall& call);

}  // namespace lampas::cpu
