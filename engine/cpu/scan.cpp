// Running totals: floats accumulate in double, integers in int64, complex numbers in complex128.
#include <algorithm>

#include "core/threads.h"
#include "cpu/loops.h"
#include "cpu/reduce.h"

namespace lampas::cpu {

namespace {

constexpr int64_t kBlock = 512;
constexpr int64_t kShort = 32;  // rows and widths below are converted many at a time

struct Add {
  template <class T>
  static T join(T a, T b) {
    return a + b;
  }
};
struct Multiply {
  template <class T>
  static T join(T a, T b) {
    return a * b;
  }
};
struct LogAddExp {
  static double join(double a, double b) {
    double hi = a != a || a > b ? a : b, lo = a != a || a > b ? b : a;
    return std::isinf(hi) && hi == lo ? hi : hi + std::log1p(std::exp(lo - hi));
  }
};

template <class A, class F>
struct Totals {
  const ScanCall& call;
  ConvertFn in, out;
  int64_t in_size, out_size;

  explicit Totals(const ScanCall& c)
      : call(c),
        in(converter(c.in_type, dtype_of<A>)),
        out(converter(dtype_of<A>, c.out_type)),
        in_size(int64_t(item_size(c.in_type))),
        out_size(int64_t(item_size(c.out_type))) {}

  // Totals of n numbers `step` apart, on from `carry`, in place; returns the last. Four at a time: the chain of
  // dependent steps is a quarter as long.
  static A chain(A* a, int64_t step, int64_t n, A carry) {
    int64_t k = 0;
    for (; k + 4 <= n; k += 4, a += 4 * step) {
      const A two = F::join(a[0], a[step]), three = F::join(two, a[2 * step]),
              four = F::join(two, F::join(a[2 * step], a[3 * step]));
      a[0] = F::join(carry, a[0]);
      a[step] = F::join(carry, two);
      a[2 * step] = F::join(carry, three);
      carry = a[3 * step] = F::join(carry, four);
    }
    for (; k < n; k++, a += step) carry = *a = F::join(carry, *a);
    return carry;
  }

  void row(const char* x, char* y) const {
    alignas(64) A a[kBlock];
    A carry{};
    for (int64_t i = 0; i < call.n; i += kBlock) {
      int64_t n = std::min(kBlock, call.n - i), k = 0;
      in(x + i * in_size, a, n);
      if (i == 0) {
        carry = a[0];
        k = 1;
      }
      carry = chain(a + k, 1, n - k, carry);
      out(a, y + i * out_size, n);
    }
  }

  // The totals of n rows of `width` numbers in place; `before`: that of the rows before, or null.
  static void add_up(A* a, int64_t n, int64_t width, const A* before) {
    if (before)
      for (int64_t j = 0; j < width; j++) a[j] = F::join(before[j], a[j]);
    if (width < 8)
      for (int64_t j = 0; j < width; j++) chain(a + width + j, width, n - 1, a[j]);
    else
      for (int64_t j = width; j < n * width; j++) a[j] = F::join(a[j - width], a[j]);
  }
  // Slices of n rows, all short of something.
  void slices(const char* x, char* y, int64_t count) const {
    alignas(64) A a[kBlock], before[kShort];
    const int64_t n = call.n, width = call.inner, size = n * width;
    if (const int64_t fit = kBlock / size) {
      for (int64_t i = 0; i < count; i += fit) {
        const int64_t m = std::min(fit, count - i);
        in(x + i * size * in_size, a, m * size);
        for (int64_t k = 0; k < m; k++) add_up(a + k * size, n, width, nullptr);
        out(a, y + i * size * out_size, m * size);
      }
      return;
    }
    const int64_t rows = kBlock / width;
    for (int64_t i = 0; i < count; i++)
      for (int64_t r = 0; r < n; r += rows) {
        const int64_t m = std::min(rows, n - r), at = i * size + r * width;
        in(x + at * in_size, a, m * width);
        add_up(a, m, width, r ? before : nullptr);
        std::copy_n(a + (m - 1) * width, width, before);
        out(a, y + at * out_size, m * width);
      }
  }

  void columns(const char* x, char* y, int64_t width) const {
    alignas(64) A total[kBlock], a[kBlock];
    in(x, total, width);
    out(total, y, width);
    for (int64_t r = 1; r < call.n; r++) {
      in(x + r * call.inner * in_size, a, width);
      for (int64_t j = 0; j < width; j++) total[j] = F::join(total[j], a[j]);
      out(total, y + r * call.inner * out_size, width);
    }
  }
};

// The largest (smallest) so far and where it last stood; a NaN, once seen, stays.
template <class A, bool kMax>
struct Extremes {
  const ScanCall& call;
  ConvertFn in, out;
  int64_t in_size, out_size;

  explicit Extremes(const ScanCall& c)
      : call(c),
        in(converter(c.in_type, dtype_of<A>)),
        out(converter(dtype_of<A>, c.out_type)),
        in_size(int64_t(item_size(c.in_type))),
        out_size(int64_t(item_size(c.out_type))) {}

  static bool wins(A x, A best) { return x != x || (best == best && (kMax ? x >= best : x <= best)); }

  void row(const char* x, char* y, int64_t* indices) const {
    alignas(64) A a[kBlock];
    A best{};
    int64_t where = 0;
    for (int64_t i = 0; i < call.n; i += kBlock) {
      int64_t n = std::min(kBlock, call.n - i);
      in(x + i * in_size, a, n);
      if (i == 0) best = a[0];
      for (int64_t k = 0; k < n; k++) {
        if (wins(a[k], best)) best = a[k], where = i + k;
        a[k] = best;
        indices[i + k] = where;
      }
      out(a, y + i * out_size, n);
    }
  }

  void columns(const char* x, char* y, int64_t* indices, int64_t width) const {
    alignas(64) A best[kBlock], a[kBlock];
    int64_t where[kBlock];
    for (int64_t r = 0; r < call.n; r++) {
      in(x + r * call.inner * in_size, a, width);
      for (int64_t j = 0; j < width; j++) {
        bool win = r == 0 || wins(a[j], best[j]);
        best[j] = win ? a[j] : best[j];
        where[j] = win ? r : where[j];
      }
      out(best, y + r * call.inner * out_size, width);
      std::copy_n(where, width, indices + r * call.inner);
    }
  }
};

template <class K>
void run(const ScanCall& call) {
  K k(call);
  const int64_t blocks = (call.inner + kBlock - 1) / kBlock, slice = call.n * call.inner;
  const char* in = static_cast<const char*>(call.in);
  char* out = static_cast<char*>(call.out);
  Unlocked unlocked(call.outer * slice);
  if (call.n == 1) {
    const ConvertFn copy = converter(call.in_type, call.out_type);
    if (call.indices) std::fill_n(call.indices, call.outer * slice, 0);
    return parallel_for(0, call.outer * slice, kGrain,
                        [&](int64_t b, int64_t e) { copy(in + b * k.in_size, out + b * k.out_size, e - b); });
  }
  if constexpr (requires { k.slices(in, out, slice); })
    if (call.inner == 1 ? call.n < kShort : call.inner < kShort)
      return parallel_for(0, call.outer, std::max<int64_t>(1, kGrain / slice), [&](int64_t b, int64_t e) {
        k.slices(in + b * slice * k.in_size, out + b * slice * k.out_size, e - b);
      });
  parallel_for(0, call.outer * blocks, std::max<int64_t>(1, kGrain / std::max<int64_t>(1, slice / blocks)),
               [&](int64_t b, int64_t e) {
                 for (int64_t i = b; i < e; i++) {
                   int64_t first = i % blocks * kBlock, at = i / blocks * slice + first,
                           width = std::min(kBlock, call.inner - first);
                   const char* x = in + at * k.in_size;
                   char* y = out + at * k.out_size;
                   if constexpr (requires { k.row(x, y, call.indices); }) {
                     if (call.inner == 1)
                       k.row(x, y, call.indices + at);
                     else
                       k.columns(x, y, call.indices + at, width);
                   } else {
                     if (call.inner == 1)
                       k.row(x, y);
                     else
                       k.columns(x, y, width);
                   }
                 }
               });
}

}  // namespace

void scan(const ScanCall& c) {
  if (c.outer * c.n * c.inner == 0) return;
  bool complex = is_complex(c.out_type), floating = is_inexact(c.out_type);
  switch (c.op) {
    case Scan::Sum:
      return complex    ? run<Totals<complex128, Add>>(c)
             : floating ? run<Totals<double, Add>>(c)
                        : run<Totals<int64_t, Add>>(c);
    case Scan::Prod:
      return complex    ? run<Totals<complex128, Multiply>>(c)
             : floating ? run<Totals<double, Multiply>>(c)
                        : run<Totals<int64_t, Multiply>>(c);
    case Scan::Max:
      return floating ? run<Extremes<double, true>>(c) : run<Extremes<int64_t, true>>(c);
    case Scan::Min:
      return floating ? run<Extremes<double, false>>(c) : run<Extremes<int64_t, false>>(c);
    case Scan::LogSumExp:
      return run<Totals<double, LogAddExp>>(c);
  }
}

}  // namespace lampas::cpu
