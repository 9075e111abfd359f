// Weights in the layouts oneDNN's kernels want, kept as long as the plain ones do not change.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "cpu/onednn.h"
#include "ops/activation_kernels.h"

namespace lampas::cpu {

using lampas::WeightVersion;

// `weights` (laid out as `plain`) in the layout `wanted`, both numbered: the pointer itself where they agree, else a
// copy.
class PackedWeights {
 public:
  PackedWeights(const void* weights, WeightVersion version, const onednn::Layout& plain, const onednn::Layout& wanted);
  const void* data() const { return data_; }

 private:
  std::shared_ptr<const void> copy_;
  const void* data_;
};

struct PackedStats {
  size_t entries, bytes, limit;
  uint64_t hits, misses;
};
PackedStats packed_weights_stats();
void set_packed_weights_limit(size_t bytes);
void clear_packed_weights();

}  // namespace lampas::cpu
