// The kernels of losses a device must have.
#pragma once

#include <cstdint>

#include "core/dtype.h"

namespace lampas {

enum class Ew : uint8_t;
struct EwParams;

// Cross entropy of class numbers over x of [n, classes, space]; strides are in elements, and the one of the classes or
// of the space is 1. Results of one number for each (n, space) are contiguous.
struct CrossEntropyCall {
  DType type;
  int64_t n, classes, space;
  int64_t strides[3];
  const void* x;
  const void* target;
  bool byte_target;      // uint8, otherwise int64
  const double* weight;  // of each class, or null
  int64_t ignore;        // a target that counts for nothing
  bool normalized;       // x holds log-probabilities: nll_loss
  double* log_sums;      // log(sum(exp(x))) over the classes: written forward, read backward; null if normalized
  // forward
  void* losses;        // of `type`; may be null
  double* sum;         // of all losses
  double* weight_sum;  // of the weights of the targets
  // backward
  const void* grad;  // of `type`: of each loss, or one number
  bool one_grad;
  double scale;  // what the gradient is multiplied with
  void* gx;      // arranged as x
};

// Connectionist temporal classification: the negative log-likelihood of label sequences, or its gradient.
struct CtcCall {
  DType type;
  int64_t steps, batch, classes;  // log_probs is [steps, batch, classes], contiguous
  const void* log_probs;
  const int64_t *targets, *starts;  // all labels, and where those of each sample begin
  const int64_t *input_lengths, *target_lengths;
  int64_t blank;
  double* losses;       // one for each sample; null: the gradient is wanted
  const double* grads;  // of the losses
  bool zero_infinity;   // no gradient where the loss is infinite
  void* gx;             // zeros where it is not written
};

struct LossKernels {
  // IndexError for a target outside [0, classes) that is not `ignore`.
  void (*cross_entropy)(const CrossEntropyCall& call);
  void (*cross_entropy_backward)(const CrossEntropyCall& call);
  // The sum of an elementwise op of two contiguous tensors of float32 or float64, in one pass.
  double (*pair_sum)(Ew op, DType type, const void* a, const void* b, int64_t n, const EwParams& params);
  void (*ctc)(const CtcCall& call);
  // Whether low <= x <= high for all of n contiguous elements of a floating type; a NaN is not between.
  bool (*all_between)(const void* x, DType type, int64_t n, double low, double high);
};

}  // namespace lampas
