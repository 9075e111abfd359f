// Weights in the layouts the kernels want, kept as long as the plain ones do not change and they fit into 256 MB.
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

}  // namespace lampas::cpu
