// Every op registers its signature and one boxed function here; bindings, stubs, documentation, recording, profiling
// and autocast read this list and no other.
#pragma once

#include <optional>
#include <string_view>
#include <tuple>
#include <variant>
#include <vector>

#include "core/generator.h"
#include "core/tensor.h"

namespace lampas {

// A tensor or a Python number, as an argument of an arithmetic op. Does not own the tensor.
class Operand {
 public:
  Operand(const Tensor& t) : tensor_(&t) {}
  Operand(Scalar s) : scalar_(s) {}
  Operand(double d) : scalar_(d) {}
  Operand(int i) : scalar_(int64_t(i)) {}
  bool is_tensor() const { return tensor_ != nullptr; }
  const Tensor& tensor() const { return *tensor_; }
  const Scalar& scalar() const { return scalar_; }

 private:
  const Tensor* tensor_ = nullptr;
  Scalar scalar_;
};

// Where an op writes its result: a new tensor, a given one (`out=`), or the first argument (in-place).
struct Out {
  enum Where : uint8_t { New, Into, Inplace };
  Where where = New;
  const Tensor* tensor = nullptr;
  bool inplace() const { return where == Inplace; }
  bool given() const { return where != New; }
};

struct Value {
  enum Tag : uint8_t {
    None,
    Bool,
    Int,
    Float,
    Complex,
    TensorTag,
    IntList,
    FloatList,
    TensorListTag,
    Text,
    DTypeTag,
    DeviceTag,
    GeneratorTag,
    FormatTag
  };
  Tag tag = None;
  union {
    int64_t i;
    double d;
    struct {
      double re, im;
    } c;
    TensorImpl* tensor;  // borrowed
    struct {
      const void* p;
      int64_t n;
    } list;
    Device device;
    Generator* generator;
  };
  Value() : i(0) {}
  Ints ints() const { return {static_cast<const int64_t*>(list.p), size_t(list.n)}; }
  std::span<const double> floats() const { return {static_cast<const double*>(list.p), size_t(list.n)}; }
  const std::vector<Tensor>& tensors() const { return *static_cast<const std::vector<Tensor>*>(list.p); }
  std::string_view text() const { return {static_cast<const char*>(list.p), size_t(list.n)}; }
  const Tensor& as_tensor() const { return reinterpret_cast<const Tensor&>(tensor); }
  Scalar scalar() const {
    switch (tag) {
      case Bool:
        return Scalar(i != 0);
      case Int:
        return Scalar(i);
      case Complex:
        return Scalar(complex128(c.re, c.im));
      default:
        return Scalar(d);
    }
  }
};
static_assert(sizeof(Tensor) == sizeof(TensorImpl*));

// The arguments of one call, with room for what they point to.
struct Frame {
  static constexpr int kMaxArgs = 24;
  static constexpr int kInts = 96;
  int count = 0;
  Out out;
  int ints_used = 0;
  std::vector<Tensor> lists[3];
  int lists_used = 0;
  std::vector<std::vector<int64_t>> long_ints;
  Value args[kMaxArgs];
  int64_t ints[kInts];
};

enum class MemoryFormat : int64_t { Contiguous, Preserve, ChannelsLast, ChannelsLast3d };

using Result = std::variant<std::monostate, Tensor, std::vector<Tensor>, bool, int64_t, double, Scalar, DType, IntVec>;

struct OpDef;
using BoxedFn = void (*)(const OpDef&, Frame&, Result&);

// Forms an op has in Python.
enum Forms : uint32_t {
  Function = 1,          // lampas.name(...)
  Method = 2,            // tensor.name(...)
  Inplace = 4,           // tensor.name_(...)
  OutForm = 8,           // out=
  NN = 16,               // lampas._C.nn.name(...)
  InplaceFunction = 32,  // lampas.name_(tensor, ...) besides the method
  Special = 64,          // lampas.special.name
  Linalg = 128,          // lampas.linalg.name
  Private = 256,         // lampas._C.name only
};
inline constexpr uint32_t kAll = Function | Method | Inplace | OutForm;
inline constexpr uint32_t kUsual = Function | Method;

struct OpDef {
  const char* signature;  // "clamp(Tensor input, Number? min=None, Number? max=None) -> Tensor"
  BoxedFn call;
  uint32_t forms;
  const char* doc;
  bool writes_out;   // the function takes an Out itself; otherwise results are copied where they belong
  const void* data;  // a row of a family's table
};

class Registry {
 public:
  static Registry& get();
  void add(const OpDef& op) { ops_.push_back(op); }
  const std::vector<OpDef>& ops() const { return ops_; }

 private:
  Registry();
  std::vector<OpDef> ops_;
};

namespace detail {

template <class T>
struct Arg;
template <>
struct Arg<Tensor> {
  static const Tensor& get(const Value& v) { return v.as_tensor(); }
};
template <>
struct Arg<Operand> {
  static Operand get(const Value& v) {
    return v.tag == Value::TensorTag ? Operand(v.as_tensor()) : Operand(v.scalar());
  }
};
template <>
struct Arg<Scalar> {
  static Scalar get(const Value& v) { return v.scalar(); }
};
template <>
struct Arg<int64_t> {
  static int64_t get(const Value& v) { return v.i; }
};
template <>
struct Arg<bool> {
  static bool get(const Value& v) { return v.i != 0; }
};
template <>
struct Arg<double> {
  static double get(const Value& v) { return v.tag == Value::Float ? v.d : double(v.i); }
};
template <>
struct Arg<Ints> {
  static Ints get(const Value& v) { return v.tag == Value::None ? Ints() : v.ints(); }
};
template <>
struct Arg<std::span<const double>> {
  static std::span<const double> get(const Value& v) {
    return v.tag == Value::None ? std::span<const double>() : v.floats();
  }
};
template <>
struct Arg<std::string_view> {
  static std::string_view get(const Value& v) { return v.text(); }
};
template <>
struct Arg<std::vector<Tensor>> {
  static const std::vector<Tensor>& get(const Value& v) { return v.tensors(); }
};
template <>
struct Arg<DType> {
  static DType get(const Value& v) { return DType(v.i); }
};
template <>
struct Arg<Device> {
  static Device get(const Value& v) { return v.device; }
};
template <>
struct Arg<MemoryFormat> {
  static MemoryFormat get(const Value& v) { return MemoryFormat(v.i); }
};
template <>
struct Arg<Generator*> {
  static Generator* get(const Value& v) { return v.tag == Value::None ? nullptr : v.generator; }
};
template <class T>
struct Arg<std::optional<T>> {
  static std::optional<T> get(const Value& v) {
    if (v.tag == Value::None) return std::nullopt;
    return Arg<T>::get(v);
  }
};

template <class F>
struct Traits;
template <class R, class... A>
struct Traits<R (*)(A...)> {
  using Return = R;
  using Args = std::tuple<A...>;
  static constexpr size_t count = sizeof...(A);
  static constexpr bool takes_out = [] {
    if constexpr (sizeof...(A) == 0)
      return false;
    else
      return std::is_same_v<std::decay_t<std::tuple_element_t<sizeof...(A) - 1, Args>>, Out>;
  }();
};

template <auto F>
void boxed(const OpDef&, Frame& f, Result& result) {
  using T = Traits<decltype(F)>;
  auto call = [&]<size_t... I>(std::index_sequence<I...>) -> typename T::Return {
    if constexpr (T::takes_out)
      return F(Arg<std::decay_t<std::tuple_element_t<I, typename T::Args>>>::get(f.args[I])..., f.out);
    else
      return F(Arg<std::decay_t<std::tuple_element_t<I, typename T::Args>>>::get(f.args[I])...);
  };
  constexpr auto indices = std::make_index_sequence<T::count - (T::takes_out ? 1 : 0)>();
  using R = typename T::Return;
  if constexpr (std::is_void_v<R>) {
    call(indices);
  } else if constexpr (requires { std::tuple_size<R>::value; }) {
    std::apply([&](auto&&... t) { result = std::vector<Tensor>{std::move(t)...}; }, call(indices));
  } else {
    result = call(indices);
  }
}

}  // namespace detail

template <auto F>
void op(const char* signature, uint32_t forms = kUsual, const char* doc = "") {
  Registry::get().add({signature, &detail::boxed<F>, forms, doc, detail::Traits<decltype(F)>::takes_out, nullptr});
}

// What watches every call (recording, profiling, autocast, __torch_function__ modes): bits of one word, all off as a
// rule.
enum Watch : uint32_t { WatchFunctionMode = 1, WatchAutocast = 2, WatchProfile = 4, WatchRecord = 8 };
extern thread_local uint32_t watch;

}  // namespace lampas
