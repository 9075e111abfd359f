// Mixed precision: inside an autocast region, ops that gain from it run in 16 bits, and ops that need it in float32.
#pragma once

#include <string_view>

#include "ops/registry.h"

namespace lampas::autocast {

enum class Policy : uint8_t {
  None,     // runs in the types it is given
  Lower,    // in the region's 16-bit type
  Float32,  // in float32
  Promote,  // in the widest type among its inputs
};

// What the region does with the op of this name.
Policy policy_of(std::string_view name);

// The CPU's setting, one a thread. Casts of parameters are kept from their first use in a region until the outermost
// region ends.
struct State {
  bool enabled = false;
  bool cache_enabled = true;
  DType dtype = DType::BFloat16;
  int nesting = 0;
};
State& state();
void set_enabled(bool enabled);
void clear_cache();

// The frame's tensors in the types that the policy asks for; `held` keeps the casts until the call is over.
void cast(Policy policy, Frame& frame, std::vector<Tensor>& held);

}  // namespace lampas::autocast
