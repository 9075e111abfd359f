#include "ops/recompute.h"

#include "autograd/engine.h"
#include "ops/ops.h"

namespace lampas {

namespace {

struct WithGrad {
  WithGrad() : before(mode.grad) { mode.grad = true; }
  ~WithGrad() { mode.grad = before; }
  bool before;
};

bool differentiable(const Tensor& t) { return t.defined() && is_inexact(t.dtype()); }

// Leaves with the values of `tensors`: what is computed from them is a graph of its own.
std::vector<Tensor> leaves(const std::vector<Tensor>& tensors) {
  std::vector<Tensor> out;
  for (const Tensor& t : tensors) {
    out.push_back(t.defined() ? alias(t) : t);
    if (differentiable(t)) set_requires_grad(out.back(), true);
  }
  return out;
}

// The same in the types that are computed in.
std::vector<Tensor> widened(std::vector<Tensor> tensors) {
  for (Tensor& t : tensors)
    if (t.defined()) t = to(t, compute_type(t.dtype()));
  return tensors;
}

// f's gradient as a function of f's `count` inputs and of its outputs' gradients, on a graph of its own.
TensorFn gradient_of(TensorFn f, size_t count) {
  return [f = std::move(f), count](const std::vector<Tensor>& all) {
    const bool recorded = mode.grad;
    WithGrad guard;
    std::vector<Tensor> inputs(all.begin(), all.begin() + int64_t(count));
    if (!recorded) inputs = leaves(inputs);
    std::vector<Tensor> outputs = f(widened(inputs));
    BackwardArgs args;
    args.create_graph = args.retain_graph = recorded;
    args.accumulate = false;
    args.allow_unused = true;
    for (size_t i = 0; i < outputs.size(); i++) {
      const Tensor& g = all[count + i];
      if (!g.defined() || !outputs[i].defined() || !outputs[i].requires_grad()) continue;
      args.roots.push_back(to(outputs[i], g.dtype()));
      args.gradients.push_back(g);
    }
    std::vector<Tensor> result(count);
    for (const Tensor& t : inputs)
      if (differentiable(t)) args.inputs.push_back(t);
    if (args.roots.empty()) return result;
    std::vector<Tensor> found = run_backward(args);
    size_t next = 0;
    for (size_t i = 0; i < count; i++)
      if (differentiable(inputs[i])) result[i] = found[next++];
    return result;
  };
}

// f's value; its history is one node, whose gradient is found the same way.
std::vector<Tensor> isolated(const char* name, const TensorFn& f, const std::vector<Tensor>& inputs) {
  std::vector<Tensor> outputs;
  {
    NoGrad guard;
    outputs = f(inputs);
  }
  if (!recording(inputs)) return outputs;
  auto backward = [name, f, count = inputs.size(), results = outputs.size()](Back& b) {
    std::vector<Tensor> all;
    for (size_t i = 0; i < count; i++) all.push_back(b.saved(int(i)));
    for (size_t i = 0; i < results; i++) all.push_back(b.grad(int(i)));
    std::vector<Tensor> found = isolated(name, gradient_of(f, count), all);
    for (size_t i = 0; i < count; i++)
      if (b.needs(int(i))) b.results[i] = found[i];
  };
  Ref<Node> node = make_node(name, std::move(backward), int(inputs.size()), int(outputs.size()), int(inputs.size()));
  connect(node, inputs, outputs, {});
  for (size_t i = 0; i < inputs.size(); i++) save_tensor(*node, int(i), "input", inputs[i], false, 0);
  return outputs;
}

}  // namespace

std::vector<Tensor> recorded_gradients(const char* name, const TensorFn& f, const std::vector<Tensor>& inputs,
                                       const std::vector<Tensor>& gradients) {
  std::vector<Tensor> all = inputs;
  all.insert(all.end(), gradients.begin(), gradients.end());
  return isolated(name, gradient_of(f, inputs.size()), all);
}

}  // namespace lampas
