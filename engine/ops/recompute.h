// Gradients of gradients for fused ops: what the op computes, said once more in differentiable ops.
#pragma once

#include <functional>
#include <vector>

#include "autograd/autograd.h"

namespace lampas {

// Tensors to tensors; undefined ones stand for arguments that are not there.
using TensorFn = std::function<std::vector<Tensor>(const std::vector<Tensor>&)>;

// The gradients of f's inputs, given those of its outputs (undefined: none), for a backward that is itself recorded:
// the results have a history, to any order. f is made of differentiable ops and gets its
// inputs in the types that are computed in. Undefined where an input takes no part.
std::vector<Tensor> recorded_gradients(const char* name, const TensorFn& f, const std::vector<Tensor>& inputs,
                                       const std::vector<Tensor>& gradients);

}  // namespace lampas
