#include "ops/activation.h"

namespace lampas {

bool likes_channels_last(Ints sizes, Ints strides) {
  int n = int(sizes.size());
  if ((n != 4 && n != 5) || strides[1] == 0) return false;
  int64_t least = 0;
  for (int k = 0; k < n; k++) {
    int d = k == 0 ? 1 : k == n - 1 ? 0 : n - k;  // channels, space from the last, batch
    if (sizes[d] == 0 || strides[d] < least || (d == 0 && least == strides[1])) return false;
    least = strides[d] * std::max<int64_t>(sizes[d], 1);
  }
  return true;
}

ActivationExtent extent_of(Ints sizes) {
  int64_t space = 1;
  for (size_t d = 2; d < sizes.size(); d++) space *= sizes[d];
  return {sizes[0], sizes.size() > 1 ? sizes[1] : 1, space};
}

namespace {

IntVec channels_last_strides(Ints sizes) {
  IntVec strides(int(sizes.size()), 1);
  int64_t step = sizes[1];
  for (int d = int(sizes.size()) - 1; d >= 2; d--) strides[d] = step, step *= sizes[d];
  strides[0] = step;
  return strides;
}

bool strides_agree(Ints sizes, Ints a, Ints b) {
  for (size_t d = 0; d < sizes.size(); d++)
    if (sizes[d] != 1 && a[d] != b[d]) return false;
  return true;
}

}  // namespace

Laid laid(const Tensor& t) {
  if (t.order() == Order::Absent) refuse_sparse();
  if (t.order() != Order::Plain) return {t, t.order(), false};
  bool by_strides = likes_channels_last(t);
  if (by_strides && strides_agree(t.sizes(), t.strides(), channels_last_strides(t.sizes())))
    return {t, Order::ChannelsLast, true};
  if (t.is_contiguous()) return {t, Order::Plain, false};
  NoGrad guard;
  if (!by_strides) return {contiguous(t, MemoryFormat::Contiguous), Order::Plain, false};
  return {contiguous(t, t.ndim() == 4 ? MemoryFormat::ChannelsLast : MemoryFormat::ChannelsLast3d), Order::ChannelsLast,
          true};
}

Laid laid_in(const Tensor& t, Order order) {
  Laid from = laid(t);
  auto [batch, channels, space] = extent_of(t.sizes());
  if (from.order == order || channels == 1 || space == 1 || t.numel() == 0) {
    from.order = order;
    return from;
  }
  Laid to = empty_laid(t.sizes(), t.dtype(), t.device(), order, false);
  if (t.is_meta()) return to;
  Unlocked unlocked(t.numel());
  kernels(t.device())
      .activation.change_order(from.order, batch, channels, space, int(t.item_size()), from.data(), to.data());
  return to;
}

Laid empty_laid(Ints sizes, DType dtype, Device device, Order order, bool by_strides) {
  if (order == Order::ChannelsLast && by_strides)
    return {empty_strided(sizes, channels_last_strides(sizes), dtype, device), order, true};
  Laid y{empty(sizes, dtype, device), order, false};
  auto [batch, channels, space] = extent_of(sizes);
  // Where both orders are the same memory the plain name spares everybody else a change of order.
  y.tensor->storage->order = channels == 1 || space == 1 || y.tensor.numel() == 0 ? Order::Plain : order;
  return y;
}

Laid gradient_laid(const Laid& x, const Laid& gy, bool may_overwrite) {
  const Tensor &t = x.tensor, &g = gy.tensor;
  if (may_overwrite && gy.by_strides == x.by_strides && g.dtype() == t.dtype()) return gy;
  return empty_laid(t.sizes(), t.dtype(), t.device(), x.order, x.by_strides);
}

}  // namespace lampas
