// softmax, log_softmax, and their gradients, which are ops with gradients themselves.
#include "ops/kernels.h"
#include "ops/ops.h"

namespace lampas {

namespace {

using Dtype = std::optional<DType>;

void set_shape(SoftmaxCall& call, const Tensor& x, int d) {
  for (int i = 0; i < x.ndim(); i++) (i < d ? call.outer : i == d ? call.n : call.inner) *= x.sizes()[i];
}

Tensor plain(const Tensor& t) { return t.is_contiguous() ? t : contiguous(detach(t)); }

// The gradient of the input, from that of the result and the result; written over the former if it may be.
Tensor backward(bool log, const Tensor& grad, const Tensor& result, int64_t dim, DType type, bool may_overwrite) {
  int d = wrap_dim(dim, result.ndim());
  const bool over = may_overwrite && grad.is_contiguous() && grad.dtype() == type && result.dtype() == type;
  Tensor out = over ? grad : empty(result.sizes(), type, result.device());
  if (!out.is_meta() && out.numel()) {
    Tensor g = plain(grad), y = plain(result);
    if (g.dtype() != y.dtype()) g = to(detach(g), y.dtype());
    SoftmaxCall call{log, true, y.dtype(), type, 1, 1, 1, g.data(), y.data(), out.data()};
    set_shape(call, y, d);
    kernels(y.device()).softmax(call);
  }
  if (recording(grad, result))
    record(log ? "LogSoftmaxBackwardDataBackward0" : "SoftmaxBackwardDataBackward0", {&grad, &result}, {&out},
           {{"grad_output", &grad}, {"output", &result}}, [log, d](Back& b) {
             if (!b.grad().defined()) return;
             Tensor gg = b.grad(), g = b.saved(0), y = b.saved(1);
             if (gg.dtype() != y.dtype()) gg = to(gg, y.dtype());
             int64_t dims[1] = {d};
             auto total = [&](const Tensor& t) { return y.ndim() ? sum(t, dims, true) : t; };
             b.set(0, [&] { return log ? gg - total(gg * exp(y)) : (gg - total(gg * y)) * y; });
             b.set(1, [&] {
               if (log) return -(gg * exp(y) * total(g));
               return gg * g - gg * total(g * y) - g * total(gg * y);
             });
           });
  return out;
}

Tensor forward(bool log, const char* name, const Tensor& input, int64_t dim, Dtype dtype) {
  int d = wrap_dim(dim, input.ndim());
  DType type = dtype.value_or(input.dtype());
  CHECK_KIND(NotImplemented, is_floating(type), '"', name, "\" not implemented for 'torch.", name_of(type),
             "': it works on floating point numbers; pass dtype=torch.float32");
  // 16-bit numbers to float32 is what the kernel does anyway.
  Tensor x = input;
  if (input.dtype() != type && !(is_reduced_float(input.dtype()) && type == DType::Float32)) x = to(input, type);
  Tensor y = empty(x.sizes(), type, x.device());
  if (!x.is_meta() && x.numel()) {
    Tensor dense = plain(x);
    SoftmaxCall call{log, false, x.dtype(), type, 1, 1, 1, dense.data(), nullptr, y.data()};
    set_shape(call, dense, d);
    kernels(x.device()).softmax(call);
  }
  if (recording(x))
    record(log ? "LogSoftmaxBackward0" : "SoftmaxBackward0", {&x}, {&y}, {{"result", &y}},
           [log, d, in = x.dtype()](Back& b) {
             if (b.grad().defined())
               b.set(0, [&] { return backward(log, b.grad(), b.saved(0), d, in, b.may_overwrite(0)); });
           });
  return y;
}

Tensor softmax_backward(const Tensor& grad, const Tensor& y, int64_t dim, DType type) {
  return backward(false, grad, y, dim, type, false);
}
Tensor log_softmax_backward(const Tensor& grad, const Tensor& y, int64_t dim, DType type) {
  return backward(true, grad, y, dim, type, false);
}

}  // namespace

Tensor softmax(const Tensor& x, int64_t dim, Dtype dtype) { return forward(false, "softmax", x, dim, dtype); }
Tensor log_softmax(const Tensor& x, int64_t dim, Dtype dtype) { return forward(true, "log_softmax", x, dim, dtype); }

void register_softmax() {
  const char* doc = "e^x / sum e^x along a dimension";
  op<&softmax>("softmax(Tensor input, int dim, dtype? dtype=None) -> Tensor", kUsual | OutForm, doc);
  op<&softmax>("softmax(Tensor input, int dim, dtype? dtype=None) -> Tensor", Special, doc);
  doc = "x - log sum e^x along a dimension";
  op<&log_softmax>("log_softmax(Tensor input, int dim, dtype? dtype=None) -> Tensor", kUsual | OutForm, doc);
  op<&log_softmax>("log_softmax(Tensor input, int dim, *, dtype? dtype=None) -> Tensor", Special, doc);
  op<&softmax_backward>(
      "_softmax_backward_data(Tensor grad_output, Tensor output, int dim, dtype input_dtype) -> Tensor",
      Private | Function, "the gradient of softmax: y * (g - sum(g * y))");
  op<&log_softmax_backward>(
      "_log_softmax_backward_data(Tensor grad_output, Tensor output, int dim, dtype input_dtype) -> Tensor",
      Private | Function, "the gradient of log_softmax: g - e^y * sum(g)");
}

}  // namespace lampas
