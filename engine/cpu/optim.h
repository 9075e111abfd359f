// Optimizer steps: one call moves all parameters of a group, in one pass over each parameter and its state.
#pragma once

#include <cstdint>
#include <span>

#include "core/dtype.h"

namespace lampas::cpu {

// One parameter: `numel` elements, its gradient and its state in the same order (an unused state is null).
// Complex numbers come as twice as many real ones.
struct OptimTensor {
  void* param;
  const void* grad;
  void* state[3];
  int64_t numel;
  double step;  // number of this step, counted from 1
};
using OptimTensors = std::span<const OptimTensor>;

// State: momentum buffer, unless momentum is 0. In the first step the buffer becomes the gradient itself.
struct SgdOptions {
  double lr, momentum, dampening, weight_decay;
  bool nesterov, maximize, first_step;
};
// State: exp_avg, exp_avg_sq and, with amsgrad, max_exp_avg_sq.
struct AdamOptions {
  double lr, beta1, beta2, eps, weight_decay;
  bool decoupled, amsgrad, maximize;
};
// State: square_avg, grad_avg if centered, momentum buffer if momentum > 0.
struct RmspropOptions {
  double lr, alpha, eps, weight_decay, momentum;
  bool centered, maximize;
};
// State: sum of squares.
struct AdagradOptions {
  double lr, lr_decay, eps, weight_decay;
  bool maximize;
};

// dtype: one of the floating types; 16-bit ones compute in float32. Gradients are never written.
void sgd(DType dtype, OptimTensors tensors, const SgdOptions& options);
void adam(DType dtype, OptimTensors tensors, const AdamOptions& options);
void rmsprop(DType dtype, OptimTensors tensors, const RmspropOptions& options);
void adagrad(DType dtype, OptimTensors tensors, const AdagradOptions& options);

}  // namespace lampas::cpu
