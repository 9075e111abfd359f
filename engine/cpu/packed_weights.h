// Weights in the layouts the kernels want, kept as long as the plain ones do not change.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
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
  // What `pack` writes into `bytes` of memory; `form` names it and everything it depends on besides the weights.
  PackedWeights(const void* weights, WeightVersion version, onednn::Key form, size_t bytes,
                const std::function<void(void*)>& pack);
  const void* data() const { return data_; }

 private:
  void find(const void* weights, WeightVersion version, onednn::Key form, size_t bytes,
            const std::function<void(void*)>& pack);
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
