#include "core/tensor.h"

#include <new>

#include "core/threads.h"

namespace lampas {

TensorImpl* TensorImpl::create() { return new (allocate(sizeof(TensorImpl))) TensorImpl; }

void TensorImpl::set_geometry(Ints new_sizes, Ints new_strides, int64_t new_offset) {
  sizes = IntVec(new_sizes);
  strides = IntVec(new_strides);
  offset = new_offset;
  numel = product(new_sizes);
  contiguous = is_contiguous(new_sizes, new_strides);
}

Tensor empty(Ints sizes, DType dtype, Device device) {
  device.check_there();
  TensorImpl* t = TensorImpl::create();
  Ref<TensorImpl> ref(t);
  IntVec& strides = t->strides;
  int n = int(sizes.size());
  t->sizes = IntVec(sizes);
  strides.resize(n);
  int64_t step = 1, numel = 1;
  bool bad = false;
  for (int i = n - 1; i >= 0; i--) {
    strides[i] = step;
    bad |= sizes[i] < 0 || __builtin_mul_overflow(numel, sizes[i], &numel) ||
           __builtin_mul_overflow(step, sizes[i] > 0 ? sizes[i] : 1, &step);
  }
  if (bad) [[unlikely]]
    numel = checked_numel(sizes);
  t->numel = numel;
  t->dtype = dtype;
  t->device = device;
  size_t bytes;
  CHECK_KIND(OutOfMemory, !__builtin_mul_overflow(size_t(numel), item_size(dtype), &bytes) && bytes < (size_t(1) << 62),
             "out of memory: a tensor of shape ", shown(sizes), " and dtype ", name_of(dtype), " cannot exist");
  t->storage = Storage::create(bytes, device);
  return Tensor(std::move(ref));
}

size_t extent(Ints sizes, Ints strides, int64_t offset, size_t item) {
  int64_t last = offset;
  for (size_t i = 0; i < sizes.size(); i++) {
    if (sizes[i] == 0) return 0;
    last += (sizes[i] - 1) * strides[i];
  }
  return size_t(last + 1) * item;
}

Tensor empty_strided(Ints sizes, Ints strides, DType dtype, Device device) {
  CHECK(sizes.size() == strides.size(), "mismatch in length of strides and shape: ", shown(sizes), " and ",
        shown(strides));
  checked_numel(sizes);
  for (int64_t s : strides) CHECK(s >= 0, "strides must be 0 or more, got ", shown(strides));
  int64_t n = int64_t(extent(sizes, strides, 0, 1));
  Tensor t = empty(Ints(&n, 1), dtype, device);
  t->set_geometry(sizes, strides, 0);
  return t;
}

bool is_dense(Ints sizes, Ints strides) {
  int order[64], n = 0;
  if (sizes.size() > 64) return is_contiguous(sizes, strides);
  for (int i = 0; i < int(sizes.size()); i++) {
    if (sizes[i] == 0) return true;
    if (sizes[i] != 1) order[n++] = i;
  }
  std::sort(order, order + n, [&](int a, int b) { return strides[a] < strides[b]; });
  int64_t step = 1;
  for (int k = 0; k < n; k++) {
    if (strides[order[k]] != step) return false;
    step *= sizes[order[k]];
  }
  return true;
}

IntVec dense_strides_like(Ints sizes, Ints strides) {
  int n = int(sizes.size());
  IntVec order;
  for (int d = n - 1; d >= 0; d--) order.push_back(d);
  auto compare = [&](int64_t a, int64_t b) {  // > 0: a belongs outside b; a stride of 0 fits anywhere
    int64_t x = strides[size_t(a)], y = strides[size_t(b)];
    if (x == 0 || y == 0) return 0;
    if (x != y) return x < y ? -1 : 1;
    return sizes[size_t(a)] > sizes[size_t(b)] ? 1 : 0;
  };
  for (int i = 1; i < n; i++)
    for (int at = i, k = i - 1; k >= 0; k--) {
      int c = compare(order[k], order[at]);
      if (c > 0) {
        std::swap(order[k], order[at]);
        at = k;
      } else if (c < 0) {
        break;
      }
    }
  IntVec out(n, 0);
  int64_t step = 1;
  for (int64_t d : order) {
    out[int(d)] = step;
    if (sizes[size_t(d)] > 1) step *= sizes[size_t(d)];
  }
  return out;
}

Tensor empty_preserving(const Tensor& t, DType dtype) {
  if (is_dense(t.sizes(), t.strides())) return empty_strided(t.sizes(), t.strides(), dtype, t.device());
  return empty_strided(t.sizes(), dense_strides_like(t.sizes(), t.strides()), dtype, t.device());
}

Tensor alias(const Tensor& t) {
  TensorImpl* a = TensorImpl::create();
  a->storage = t->storage;
  a->offset = t->offset;
  a->numel = t->numel;
  a->sizes = t->sizes;
  a->strides = t->strides;
  a->dtype = t->dtype;
  a->device = t->device;
  a->contiguous = t->contiguous;
  a->inference = t->inference;
  a->own_version = t->own_version;
  return Tensor(a);
}

Tensor alias(const Tensor& t, Ints sizes, Ints strides, int64_t offset) {
  // A view with another shape could not undo a deferred order: it is undone now.
  if (t->storage->order != Order::Plain) make_plain(*t.impl());
  TensorImpl* a = TensorImpl::create();
  a->storage = t->storage;
  a->dtype = t->dtype;
  a->device = t->device;
  a->inference = t->inference;
  a->own_version = t->own_version;
  a->set_geometry(sizes, strides, offset);
  return Tensor(a);
}

void resize(const Tensor& t, Ints sizes) {
  if (same(t.sizes(), sizes)) return;
  if (!t.is_meta()) t.data();
  int64_t numel = checked_numel(sizes), bytes = 0;
  CHECK_KIND(OutOfMemory, !__builtin_mul_overflow(numel + t->offset, int64_t(t.item_size()), &bytes),
             "out of memory: a tensor of shape ", shown(sizes), " and dtype ", name_of(t.dtype()), " cannot exist");
  if (numel > 0 && size_t(bytes) > t->storage->nbytes) t->storage->resize(size_t(bytes));
  t->set_geometry(sizes, contiguous_strides(sizes), t->offset);
}

void refuse_sparse() {
  fail(ErrorKind::NotImplemented,
       "this operation reads a tensor's memory, and a sparse tensor (layout torch.sparse_coo) has none of its full "
       "shape; use to_dense() first, or its indices() and values()");
}

IntVec physical_strides(const Tensor& t) {
  IntVec strides = t->strides;
  if (t.order() == Order::Plain) return strides;
  if (t.order() == Order::Absent) refuse_sparse();
  Ints sizes = t.sizes();
  int64_t step = sizes[1];
  strides[1] = 1;
  for (int d = t.ndim() - 1; d >= 2; d--) strides[d] = step, step *= sizes[d];
  strides[0] = step;
  return strides;
}

// Channels-last to plain: [N, S, C] to [N, C, S], in tiles so that both sides stay in cache.
void make_plain(const TensorImpl& t) {
  Storage& s = *t.storage;
  if (s.order == Order::Absent) refuse_sparse();
  int64_t n = t.sizes[0], c = t.sizes[1], space = n && c ? t.numel / (n * c) : 0;
  void* fresh = allocate(s.nbytes);
  dispatch_size(item_size(t.dtype), [&]<class T>(TypeTag<T>) {
    const T* from = static_cast<const T*>(s.data);
    T* to = static_cast<T*>(fresh);
    constexpr int64_t kTile = 16;
    int64_t tiles = (space + kTile - 1) / kTile;
    parallel_for(0, n * tiles, std::max<int64_t>(1, kGrain / std::max<int64_t>(1, c * kTile)),
                 [&](int64_t b, int64_t e) {
                   for (int64_t i = b; i < e; i++) {
                     int64_t batch = i / tiles, s0 = (i % tiles) * kTile, s1 = std::min(s0 + kTile, space);
                     const T* f = from + batch * c * space;
                     T* o = to + batch * c * space;
                     for (int64_t k = 0; k < c; k++)
                       for (int64_t j = s0; j < s1; j++) o[k * space + j] = f[j * c + k];
                   }
                 });
  });
  s.replace(fresh, Order::Plain);
}

}  // namespace lampas
