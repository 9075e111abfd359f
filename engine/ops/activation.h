// How an activation [batch, channels, space...] lies in memory, for the ops whose kernels take either order.
#pragma once

#include "core/threads.h"
#include "ops/kernels.h"
#include "ops/ops.h"

namespace lampas {

// A tensor its kernel can read: `order` is where its elements are; `by_strides` says that the user sees that order
// (memory_format), otherwise it is deferred.
struct Laid {
  Tensor tensor;
  Order order = Order::Plain;
  bool by_strides = false;
  void* data() const { return tensor.raw_data(); }
};

// Whether strides name the channels innermost, as PyTorch decides it for 4 and 5 dimensions.
bool likes_channels_last(Ints sizes, Ints strides);
inline bool likes_channels_last(const Tensor& t) { return likes_channels_last(t.sizes(), t.strides()); }

struct ActivationExtent {
  int64_t batch, channels, space;
};
ActivationExtent extent_of(Ints sizes);

// t without a copy where it is dense in one of the two orders.
Laid laid(const Tensor& t);
// t in this order; copied if it lies in the other one.
Laid laid_in(const Tensor& t, Order order);
// A new activation in that order, which the user sees if `by_strides`.
Laid empty_laid(Ints sizes, DType dtype, Device device, Order order, bool by_strides);
// Where the gradient of x is written: over gy, that of a result like x in its order, if nobody else will look at it.
Laid gradient_laid(const Laid& x, const Laid& gy, bool may_overwrite);

}  // namespace lampas
