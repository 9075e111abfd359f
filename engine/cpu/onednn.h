// oneDNN at our service: engine, stream, and a cache of primitives, bounded in bytes, with everything a call needs.
#pragma once

#include <oneapi/dnnl/dnnl.hpp>

#include <array>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <span>

#include "core/dtype.h"

namespace lampas::cpu::onednn {

const dnnl::engine& engine();
// The calling thread's stream; also tells OpenMP the engine's thread count (1 in a forked child).
const dnnl::stream& stream();

constexpr dnnl::memory::data_type data_type(DType d) {
  using D = dnnl::memory::data_type;
  return d == DType::Float32    ? D::f32
         : d == DType::BFloat16 ? D::bf16
         : d == DType::Float16  ? D::f16
         : d == DType::Float64  ? D::f64
         : d == DType::Int32    ? D::s32
         : d == DType::Int8     ? D::s8
         : d == DType::UInt8    ? D::u8
                                : D::undef;
}

// Bytes that name a primitive: what it is and every number its code depends on.
class Key {
 public:
  explicit Key(int64_t kind) { add(kind); }
  Key& add(int64_t word) {
    if (size_ < kWords) words_[size_] = word;
    size_++;
    return *this;
  }
  Key& add(std::span<const int64_t> words) {
    for (int64_t w : words) add(w);
    return *this;
  }
  bool fits() const { return size_ <= kWords; }
  uint64_t hash() const;
  bool operator==(const Key& other) const;

 private:
  static constexpr int kWords = 64;
  int size_ = 0;
  std::array<int64_t, kWords> words_;
};

// The kinds of keys; one number for each place that makes primitives.
enum Kind : int64_t {
  kReorder,
  kMatmul,
  kConvolution,
  kQuantizedLinear,
  kQuantizedConvolution,
  kWinograd,
  kUserKind = 64
};

// A memory layout. One with an id can be told from others, and found in a cache, by that number alone.
struct Layout {
  Layout() = default;
  Layout(dnnl::memory::desc d, int64_t id = 0) : desc(std::move(d)), bytes(desc.get_size()), id(id) {}
  dnnl::memory::desc desc;
  size_t bytes = 0;
  int64_t id = 0;
};
// Gives the layout its id, for good: meant for weights, of which a program has few shapes.
Layout numbered(const dnnl::memory::desc& d);

// A primitive with the layouts it chose. Immutable once made, shared by threads.
struct Primitive {
  dnnl::primitive primitive;
  std::array<Layout, 9> layouts;  // the maker's own order, such as source, weights, result, bias
  size_t scratchpad_bytes = 0;

  // Takes primitive and scratchpad size from a description made with attributes().
  void set(const dnnl::primitive_desc_base& description, dnnl::primitive made);
};

// Attributes every primitive is made with: the scratchpad is ours.
dnnl::primitive_attr attributes();

// The cached primitive of `key`, made by `make` on a miss. Null where oneDNN has no implementation (that is remembered
// too).
std::shared_ptr<const Primitive> cached(const Key& key, const std::function<Primitive()>& make);

struct Argument {
  int slot;  // DNNL_ARG_...
  const Layout* layout;
  const void* data;
};
void execute(const Primitive& p, std::initializer_list<Argument> arguments);

// Copies between two layouts of one logical tensor.
void reorder(const Layout& from, const void* source, const Layout& to, void* target);

}  // namespace lampas::cpu::onednn
