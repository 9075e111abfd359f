// The tensor: a shape and strides over a storage, and what autograd knows of it.
#pragma once

#include "core/dtype.h"
#include "core/error.h"
#include "core/scalar.h"
#include "core/shape.h"
#include "core/storage.h"

namespace lampas {

struct Autograd;
struct TensorImpl;

class Tensor {
 public:
  Tensor() = default;
  explicit Tensor(TensorImpl* p) : p_(p) {}
  explicit Tensor(Ref<TensorImpl> p) : p_(std::move(p)) {}

  bool defined() const { return bool(p_); }
  explicit operator bool() const = delete;
  TensorImpl* impl() const { return p_.get(); }
  TensorImpl* operator->() const { return p_.get(); }
  bool is(const Tensor& o) const { return p_ == o.p_; }
  TensorImpl* detach_ref() { return p_.detach(); }

  inline int ndim() const;
  inline Ints sizes() const;
  inline Ints strides() const;
  inline int64_t size(int64_t dim) const;
  inline int64_t stride(int64_t dim) const;
  inline int64_t numel() const;
  inline int64_t offset() const;
  inline DType dtype() const;
  inline Device device() const;
  inline size_t item_size() const;
  inline bool is_contiguous() const;
  inline bool is_meta() const;
  inline bool requires_grad() const;
  inline uint32_t version() const;
  inline void bump_version() const;

  // The first element, with the storage put in plain order first.
  inline void* data() const;
  template <class T>
  T* data() const {
    return static_cast<T*>(data());
  }
  // The storage's first byte in whatever order it lies; only for ops that look at order().
  inline void* raw_data() const;
  inline Order order() const;

 private:
  Ref<TensorImpl> p_;
};

// A version count of its own, for `x.data`: its in-place changes are not seen by the graph.
struct Version : Counted {
  uint32_t value = 0;
  static void destroy(Version* v) { delete v; }
};

// How a view came to be, which decides whether it may be changed in place.
enum class Creation : uint8_t { Default, NoGrad, MultiOutput, Inference, Custom };

struct TensorImpl : Counted {
  Ref<Storage> storage;
  int64_t offset = 0;
  int64_t numel = 0;
  IntVec sizes, strides;
  DType dtype = DType::Float32;
  Device device;
  bool contiguous = true;
  bool inference = false;       // made in inference mode: never part of a graph
  bool wrapped_number = false;  // a 0-d tensor that stands for a Python number in type promotion
  Creation creation = Creation::Default;
  uint32_t view_version = 0;     // the version at which this view's grad_fn was up to date
  Autograd* autograd = nullptr;  // null while the tensor has no part in a graph
  Tensor base;                   // of a view: the tensor it looks into
  Ref<Version> own_version;      // null: the storage's count

  static TensorImpl* create();
  static void destroy(TensorImpl* t);
  void set_geometry(Ints new_sizes, Ints new_strides, int64_t new_offset);
};

bool requires_grad(const TensorImpl& t);
void make_plain(const TensorImpl& t);
[[noreturn]] void refuse_sparse();

inline int Tensor::ndim() const { return p_->sizes.size(); }
inline Ints Tensor::sizes() const { return p_->sizes; }
inline Ints Tensor::strides() const { return p_->strides; }
inline int64_t Tensor::size(int64_t dim) const { return p_->sizes[wrap_dim(dim, ndim())]; }
inline int64_t Tensor::stride(int64_t dim) const { return p_->strides[wrap_dim(dim, ndim())]; }
inline int64_t Tensor::numel() const { return p_->numel; }
inline int64_t Tensor::offset() const { return p_->offset; }
inline DType Tensor::dtype() const { return p_->dtype; }
inline Device Tensor::device() const { return p_->device; }
inline size_t Tensor::item_size() const { return lampas::item_size(p_->dtype); }
inline bool Tensor::is_contiguous() const { return p_->contiguous; }
inline bool Tensor::is_meta() const { return p_->device.is_meta(); }
inline bool Tensor::requires_grad() const { return (p_->autograd || p_->base.defined()) && lampas::requires_grad(*p_); }
inline uint32_t Tensor::version() const { return p_->own_version ? p_->own_version->value : p_->storage->version; }
inline void Tensor::bump_version() const {
  if (p_->own_version)
    p_->own_version->value++, p_->storage->hidden_writes++;
  else
    p_->storage->version++;
}
inline void* Tensor::raw_data() const {
  return static_cast<char*>(p_->storage->data) + p_->offset * int64_t(lampas::item_size(p_->dtype));
}
inline void* Tensor::data() const {
  if (p_->storage->order != Order::Plain) [[unlikely]]
    make_plain(*p_);
  return raw_data();
}
inline Order Tensor::order() const { return p_->storage->order; }

// An uninitialised contiguous tensor.
Tensor empty(Ints sizes, DType dtype, Device device = {});
Tensor empty_strided(Ints sizes, Ints strides, DType dtype, Device device = {});
inline Tensor empty_like(const Tensor& t) { return empty(t.sizes(), t.dtype(), t.device()); }
// As empty_like, with the same dense memory order (PyTorch's preserve_format): strides of a dense t are kept.
Tensor empty_preserving(const Tensor& t, DType dtype);
// Dense strides for `sizes` in the order of a strided tensor's dimensions (PyTorch's rule for non-dense inputs).
IntVec dense_strides_like(Ints sizes, Ints strides);
// Another tensor over the same storage, unknown to autograd.
Tensor alias(const Tensor& t);
Tensor alias(const Tensor& t, Ints sizes, Ints strides, int64_t offset);
// Bytes a strided tensor reaches from its storage's start.
size_t extent(Ints sizes, Ints strides, int64_t offset, size_t item);
// Whether elements overlap in no way and leave no holes.
bool is_dense(Ints sizes, Ints strides);
// Where the elements really lie: t's strides, or those of its deferred order.
IntVec physical_strides(const Tensor& t);
// Makes t's shape `sizes`, contiguous, growing its storage if needed (for `out=` and resize_).
void resize(const Tensor& t, Ints sizes);

}  // namespace lampas
