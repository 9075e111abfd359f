// One driver for all reductions: it sorts the dimensions into kept and reduced ones, walks memory in the order it lies
// in, and hands runs to a reducer, which knows nothing of shapes.
#include "cpu/reduce.h"

#include <algorithm>

#include "core/threads.h"
#include "cpu/fast_math.h"
#include "cpu/lanes.h"
#include "cpu/loops.h"
#include "cpu/strided.h"

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

constexpr int64_t kColumns = 1024;  // outputs of one column block
constexpr int64_t kStage = 4096;    // elements converted at a time
constexpr int64_t kChunk = 65536;   // elements of one part of a reduction split among threads

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

// ---- a reducer: the functor's loops behind function pointers

struct Reducer {
  DType type, state_type;
  size_t state_size;
  bool positional;  // cares where along the reduced dimension an element stands
  void (*init)(void* states, int64_t n);
  // n contiguous elements into one state; `position` is that of the first.
  void (*row)(double p, const char* x, int64_t n, int64_t position, void* state, const void* centre);
  // Rows of n <= kColumns elements, each row `stride` bytes after the one before, into n states.
  void (*columns)(double p, const char* x, int64_t stride, int64_t rows, int64_t n, int64_t position, void* states,
                  const void* centres);
  void (*merge)(void* into, const void* from, int64_t n);
};

template <class F>
void init_states(void* states, int64_t n) {
  std::fill_n(static_cast<typename F::State*>(states), n, typename F::State(F::start()));
}

template <class F>
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
    auto at = [&](int64_t i) { return simd::load<V>(x + i); };
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
      for (int64_t i = 0; i < m; i++, x += 4 * W) {
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
    for (; n >= W; n -= W, x += W) a0 = f.step(a0, at(0), cs);
    if (n > 0) {  // lanes past the end keep what they have
      V rest = broadcast<V>(x[0]);
      std::memcpy(&rest, x, size_t(n) * sizeof(T));
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
constexpr Reducer reducer{
    F::kType,       dtype_of<typename F::State>, sizeof(typename F::State), false, &init_states<F>,
    &reduce_row<F>, &reduce_columns<F>,          &merge_states<F>};

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

// ---- the driver

struct Dim {
  int64_t size, in, out;
};  // `in` in bytes, `out` in results

struct Plan {
  int kept_count = 0, reduced_count = 0;
  Dim kept[65], reduced[65];  // innermost first
  int64_t outputs = 1, count = 1;
  bool columns = false;  // the innermost kept dimension is the one closest in memory: whole rows at a time
};

void append(Dim* dims, int& n, Dim d, bool check_out) {
  if (d.size == 1) return;
  if (n > 0 && d.in == dims[n - 1].in * dims[n - 1].size &&
      (!check_out || d.out == dims[n - 1].out * dims[n - 1].size)) {
    dims[n - 1].size *= d.size;
    return;
  }
  dims[n++] = d;
}

Plan make_plan(const ReduceCall& call, bool positional) {
  Plan plan;
  const int64_t item = int64_t(item_size(call.in_type));
  Dim reduced[65];
  int n = 0;
  for (int d = call.ndim - 1; d >= 0; d--) {
    if (call.mask >> d & 1) {
      plan.count *= call.sizes[d];
      reduced[n++] = {call.sizes[d], call.strides[d] * item, 0};
    } else {
      append(plan.kept, plan.kept_count, {call.sizes[d], call.strides[d] * item, plan.outputs}, true);
      plan.outputs *= call.sizes[d];
    }
  }
  // A complex sum is the sums of two interleaved rows of real numbers.
  if (is_complex(call.compute) && call.op != Rd::Prod) {
    for (int i = 0; i < plan.kept_count; i++) plan.kept[i].out *= 2;
    std::copy_backward(plan.kept, plan.kept + plan.kept_count, plan.kept + plan.kept_count + 1);
    plan.kept[0] = {2, item / 2, 1};
    plan.kept_count++;
    plan.outputs *= 2;
  }
  auto distance = [](const Dim& d) { return d.in == 0 ? std::numeric_limits<int64_t>::max() : d.in; };
  if (!positional)
    std::stable_sort(reduced, reduced + n, [&](const Dim& a, const Dim& b) { return distance(a) < distance(b); });
  for (int i = 0; i < n; i++) append(plan.reduced, plan.reduced_count, reduced[i], false);
  if (plan.reduced_count == 0) plan.reduced[plan.reduced_count++] = {plan.count, item, 0};
  int nearest = -1;
  for (int i = 0; i < plan.kept_count; i++)
    if (nearest < 0 || distance(plan.kept[i]) < distance(plan.kept[nearest])) nearest = i;
  // Short rows cost more to start and to fold than to add up: they are turned into columns, too.
  const bool short_rows = plan.count <= 32 && plan.reduced_count == 1 && nearest >= 0 && plan.kept[nearest].size >= 64;
  if (nearest >= 0 && (short_rows || distance(plan.kept[nearest]) < distance(plan.reduced[0]))) {
    plan.columns = true;
    std::rotate(plan.kept, plan.kept + nearest, plan.kept + nearest + 1);
  }
  return plan;
}

// Offsets of element `index` (dimension 0 innermost).
void locate(const Dim* dims, int n, int64_t index, int64_t& in, int64_t& out) {
  for (int i = 0; i < n; i++) {
    int64_t k = index % dims[i].size;
    index /= dims[i].size;
    in += k * dims[i].in;
    out += k * dims[i].out;
  }
}

// Visits elements [begin, end) as runs along dimension 0: visit(offset, length).
template <class F>
void walk(const Dim* dims, int n, int64_t begin, int64_t end, F&& visit) {
  while (begin < end) {
    int64_t offset = 0, unused = 0;
    locate(dims, n, begin, offset, unused);
    int64_t length = std::min(dims[0].size - begin % dims[0].size, end - begin);
    visit(offset, length);
    begin += length;
  }
}

void gather(const char* from, int64_t stride, char* to, int64_t n, size_t size) {
  dispatch_size(size, [&]<class T>(TypeTag<T>) { gather_run(from, stride, reinterpret_cast<T*>(to), n); });
}

struct Job {
  const ReduceCall& call;
  const Plan& plan;
  const Reducer* r;
  size_t in_size, size;  // of an element as it is stored and as the reducer takes it
  ConvertFn convert;     // null: the same type

  Job(const ReduceCall& c, const Plan& pl, const Reducer& reducer) : call(c), plan(pl), r(&reducer) {
    bool split = is_complex(c.compute) && c.op != Rd::Prod;
    DType stored = split ? to_real(c.in_type) : c.in_type;
    in_size = item_size(stored);
    size = item_size(r->type);
    convert = stored == r->type ? nullptr : converter(stored, r->type);
  }

  // n elements `stride` bytes apart, as the reducer takes them.
  void fetch(const char* from, int64_t stride, char* to, int64_t n) const {
    if (stride == int64_t(in_size)) {
      if (convert)
        convert(from, to, n);
      else
        std::memcpy(to, from, n * in_size);
      return;
    }
    if (!convert) return gather(from, stride, to, n, in_size);
    alignas(64) char raw[1024 * 16];
    for (int64_t i = 0; i < n; i += 1024) {
      int64_t m = std::min<int64_t>(1024, n - i);
      gather(from + i * stride, stride, raw, m, in_size);
      convert(raw, to + i * int64_t(size), m);
    }
  }

  void row(const char* x, int64_t begin, int64_t end, void* state, const void* centre) const {
    const Dim& inner = plan.reduced[0];
    if (!convert && inner.in == int64_t(in_size) && (plan.reduced_count == 1 || inner.size >= 256)) {
      walk(plan.reduced, plan.reduced_count, begin, end, [&](int64_t offset, int64_t n) {
        r->row(call.p, x + offset, n, begin, state, centre);
        begin += n;
      });
      return;
    }
    alignas(64) char buffer[kStage * 16];
    int64_t used = 0;
    auto flush = [&] {
      r->row(call.p, buffer, used, begin, state, centre);
      begin += used;
      used = 0;
    };
    walk(plan.reduced, plan.reduced_count, begin, end, [&](int64_t offset, int64_t n) {
      while (n > 0) {
        int64_t m = std::min(n, kStage - used);
        fetch(x + offset, inner.in, buffer + used * int64_t(size), m);
        used += m;
        offset += m * inner.in;
        n -= m;
        if (used == kStage) flush();
      }
    });
    if (used) flush();
  }

  void tile(const char* x, int64_t stride, int64_t rows, int64_t n, int64_t position, void* states,
            const void* centres) const {
    int64_t step = plan.kept[0].in;
    if (!convert && step == int64_t(in_size)) return r->columns(call.p, x, stride, rows, n, position, states, centres);
    alignas(64) char buffer[kStage * 16];
    int64_t most = std::max<int64_t>(1, kStage / n);
    for (int64_t i = 0; i < rows; i += most) {
      int64_t m = std::min(most, rows - i);
      if (step == int64_t(in_size) && stride == n * step)
        fetch(x + i * stride, step, buffer, m * n);
      else
        for (int64_t k = 0; k < m; k++) fetch(x + (i + k) * stride, step, buffer + k * n * int64_t(size), n);
      r->columns(call.p, buffer, n * int64_t(size), m, n, position + i, states, centres);
    }
  }

  void columns(const char* x, int64_t n, int64_t begin, int64_t end, void* states, const void* centres) const {
    walk(plan.reduced, plan.reduced_count, begin, end, [&](int64_t offset, int64_t rows) {
      const char* at = x + offset;
      int64_t stride = plan.reduced[0].in, position = begin;
      begin += rows;
      int64_t k = 512 / n;
      if (!r->positional && k >= 2 && rows >= 4 * k && plan.kept[0].in == int64_t(in_size) &&
          stride == n * plan.kept[0].in) {
        // Short dense rows: k of them side by side make one long row.
        alignas(64) char many[512 * 16], many_centres[512 * 8];
        r->init(many, k * n);
        if (centres)
          for (int64_t i = 0; i < k; i++) std::memcpy(many_centres + i * n * int64_t(size), centres, n * size);
        tile(at, stride * k, rows / k, k * n, position, many, centres ? many_centres : nullptr);
        for (int64_t i = 0; i < k; i++) r->merge(states, many + i * n * int64_t(r->state_size), n);
        at += rows / k * k * stride;
        position += rows / k * k;
        rows %= k;
      }
      if (rows) tile(at, stride, rows, n, position, states, centres);
    });
  }
};

// Turns states into results of a type the converter knows; in place.
struct Finish {
  const ReduceCall& call;
  int64_t count;

  // `centres`: of Var the means, of LogSumExp the maxima, as the reducer took them.
  void operator()(void* states, int64_t n, const void* centres) const {
    double* s = static_cast<double*>(states);
    switch (call.op) {
      case Rd::Mean:
        for (int64_t i = 0; i < n; i++) s[i] /= double(count);
        break;
      case Rd::Var:
      case Rd::Std: {
        double freedom = std::max(0.0, double(count) - call.p);
        for (int64_t i = 0; i < n; i++) s[i] = call.op == Rd::Var ? s[i] / freedom : std::sqrt(s[i] / freedom);
        break;
      }
      case Rd::Norm:
        if (call.p == 2)
          for (int64_t i = 0; i < n; i++) s[i] = std::sqrt(s[i]);
        else if (call.p != 0 && call.p != 1 && !std::isinf(call.p))
          for (int64_t i = 0; i < n; i++) s[i] = std::pow(s[i], 1 / call.p);
        break;
      case Rd::LogSumExp:
        for (int64_t i = 0; i < n; i++)
          s[i] = std::log(s[i]) + (call.compute == DType::Float32 ? double(static_cast<const float*>(centres)[i])
                                                                  : static_cast<const double*>(centres)[i]);
        break;
      default:
        break;
    }
  }
};

const Reducer* pick(const ReduceCall& c) {
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

// What has to be known of each output before its elements can be reduced.
const Reducer* pick_centre(const ReduceCall& c) {
  bool f32 = c.compute == DType::Float32;
  // In double, so that equal numbers have themselves as their mean and a variance of exactly 0.
  if (c.op == Rd::Var || c.op == Rd::Std) return &reducer<Sum<double, double>>;
  if (c.op == Rd::LogSumExp) return f32 ? &reducer<Max<float, double>> : &reducer<Max<double, double>>;
  return nullptr;
}

class Driver {
 public:
  Driver(const ReduceCall& c, const Plan& plan, const Reducer& main, const Reducer* centre)
      : call_(c),
        plan_(plan),
        main_(c, plan, main),
        centre_(c, plan, centre ? *centre : main),
        centred_(centre),
        finish_{c, plan.count},
        split_out_(is_complex(c.compute) && c.op != Rd::Prod),
        out_type_(split_out_ ? to_real(c.out_type) : c.out_type) {
    width_ = plan.columns ? std::min(plan.kept[0].size, kColumns) : 64;
    blocks_ = plan.columns ? (plan.kept[0].size + width_ - 1) / width_ : 1;
    groups_ = plan.columns ? plan.outputs / plan.kept[0].size * blocks_ : plan.outputs;
    int64_t per_step = plan.columns ? width_ : 1;  // elements in one step along the reduced dimensions
    if (groups_ < 16 && plan.count * per_step * groups_ >= 2 * kChunk)
      part_ = std::max<int64_t>(1, kChunk / per_step);
    else
      part_ = std::max<int64_t>(1, plan.count);
    parts_ = std::max<int64_t>(1, (plan.count + part_ - 1) / part_);
  }

  void run() {
    Unlocked unlocked(plan_.outputs * plan_.count);
    if (parts_ > 1) return run_split();
    int64_t work = std::max<int64_t>(1, plan_.count * (plan_.columns ? width_ : 1));
    parallel_for(0, groups_, std::max<int64_t>(1, kGrain / work), [&](int64_t b, int64_t e) {
      alignas(64) char states[kColumns * 16], centres[kColumns * 8];
      if (plan_.columns) {
        for (int64_t g = b; g < e; g++) {
          Group group = column_group(g);
          if (centred_) {
            centre_.r->init(states, group.n);
            centre_.columns(group.x, group.n, 0, plan_.count, states, nullptr);
            make_centres(states, group, centres);
          }
          main_.r->init(states, group.n);
          main_.columns(group.x, group.n, 0, plan_.count, states, centred_ ? centres : nullptr);
          write(states, group, centres);
        }
        return;
      }
      for (int64_t g = b; g < e; g += width_) {
        Group group{nullptr, std::min(width_, e - g), g, 1};
        for (int64_t i = 0; i < group.n; i++) {
          const char* x = row_start(g + i);
          char* state = states + i * int64_t(main_.r->state_size);
          if (centred_) {
            centre_.r->init(state, 1);
            centre_.row(x, 0, plan_.count, state, nullptr);
            make_centres(state, {x, 1, g + i, 1}, centres + i * int64_t(main_.size));
          }
          main_.r->init(state, 1);
          main_.row(x, 0, plan_.count, state, centred_ ? centres + i * int64_t(main_.size) : nullptr);
        }
        write(states, group, centres);
      }
    });
  }

 private:
  struct Group {
    const char* x;
    int64_t n, out, out_stride;  // outputs, and where they go
  };

  const char* row_start(int64_t output) const {
    int64_t in = 0, out = 0;
    locate(plan_.kept, plan_.kept_count, output, in, out);
    return static_cast<const char*>(call_.in) + in;
  }
  Group column_group(int64_t g) const {
    int64_t in = 0, out = 0, first = g % blocks_ * width_;
    locate(plan_.kept + 1, plan_.kept_count - 1, g / blocks_, in, out);
    return {static_cast<const char*>(call_.in) + in + first * plan_.kept[0].in,
            std::min(width_, plan_.kept[0].size - first), out + first * plan_.kept[0].out, plan_.kept[0].out};
  }
  Group group_of(int64_t g) const { return plan_.columns ? column_group(g) : Group{row_start(g), 1, g, 1}; }

  // Few outputs of many elements: fixed parts of the reduction, whatever the number of threads, merged in their order.
  void run_split() {
    size_t slot = size_t(width_) * 16;
    if (!plan_.columns) slot = 16;
    Scratch partial(size_t(groups_ * parts_) * slot),
        centre_store(size_t(groups_) * (plan_.columns ? size_t(width_) * 8 : 8));
    size_t centre_slot = plan_.columns ? size_t(width_) * 8 : 8;
    for (int pass = centred_ ? 0 : 1; pass < 2; pass++) {
      const Job& job = pass == 0 ? centre_ : main_;
      parallel_for(0, groups_ * parts_, 1, [&](int64_t b, int64_t e) {
        for (int64_t i = b; i < e; i++) {
          Group group = group_of(i / parts_);
          int64_t begin = i % parts_ * part_, end = std::min(begin + part_, plan_.count);
          void* states = partial.as<char>() + size_t(i) * slot;
          const void* centres =
              pass == 1 && centred_ ? centre_store.as<char>() + size_t(i / parts_) * centre_slot : nullptr;
          job.r->init(states, group.n);
          if (plan_.columns)
            job.columns(group.x, group.n, begin, end, states, centres);
          else
            job.row(group.x, begin, end, states, centres);
        }
      });
      for (int64_t g = 0; g < groups_; g++) {
        Group group = group_of(g);
        char* states = partial.as<char>() + size_t(g * parts_) * slot;
        char* centres = centre_store.as<char>() + size_t(g) * centre_slot;
        for (int64_t p = 1; p < parts_; p++) job.r->merge(states, states + size_t(p) * slot, group.n);
        if (pass == 0)
          make_centres(states, group, centres);
        else
          write(states, group, centres);
      }
    }
  }

  void make_centres(void* states, const Group& group, void* centres) const {
    double* s = static_cast<double*>(states);
    if (call_.op == Rd::LogSumExp) {
      for (int64_t i = 0; i < group.n; i++)
        if (std::isinf(s[i])) s[i] = 0;
    } else {
      for (int64_t i = 0; i < group.n; i++) s[i] /= double(plan_.count);
      if (call_.out2) put(s, DType::Float64, call_.out2, out_type_, group);
    }
    converter(DType::Float64, main_.r->type)(s, centres, group.n);
  }

  void write(void* states, const Group& group, const void* centres) const {
    if (main_.r->positional) {
      alignas(64) char values[kColumns * 8];
      int64_t positions[kColumns];
      const uint64_t* words = static_cast<const uint64_t*>(states);
      for (int64_t i = 0; i < group.n; i++) {
        std::memcpy(values + i * 8, words + 2 * i, 8);
        positions[i] = int64_t(words[2 * i + 1]);
      }
      if (call_.out) put(values, main_.r->state_type, call_.out, out_type_, group);
      put(positions, DType::Int64, call_.out2, DType::Int64, group);
      return;
    }
    finish_(states, group.n, centres);
    put(states, main_.r->state_type, call_.out, out_type_, group);
  }

  static void put(const void* from, DType type, void* to, DType out_type, const Group& group) {
    ConvertFn convert = converter(type, out_type);
    size_t size = item_size(out_type);
    char* at = static_cast<char*>(to) + group.out * int64_t(size);
    if (group.out_stride == 1) {
      convert(from, at, group.n);
      return;
    }
    alignas(64) char results[kColumns * 16];
    convert(from, results, group.n);
    dispatch_size(size, [&]<class T>(TypeTag<T>) {
      for (int64_t i = 0; i < group.n; i++)
        std::memcpy(at + i * group.out_stride * int64_t(size), results + i * int64_t(size), sizeof(T));
    });
  }

  const ReduceCall& call_;
  const Plan& plan_;
  Job main_, centre_;
  bool centred_;
  Finish finish_;
  bool split_out_;
  DType out_type_;
  int64_t width_, blocks_, groups_, part_, parts_;
};

}  // namespace

void reduce(const ReduceCall& call) {
  const Reducer* main = pick(call);
  Plan plan = make_plan(call, main->positional);
  if (plan.outputs == 0) return;
  Driver(call, plan, *main, pick_centre(call)).run();
}

}  // namespace lampas::cpu
