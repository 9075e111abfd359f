// The loops of every reduction, by its op and the type it computes in.
#include "cpu/reducers.h"

#include <algorithm>

#include "cpu/fast_math.h"
#include "cpu/lanes.h"

namespace lampas::cpu {

namespace {

template <class T>
struct Wide {
  typedef T type __attribute__((vector_size(simd::kBytes)));
};
template <class V, class T>
V broadcast(T x) {
  if constexpr (std::is_same_v<V, T>) {
    return x;
  } else {
    V v;
    for (size_t i = 0; i < sizeof(V) / sizeof(T); i++) v[i] = x;
    return v;
  }
}

// ---- what is done to the elements: step() takes one into an accumulator, join() adds accumulators, both on numbers
// and on vectors of Type. After kSteps steps the accumulator goes into the wide State, so that float sums lose nothing.

template <class T, class S = T>
struct Base {
  using Type = T;
  using State = S;
  static constexpr DType kType = dtype_of<T>;
  static constexpr int64_t kSteps = 128;
  static T start() { return T(0); }
  template <class V>
  static V join(V a, V b) {
    return a + b;
  }
  static S merge(S a, S b) { return a + b; }
  explicit Base(double = 0) {}
};
template <class T, class S>
struct Sum : Base<T, S> {
  using Base<T, S>::Base;
  template <class V>
  V step(V a, V x, V) const {
    return a + x;
  }
};
template <class T>
struct NanSum : Base<T, double> {
  using Base<T, double>::Base;
  template <class V>
  V step(V a, V x, V) const {
    return a + (x == x ? x : V{});
  }
};
template <class T>
struct Prod : Base<T> {
  using Base<T>::Base;
  static T start() { return T(1); }
  template <class V>
  static V join(V a, V b) {
    return a * b;
  }
  static T merge(T a, T b) { return a * b; }
  template <class V>
  V step(V a, V x, V) const {
    return a * x;
  }
};
// The larger number; a NaN wins.
template <class T, class S>
struct Max : Base<T, S> {
  using Base<T, S>::Base;
  static T start() {
    return std::numeric_limits<T>::has_infinity ? -std::numeric_limits<T>::infinity()
                                                : std::numeric_limits<T>::lowest();
  }
  template <class V>
  static V join(V a, V b) {
    return (b > a) | (b != b) ? b : a;
  }
  static S merge(S a, S b) { return join(a, b); }
  template <class V>
  V step(V a, V x, V) const {
    return join(a, x);
  }
};
template <class T, class S>
struct Min : Base<T, S> {
  using Base<T, S>::Base;
  static T start() {
    return std::numeric_limits<T>::has_infinity ? std::numeric_limits<T>::infinity() : std::numeric_limits<T>::max();
  }
  template <class V>
  static V join(V a, V b) {
    return (b < a) | (b != b) ? b : a;
  }
  static S merge(S a, S b) { return join(a, b); }
  template <class V>
  V step(V a, V x, V) const {
    return join(a, x);
  }
};
template <class B>
struct Magnitude : B {  // of Max or Min
  using B::B;
  static typename B::Type start() { return std::max(B::start(), typename B::Type(0)); }
  template <class V>
  V step(V a, V x, V) const {
    return B::join(a, x < 0 ? -x : x);
  }
};
struct Any : Base<uint8_t> {
  using Base::Base;
  static constexpr DType kType = DType::Bool;
  template <class V>
  static V join(V a, V b) {
    return a | b;
  }
  static uint8_t merge(uint8_t a, uint8_t b) { return a | b; }
  template <class V>
  V step(V a, V x, V) const {
    return a | x;
  }
};
struct All : Base<uint8_t> {
  using Base::Base;
  static constexpr DType kType = DType::Bool;
  static uint8_t start() { return 1; }
  template <class V>
  static V join(V a, V b) {
    return a & b;
  }
  static uint8_t merge(uint8_t a, uint8_t b) { return a & b; }
  template <class V>
  V step(V a, V x, V) const {
    return a & x;
  }
};
struct Count : Base<uint8_t, int64_t> {
  using Base::Base;
  static constexpr DType kType = DType::Bool;
  static constexpr int64_t kSteps = 63;  // four accumulators of this many still fit a byte
  template <class V>
  V step(V a, V x, V) const {
    return a + x;
  }
};
template <class T>
struct NonZero : Base<T, double> {
  using Base<T, double>::Base;
  template <class V>
  V step(V a, V x, V) const {
    return a + (x != 0 ? broadcast<V>(T(1)) : V{});
  }
};
template <class T>
struct Absolute : Base<T, double> {
  using Base<T, double>::Base;
  template <class V>
  V step(V a, V x, V) const {
    return a + (x < 0 ? -x : x);
  }
};
template <class T>
struct Squares : Base<T, double> {
  using Base<T, double>::Base;
  template <class V>
  V step(V a, V x, V) const {
    return a + x * x;
  }
};
template <class T>
struct Powers : Base<T, double> {
  T p;
  explicit Powers(double order) : p(T(order)) {}
  template <class V>
  V step(V a, V x, V) const {
    const V magnitude = x < 0 ? -x : x;
    if constexpr (std::is_same_v<V, T>)
      return a + std::pow(magnitude, p);
    else
      return a + simd::pow(magnitude, broadcast<V>(p));
  }
};
template <class T>
struct Deviations : Base<T, double> {
  using Base<T, double>::Base;
  template <class V>
  V step(V a, V x, V c) const {
    return a + (x - c) * (x - c);
  }
};
template <class T>
struct Exponentials : Base<T, double> {
  using Base<T, double>::Base;
  template <class V>
  V step(V a, V x, V c) const {
    return a + simd::fast_exp(x - c);
  }
};

// ---- the loops

template <class F>
void init_states(void* states, int64_t n) {
  std::fill_n(static_cast<typename F::State*>(states), n, typename F::State(F::start()));
}

// Every second of 2 W elements. The second vector begins one element early, so that nothing after the last one that is
// wanted is read.
template <class V, class T>
V load_every_second(const T* x) {
  constexpr int W = sizeof(V) / sizeof(T);
  std::conditional_t<sizeof(T) == 4, simd::vi, simd::vl> picked;
  for (int j = 0; j < W; j++) picked[j] = 2 * j + (2 * j >= W);
  return __builtin_shuffle(simd::load<V>(x), simd::load<V>(x + W - 1), picked);
}

// The elements lie `step` apart: 1, or 2 for floats.
template <class F, int step = 1>
void reduce_row(double p, const char* data, int64_t n, int64_t, void* state, const void* centre) {
  using T = typename F::Type;
  using S = typename F::State;
  F f(p);
  const T* x = reinterpret_cast<const T*>(data);
  S s = *static_cast<S*>(state);
  const T c = centre ? *static_cast<const T*>(centre) : T(0);
  if constexpr (std::is_arithmetic_v<T>) {
    using V = typename Wide<T>::type;
    constexpr int64_t W = sizeof(V) / sizeof(T);
    const V cs = broadcast<V>(c);
    auto at = [&](int64_t i) {
      if constexpr (step == 2)
        return load_every_second<V>(x + 2 * i);
      else
        return simd::load<V>(x + i);
    };
    auto fold = [&](V a) {
      if constexpr (sizeof(T) == 1) {  // counts that only fit a wider type
        for (int64_t i = 0; i < W; i++) s = F::merge(s, S(a[i]));
      } else {
        s = F::merge(s, S(join_lanes(a, [](auto u, auto v) { return F::join(u, v); })));
      }
    };
    V a0 = broadcast<V>(F::start());
    while (n >= 4 * W) {
      int64_t m = std::min(n / (4 * W), F::kSteps);
      V a1 = broadcast<V>(F::start()), a2 = a1, a3 = a1;
      a0 = a1;
      for (int64_t i = 0; i < m; i++, x += 4 * W * step) {
        a0 = f.step(a0, at(0), cs);
        a1 = f.step(a1, at(W), cs);
        a2 = f.step(a2, at(2 * W), cs);
        a3 = f.step(a3, at(3 * W), cs);
      }
      n -= m * 4 * W;
      a0 = F::join(F::join(a0, a1), F::join(a2, a3));
      if (sizeof(T) > 1 && n < 4 * W) break;  // what is left goes into the same lanes
      fold(a0);
      a0 = broadcast<V>(F::start());
    }
    for (; n >= W; n -= W, x += W * step) a0 = f.step(a0, at(0), cs);
    if (n > 0 && x - reinterpret_cast<const T*>(data) >= W * step) {  // the row's last vector, without what is done
      a0 = first_lanes<T>(W - n, a0, f.step(a0, at(n - W), cs));
    } else if (n > 0) {  // lanes past the end keep what they have
      V rest = broadcast<V>(x[0]);
      if constexpr (step == 1)
        std::memcpy(&rest, x, size_t(n) * sizeof(T));
      else
        for (int64_t i = 0; i < n; i++) rest[i] = x[i * step];
      a0 = first_lanes<T>(n, f.step(a0, rest, cs), a0);
    }
    fold(a0);
  } else {
    T a = F::start();
    for (int64_t i = 0; i < n; i++) a = f.step(a, x[i], c);
    s = F::merge(s, S(a));
  }
  *static_cast<S*>(state) = s;
}

template <class F>
void reduce_columns(double p, const char* x, int64_t stride, int64_t rows, int64_t n, int64_t, void* states,
                    const void* centres) {
  using T = typename F::Type;
  using S = typename F::State;
  F f(p);
  S* s = static_cast<S*>(states);
  const T* c = static_cast<const T*>(centres);
  alignas(64) T acc[kColumns];
  for (int64_t done = 0; done < rows;) {
    int64_t m = std::min(rows - done, F::kSteps);
    std::fill_n(acc, n, F::start());
    for (int64_t r = 0; r < m;) {
      int64_t together = m - r >= 4 ? 4 : 1, j = 0;
      const char* x0 = x + (done + r) * stride;
      if constexpr (std::is_arithmetic_v<T>) {
        using V = typename Wide<T>::type;
        constexpr int64_t W = sizeof(V) / sizeof(T);
        for (; j + W <= n; j += W) {
          V a = simd::load<V>(acc + j), cs = c ? simd::load<V>(c + j) : V{};
          const char* at = x0 + j * int64_t(sizeof(T));
          for (int64_t k = 0; k < together; k++, at += stride) a = f.step(a, simd::load<V>(at), cs);
          simd::store(acc + j, a);
        }
      }
      for (; j < n; j++)
        for (int64_t k = 0; k < together; k++)
          acc[j] = f.step(acc[j], reinterpret_cast<const T*>(x0 + k * stride)[j], c ? c[j] : T(0));
      r += together;
    }
    for (int64_t j = 0; j < n; j++) s[j] = F::merge(s[j], S(acc[j]));
    done += m;
  }
}

template <class F>
void merge_states(void* into, const void* from, int64_t n) {
  using S = typename F::State;
  S* a = static_cast<S*>(into);
  const S* b = static_cast<const S*>(from);
  for (int64_t i = 0; i < n; i++) a[i] = F::merge(a[i], b[i]);
}

template <class F>
constexpr decltype(Reducer::row) every_second() {
  if constexpr (std::is_floating_point_v<typename F::Type>)
    return &reduce_row<F, 2>;
  else
    return nullptr;
}

template <class F>
constexpr Reducer reducer{F::kType,
                          dtype_of<typename F::State>,
                          sizeof(typename F::State),
                          false,
                          &init_states<F>,
                          &reduce_row<F>,
                          &reduce_columns<F>,
                          &merge_states<F>,
                          every_second<F>()};

// ---- extremes with their positions: the first of several equal ones, and the first NaN before all

template <class S>
struct Extreme {
  S value;
  int64_t position;  // -1: none yet
};

template <class T, class S, bool kMax>
struct Arg {
  using State = Extreme<S>;
  template <class U>
  static bool better(U x, U than) {
    return (kMax ? x > than : x < than) || (x != x && than == than);
  }
  static void take(State& s, S value, int64_t position) {
    if (s.position < 0 || better(value, s.value) || (!better(s.value, value) && position < s.position))
      s = {value, position};
  }
  static void init(void* states, int64_t n) { std::fill_n(static_cast<State*>(states), n, State{S(0), -1}); }
  static void merge(void* into, const void* from, int64_t n) {
    const State* b = static_cast<const State*>(from);
    for (int64_t i = 0; i < n; i++)
      if (b[i].position >= 0) take(static_cast<State*>(into)[i], b[i].value, b[i].position);
  }
  // The extreme of a block first, then where it is.
  static void row(double, const char* data, int64_t n, int64_t position, void* state, const void*) {
    using F = std::conditional_t<kMax, Max<T, S>, Min<T, S>>;
    State& s = *static_cast<State*>(state);
    const T* x = reinterpret_cast<const T*>(data);
    for (int64_t b = 0; b < n; b += 1024) {
      int64_t m = std::min<int64_t>(1024, n - b);
      S best = S(F::start());
      reduce_row<F>(0, data + b * int64_t(sizeof(T)), m, 0, &best, nullptr);
      if (s.position >= 0 && !better(best, s.value)) continue;
      int64_t i = 0;
      while (i < m && !(S(x[b + i]) == best || (best != best && x[b + i] != x[b + i]))) i++;
      take(s, best, position + b + i);
    }
  }
  static void columns(double, const char* data, int64_t stride, int64_t rows, int64_t n, int64_t position, void* states,
                      const void*) {
    using I = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;
    constexpr int64_t kMost = int64_t(1) << 30;
    T best[kColumns];
    I where[kColumns];
    for (int64_t first = 0; first < rows; first += kMost) {
      const char* at = data + first * stride;
      std::copy_n(reinterpret_cast<const T*>(at), n, best);
      std::fill_n(where, n, I(0));
      int64_t m = std::min(kMost, rows - first);
      for (int64_t r = 1; r < m; r++) {
        at += stride;
        const T* x = reinterpret_cast<const T*>(at);
        for (int64_t j = 0; j < n; j++) {
          bool wins = (kMax ? x[j] > best[j] : x[j] < best[j]) | ((x[j] != x[j]) & (best[j] == best[j]));
          best[j] = wins ? x[j] : best[j];
          where[j] = wins ? I(r) : where[j];
        }
      }
      for (int64_t j = 0; j < n; j++) take(static_cast<State*>(states)[j], S(best[j]), position + first + where[j]);
    }
  }
};
template <class T, class S, bool kMax>
constexpr Reducer arg_reducer{dtype_of<T>,
                              dtype_of<S>,
                              sizeof(Extreme<S>),
                              true,
                              &Arg<T, S, kMax>::init,
                              &Arg<T, S, kMax>::row,
                              &Arg<T, S, kMax>::columns,
                              &Arg<T, S, kMax>::merge};

}  // namespace

const Reducer* pick_reducer(const ReduceCall& c) {
  const bool f32 = to_real(c.compute) == DType::Float32, floating = is_inexact(c.compute);
#define BY_FLOAT(F, ...) \
  (f32 ? &reducer<F<float __VA_OPT__(, ) __VA_ARGS__>> : &reducer<F<double __VA_OPT__(, ) __VA_ARGS__>>)
#define BY_TYPE(F) (floating ? BY_FLOAT(F, double) : &reducer<F<int64_t, int64_t>>)
#define ARG_BY_TYPE(kMax)                                                                    \
  (floating ? (f32 ? &arg_reducer<float, double, kMax> : &arg_reducer<double, double, kMax>) \
            : &arg_reducer<int64_t, int64_t, kMax>)
  switch (c.op) {
    case Rd::Sum:
    case Rd::Mean:
      return BY_TYPE(Sum);
    case Rd::NanSum:
      return BY_FLOAT(NanSum);
    case Rd::Prod:
      return is_complex(c.compute) ? &reducer<Prod<complex128>>
             : floating            ? &reducer<Prod<double>>
                                   : &reducer<Prod<int64_t>>;
    case Rd::Max:
      return BY_TYPE(Max);
    case Rd::Min:
      return BY_TYPE(Min);
    case Rd::ArgMax:
      return ARG_BY_TYPE(true);
    case Rd::ArgMin:
      return ARG_BY_TYPE(false);
    case Rd::Any:
      return &reducer<Any>;
    case Rd::All:
      return &reducer<All>;
    case Rd::CountNonzero:
      return &reducer<Count>;
    case Rd::Norm:
      if (c.p == 0) return BY_FLOAT(NonZero);
      if (c.p == 1) return BY_FLOAT(Absolute);
      if (c.p == 2) return BY_FLOAT(Squares);
      if (std::isinf(c.p) && f32)
        return c.p > 0 ? &reducer<Magnitude<Max<float, double>>> : &reducer<Magnitude<Min<float, double>>>;
      if (std::isinf(c.p))
        return c.p > 0 ? &reducer<Magnitude<Max<double, double>>> : &reducer<Magnitude<Min<double, double>>>;
      return BY_FLOAT(Powers);
    case Rd::Var:
    case Rd::Std:
      return BY_FLOAT(Deviations);
    case Rd::LogSumExp:
      return BY_FLOAT(Exponentials);
  }
  return nullptr;
#undef BY_FLOAT
#undef BY_TYPE
#undef ARG_BY_TYPE
}

const Reducer* pick_centre(const ReduceCall& c) {
  bool f32 = c.compute == DType::Float32;
  // In double, so that equal numbers have themselves as their mean and a variance of exactly 0.
  if (c.op == Rd::Var || c.op == Rd::Std) return &reducer<Sum<double, double>>;
  if (c.op == Rd::LogSumExp) return f32 ? &reducer<Max<float, double>> : &reducer<Max<double, double>>;
  return nullptr;
}

}  // namespace lampas::cpu
