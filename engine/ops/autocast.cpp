#include "ops/autocast.h"

#include <algorithm>
#include <unordered_map>

#include "ops/ops.h"

namespace lampas::autocast {

namespace {

// The lists are PyTorch's for the CPU; an op that PyTorch composes of listed ones stands under its own name.
constexpr std::string_view kLower[] = {"conv1d",
                                       "conv2d",
                                       "conv3d",
                                       "conv_tbc",
                                       "conv_transpose1d",
                                       "conv_transpose2d",
                                       "conv_transpose3d",
                                       "convolution",
                                       "bmm",
                                       "mm",
                                       "matmul",
                                       "linear",
                                       "addmm",
                                       "addbmm",
                                       "baddbmm",
                                       "inner",
                                       "prelu",
                                       "scaled_dot_product_attention",
                                       "lstm",
                                       "rnn_tanh",
                                       "rnn_relu"};
constexpr std::string_view kFloat32[] = {"adaptive_avg_pool3d",
                                         "adaptive_max_pool3d",
                                         "avg_pool3d",
                                         "binary_cross_entropy",
                                         "binary_cross_entropy_with_logits",
                                         "cdist",
                                         "cosine_embedding_loss",
                                         "cross_entropy_loss",
                                         "ctc_loss",
                                         "fractional_max_pool2d",
                                         "fractional_max_pool3d",
                                         "grid_sampler",
                                         "grid_sampler_2d",
                                         "grid_sampler_3d",
                                         "hinge_embedding_loss",
                                         "huber_loss",
                                         "kl_div",
                                         "l1_loss",
                                         "margin_ranking_loss",
                                         "max_pool3d",
                                         "max_pool3d_with_indices",
                                         "max_unpool2d",
                                         "max_unpool3d",
                                         "mse_loss",
                                         "nanquantile",
                                         "nll_loss",
                                         "nll_loss2d",
                                         "nll_loss_nd",
                                         "poisson_nll_loss",
                                         "polar",
                                         "prod",
                                         "quantile",
                                         "reflection_pad1d",
                                         "reflection_pad2d",
                                         "replication_pad1d",
                                         "replication_pad2d",
                                         "replication_pad3d",
                                         "smooth_l1_loss",
                                         "soft_margin_loss",
                                         "trace",
                                         "triplet_margin_loss",
                                         "view_as_complex"};
constexpr std::string_view kPromote[] = {"cat", "stack", "index_copy"};

struct Cached {
  Tensor weight, cast;
};
// Casts of parameters that no gradient is recorded for, kept beyond their region: a network that only answers casts its
// weights once, and the kernels pack them once. Found by the state of the source's memory, which is not kept alive.
class KeptCasts {
 public:
  Tensor of(const Tensor& t, DType to_type) {
    const Storage& s = *t->storage;
    Entry& e = entries_[s.id];
    const uint64_t version = uint64_t(s.version) << 32 | s.hidden_writes;
    if (e.cast.defined() && e.version == version && e.offset == t.offset() && e.cast.dtype() == to_type &&
        std::ranges::equal(e.cast.sizes(), t.sizes()))
      return e.cast;
    if (e.cast.defined()) bytes_ -= size_t(e.cast.numel()) * e.cast.item_size();
    e = {version, t.offset(), to(t, to_type)};
    const Tensor made = e.cast;
    bytes_ += size_t(made.numel()) * made.item_size();
    if (bytes_ > kLimit) clear();
    return made;
  }
  void clear() {
    entries_.clear();
    bytes_ = 0;
  }

 private:
  static constexpr size_t kLimit = size_t(512) << 20;
  struct Entry {
    uint64_t version = 0;
    int64_t offset = 0;
    Tensor cast;
  };
  std::unordered_map<uint64_t, Entry> entries_;
  size_t bytes_ = 0;
};

thread_local State current;
thread_local std::unordered_map<TensorImpl*, Cached> cache;
thread_local KeptCasts kept_casts;

bool eligible(const Tensor& t) {
  return t.defined() && t.device().is_cpu() && is_floating(t.dtype()) && t.dtype() != DType::Float64;
}

Tensor converted(const Tensor& t, DType to_type) {
  if (!eligible(t) || t.dtype() == to_type) return t;
  // A parameter is cast once for all its uses, which then share one gradient of the cast.
  const bool keeps = current.cache_enabled && current.nesting > 0 && to_type == current.dtype &&
                     t.dtype() == DType::Float32 && t.requires_grad() && is_leaf(t) && !t->base.defined();
  if (!keeps) return to(t, to_type);
  if (!mode.grad && !t->storage->exported && t.is_contiguous()) return kept_casts.of(t, to_type);
  auto found = cache.find(t.impl());
  if (found != cache.end() && (found->second.cast.requires_grad() || !mode.grad)) return found->second.cast;
  Tensor y = to(t, to_type);
  cache.insert_or_assign(t.impl(), Cached{t, y});
  return y;
}

template <class F>
void each_tensor(Frame& frame, F f) {
  for (int i = 0; i < frame.count; i++) {
    Value& v = frame.args[i];
    if (v.tag == Value::TensorTag && v.tensor) f(v.as_tensor());
    if (v.tag == Value::TensorListTag)
      for (const Tensor& t : v.tensors()) f(t);
  }
}

}  // namespace

Policy policy_of(std::string_view name) {
  static const auto* const table = [] {
    auto* t = new std::unordered_map<std::string_view, Policy>;
    for (std::string_view n : kLower) t->emplace(n, Policy::Lower);
    for (std::string_view n : kFloat32) t->emplace(n, Policy::Float32);
    for (std::string_view n : kPromote) t->emplace(n, Policy::Promote);
    return t;
  }();
  auto it = table->find(name);
  return it == table->end() ? Policy::None : it->second;
}

State& state() { return current; }

void set_enabled(bool enabled) {
  current.enabled = enabled;
  watch = enabled ? watch | WatchAutocast : watch & ~WatchAutocast;
}

void clear_cache() { cache.clear(); }

void cast(Policy policy, Frame& frame, std::vector<Tensor>& held) {
  if (policy == Policy::None) return;
  DType type = policy == Policy::Lower ? current.dtype : DType::Float32;
  if (policy == Policy::Promote) {
    type = current.dtype;
    each_tensor(frame, [&](const Tensor& t) {
      if (eligible(t) && t.dtype() == DType::Float32) type = DType::Float32;
    });
  }
  held.reserve(size_t(frame.count));
  for (int i = 0; i < frame.count; i++) {
    Value& v = frame.args[i];
    if (v.tag == Value::TensorTag && v.tensor && eligible(v.as_tensor()) && v.as_tensor().dtype() != type) {
      held.push_back(converted(v.as_tensor(), type));
      v.tensor = held.back().impl();
    }
    if (v.tag == Value::TensorListTag)
      for (Tensor& t : const_cast<std::vector<Tensor>&>(v.tensors())) t = converted(t, type);
  }
}

}  // namespace lampas::autocast
