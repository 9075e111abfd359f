// From the table's calls, where types are values, to the kernels, where they are C++ types.
#include "cpu/activation_kernels.h"

#include <vector>

#include "core/error.h"
#include "cpu/convolution.h"
#include "cpu/norm.h"
#include "cpu/order.h"
#include "cpu/pool.h"

namespace lampas::cpu {

namespace {

template <class F>
decltype(auto) dispatch_float(DType d, F&& f) {
  switch (d) {
    case DType::Float32:
      return f(TypeTag<float>{});
    case DType::Float64:
      return f(TypeTag<double>{});
    case DType::BFloat16:
      return f(TypeTag<BFloat16>{});
    case DType::Float16:
      return f(TypeTag<Half>{});
    default:
      fail("no kernel on activations for torch.", name_of(d), ": convert the input to a floating dtype");
  }
}

}  // namespace

Order conv_order(const ConvShape& shape, DType type) {
  return dispatch_float(type, [&]<class T>(TypeTag<T>) { return conv_preferred_order<T>(shape); });
}

void conv_forward(const ConvCall& c) {
  dispatch_float(c.type, [&]<class T>(TypeTag<T>) {
    conv_forward<T>(c.shape, {static_cast<const T*>(c.x), c.x_order}, static_cast<const T*>(c.w), c.version,
                    static_cast<const T*>(c.bias), false, {static_cast<T*>(c.y), c.y_order});
  });
}
void conv_backward_data(const ConvCall& c) {
  dispatch_float(c.type, [&]<class T>(TypeTag<T>) {
    conv_backward_data<T>(c.shape, {static_cast<const T*>(c.y), c.y_order}, static_cast<const T*>(c.w), c.version,
                          {static_cast<T*>(c.x), c.x_order});
  });
}
void conv_backward_weights(const ConvCall& c) {
  dispatch_float(c.type, [&]<class T>(TypeTag<T>) {
    conv_backward_weights<T>(c.shape, {static_cast<const T*>(c.x), c.x_order}, {static_cast<const T*>(c.y), c.y_order},
                             static_cast<T*>(c.w), static_cast<T*>(c.bias));
  });
}

void max_pool(const PoolCall& c) {
  if (c.type == DType::UInt8)
    return max_pool_bytes(c.shape, static_cast<const uint8_t*>(c.x), static_cast<uint8_t*>(c.y));
  if (c.type == DType::Int8) return max_pool_bytes(c.shape, static_cast<const int8_t*>(c.x), static_cast<int8_t*>(c.y));
  dispatch_float(c.type, [&]<class T>(TypeTag<T>) {
    const T* x = static_cast<const T*>(c.x);
    T* y = static_cast<T*>(c.y);
    if (c.byte_indices)
      max_pool_forward(c.shape, c.order, x, y, static_cast<uint8_t*>(c.indices));
    else
      max_pool_forward(c.shape, c.order, x, y, static_cast<int64_t*>(c.indices));
  });
}
void max_pool_backward(const PoolCall& c) {
  dispatch_float(c.type, [&]<class T>(TypeTag<T>) {
    const T* gy = static_cast<const T*>(c.y);
    T* gx = static_cast<T*>(c.x);
    if (c.byte_indices)
      max_pool_backward(c.shape, c.order, gy, static_cast<const uint8_t*>(c.indices), gx);
    else
      max_pool_backward(c.shape, c.order, gy, static_cast<const int64_t*>(c.indices), gx);
  });
}
void mean_pool(const PoolCall& c) {
  dispatch_float(c.type, [&]<class T>(TypeTag<T>) {
    avg_pool_forward(c.shape, c.order, c.count_include_pad, c.divisor, static_cast<const T*>(c.x),
                     static_cast<T*>(c.y));
  });
}
void mean_pool_backward(const PoolCall& c) {
  dispatch_float(c.type, [&]<class T>(TypeTag<T>) {
    avg_pool_backward(c.shape, c.order, c.count_include_pad, c.divisor, static_cast<const T*>(c.y),
                      static_cast<T*>(c.x));
  });
}

namespace {

// A call's pointers with their types.
template <class T>
struct NormPointers {
  using S = Compute<T>;
  const T *x, *gy;
  const S *weight, *bias;
  T *y, *gx;
  S *mean, *rstd, *variance, *gweight, *gbias;
  explicit NormPointers(const NormCall& c)
      : x(static_cast<const T*>(c.x)),
        gy(static_cast<const T*>(c.gy)),
        weight(static_cast<const S*>(c.weight)),
        bias(static_cast<const S*>(c.bias)),
        y(static_cast<T*>(c.y)),
        gx(static_cast<T*>(c.gx)),
        mean(static_cast<S*>(c.mean)),
        rstd(static_cast<S*>(c.rstd)),
        variance(static_cast<S*>(c.variance)),
        gweight(static_cast<S*>(c.gweight)),
        gbias(static_cast<S*>(c.gbias)) {}
};

}  // namespace

void channel_norm(const NormCall& c) {
  dispatch_float(c.type, [&]<class T>(TypeTag<T>) {
    NormPointers<T> p(c);
    if (c.groups) return group_norm_forward<T>(c.shape, c.groups, p.x, p.weight, p.bias, c.eps, p.y, p.mean, p.rstd);
    if (c.batch_statistics)
      return batch_norm_forward<T>(c.shape, p.x, p.weight, p.bias, c.eps, false, p.y, p.mean, p.variance, p.rstd);
    std::vector<Compute<T>> scale(p.rstd, p.rstd + c.shape.channels);
    if (p.weight)
      for (int64_t i = 0; i < c.shape.channels; i++) scale[i] *= p.weight[i];
    channel_affine<T>(c.shape, p.x, p.mean, scale.data(), p.bias, false, p.y);
  });
}
void channel_norm_backward(const NormCall& c) {
  dispatch_float(c.type, [&]<class T>(TypeTag<T>) {
    NormPointers<T> p(c);
    if (c.groups)
      return group_norm_backward<T>(c.shape, c.groups, p.gy, p.x, p.weight, p.mean, p.rstd, p.gx, p.gweight, p.gbias);
    batch_norm_backward<T>(c.shape, p.gy, p.x, p.weight, p.mean, p.rstd, c.batch_statistics, p.gx, p.gweight, p.gbias);
  });
}
void row_norm(const NormCall& c) {
  dispatch_float(c.type, [&]<class T>(TypeTag<T>) {
    NormPointers<T> p(c);
    row_norm_forward<T>(c.rows, c.n, p.x, p.weight, p.bias, c.eps, p.y, p.mean, p.rstd);
  });
}
void row_norm_backward(const NormCall& c) {
  dispatch_float(c.type, [&]<class T>(TypeTag<T>) {
    NormPointers<T> p(c);
    row_norm_backward<T>(c.rows, c.n, p.gy, p.x, p.weight, p.mean, p.rstd, p.gx, p.gweight, p.gbias);
  });
}

void change_activation_order(Order from, int64_t batch, int64_t channels, int64_t space, int item_size, const void* in,
                             void* out) {
  change_order(from, batch, channels, space, item_size, in, out);
}

}  // namespace lampas::cpu
