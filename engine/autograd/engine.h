// Running the recorded graph backward.
#pragma once

#include <vector>

#include "autograd/autograd.h"

namespace lampas {

struct BackwardArgs {
  std::vector<Tensor> roots;
  std::vector<Tensor> gradients;  // one per root; undefined: ones, for a root of one element
  bool retain_graph = false;
  bool create_graph = false;
  std::vector<Tensor> inputs;  // empty: every leaf reached
  bool accumulate = true;      // into .grad (backward); otherwise return the inputs' gradients (grad)
  bool allow_unused = false;
};

// The gradients of `inputs` when accumulate is false, else nothing.
std::vector<Tensor> run_backward(const BackwardArgs& args);

// Called when anomaly mode finds a failing or NaN-producing node: prints where it was recorded.
extern void (*report_anomaly)(Node& node);

}  // namespace lampas
