// What the files of shape ops share: windows into tensors, and gradients of one input.
#pragma once

#include "ops/kernels.h"
#include "ops/ops.h"

namespace lampas {

// The backward of an op whose only gradient is f(g).
template <class F>
auto gradient_by(F f) {
  return [f = std::move(f)](Back& b) {
    if (b.grad().defined()) b.set(0, [&] { return f(b.grad()); });
  };
}

// Zeros of shape `sizes` with g in a window of them; the gradient of taking that window. `window(t)` is a view of t.
template <class W>
Tensor embed(const char* name, const Tensor& g, Ints sizes, const W& window) {
  Tensor y = zeros(sizes, g.dtype(), g.device());
  {
    NoGrad guard;
    copy_data(window(y), g);
  }
  if (recording(g)) record(name, {&g}, {&y}, {}, gradient_by(window));
  return y;
}

// A copy of x with src in a window of it.
template <class W>
Tensor put_window(const char* name, const Tensor& x, const Tensor& src, const W& window) {
  Tensor y = clone_data(x);
  {
    NoGrad guard;
    Tensor place = window(y);
    CHECK(same(place.sizes(), src.sizes()),
          "expected src to have a size equal to the slice of self. src size = ", shown(src.sizes()),
          ", slice size = ", shown(place.sizes()));
    copy_data(place, src);
  }
  if (recording(x, src)) {
    IntVec src_sizes = src->sizes;
    DType src_type = src.dtype();
    record(name, {&x, &src}, {&y}, {}, [name, window, src_sizes, src_type](Back& b) {
      const Tensor& g = b.grad();
      if (!g.defined()) return;
      b.set(0, [&] { return put_window(name, g, zeros(src_sizes, g.dtype(), g.device()), window); });
      b.set(1, [&] { return reduce_gradient(window(g), src_sizes, src_type); });
    });
  }
  return y;
}

// Strides that show the elements of a tensor in another shape without a copy, if there are any.
std::optional<IntVec> strides_for_shape(Ints sizes, Ints strides, Ints wanted);

// out= of an op that converts nothing.
inline void check_out_type(const char* name, const Out& out, DType type) {
  if (out.given())
    CHECK(out.tensor->dtype() == type, name, "(): Expected out tensor to have dtype ", name_of(type), ", but got ",
          name_of(out.tensor->dtype()), " instead");
}

// The function form of such an op, given as f() -> new tensor.
template <class F>
Tensor into(const char* name, const Out& out, DType type, bool records, F&& f) {
  if (!out.given()) return f();
  check_out(name, out, records);
  check_out_type(name, out, type);
  NoGrad guard;
  deliver(out, f());
  out.tensor->bump_version();
  return *out.tensor;
}

// An op given as f(x) -> new tensor, in the three forms its result can take.
template <class F>
Tensor in_form(const char* name, const Tensor& x, const Out& out, bool records, F&& f) {
  if (!out.given()) return f(x);
  if (!out.inplace()) {
    check_out(name, out, records);
    NoGrad guard;
    Tensor y = deliver(out, f(x));
    y.bump_version();
    return y;
  }
  check_inplace(x, records);
  if (records) return recorded_inplace(x, f);
  Tensor y = f(x);
  CHECK(can_cast(y.dtype(), x.dtype()), "result type ", name_of(y.dtype()),
        " can't be cast to the desired output type ", name_of(x.dtype()));
  CHECK(same(x.sizes(), y.sizes()), "output with shape ", shown(x.sizes()), " doesn't match the broadcast shape ",
        shown(y.sizes()));
  copy_data(x, y);
  x.bump_version();
  return x;
}

void register_views();

}  // namespace lampas
