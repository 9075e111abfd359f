#include "cpu/random.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include "core/error.h"
#include "cpu/box_muller.h"
#include "cpu/stream.h"

namespace lampas::cpu {
namespace {

using Lock = std::lock_guard<std::mutex>;

// Significant bits of a floating dtype; a word's low bits of that number make one uniform number of it.
template <class T>
inline constexpr int kDigits = std::numeric_limits<T>::digits;
template <>
inline constexpr int kDigits<Half> = 11;
template <>
inline constexpr int kDigits<BFloat16> = 8;

// Uniform multiples of 2^-24 and 2^-53 in [0, 1).
inline float unit(uint32_t word) { return float(int32_t(word & 0xffffffu)) * 0x1p-24f; }
inline double unit(uint64_t word) { return double(int64_t(word & 0x1fffffffffffffu)) * 0x1p-53; }

// a * b + c with one rounding, which PyTorch's kernels have on every machine since 2013.
template <class Real>
inline Real fused(Real a, Real b, Real c) {
#if defined(__FMA__)
  return std::fma(a, b, c);
#else
  return a * b + c;
#endif
}

// out[i] = f(i, word i), words of 32 or 64 bits. Words are drawn ahead in chunks, so that f's loop vectorises.
template <class Word, class T, class F>
void fill(T* out, int64_t n, Generator& generator, F f) {
  constexpr int kChunk = 1024, kParts = sizeof(Word) / 4;
  alignas(64) uint32_t words[kChunk * kParts];
  for (int64_t begin = 0; begin < n; begin += kChunk) {
    int count = int(std::min<int64_t>(kChunk, n - begin));
    generator.engine.draw(words, count * kParts);
    for (int i = 0; i < count; i++) {
      if constexpr (kParts == 1)
        out[begin + i] = f(begin + i, words[i]);
      else
        out[begin + i] = f(begin + i, uint64_t(words[2 * i]) << 32 | words[2 * i + 1]);
    }
  }
}

// Calls f(TypeTag<T>{}) for the floating dtypes, and raises for others; f is instantiated for those four alone.
template <class F>
void dispatch_floating(DType dtype, const char* op, F&& f) {
  switch (dtype) {
    case DType::Float16:
      return f(TypeTag<Half>{});
    case DType::BFloat16:
      return f(TypeTag<BFloat16>{});
    case DType::Float32:
      return f(TypeTag<float>{});
    case DType::Float64:
      return f(TypeTag<double>{});
    default:
      fail(ErrorKind::NotImplemented, op, " is not implemented for ", name_of(dtype), "; use a floating dtype");
  }
}

template <class F>
void dispatch_real(DType dtype, const char* op, F&& f) {
  switch (dtype) {
    case DType::Bool:
      return f(TypeTag<bool>{});
    case DType::UInt8:
      return f(TypeTag<uint8_t>{});
    case DType::Int8:
      return f(TypeTag<int8_t>{});
    case DType::Int16:
      return f(TypeTag<int16_t>{});
    case DType::Int32:
      return f(TypeTag<int32_t>{});
    case DType::Int64:
      return f(TypeTag<int64_t>{});
    default:
      return dispatch_floating(dtype, op, f);
  }
}

// The largest finite number of a floating dtype.
template <class T>
double largest() {
  return double(std::numeric_limits<T>::max());
}
template <>
double largest<Half>() {
  return 65504;
}
template <>
double largest<BFloat16>() {
  return 0x1.fep127;
}

// The largest integer up to which the dtype holds every integer.
template <class T>
constexpr int64_t largest_exact() {
  if constexpr (is_floating(dtype_of<T>))
    return int64_t(1) << kDigits<T>;
  else
    return int64_t(std::numeric_limits<T>::max());
}

template <class T>
void uniform_units(T* out, int64_t n, Generator& generator) {
  using Word = std::conditional_t<std::is_same_v<T, double>, uint64_t, uint32_t>;
  fill<Word>(out, n, generator, [](int64_t, Word w) { return unit(w); });
}

template <class T>
void normal_blocks(T* out, int64_t n, T mean, T std, Generator& generator) {
  constexpr int64_t kChunk = 4096;
  int64_t whole = n / 16 * 16;
  for (int64_t begin = 0; begin < whole; begin += kChunk) {
    int64_t count = std::min(kChunk, whole - begin);
    uniform_units(out + begin, count, generator);
    box_muller(out + begin, count / 16, mean, std);
  }
  if (whole == n) return;
  // An incomplete block is made anew, as the last 16 elements.
  generator.engine.skip((n - whole) * int64_t(sizeof(T) / 4));
  uniform_units(out + n - 16, 16, generator);
  box_muller(out + n - 16, 1, mean, std);
}

// 16-bit floats are made in float32; here the incomplete block draws nothing before it is made anew.
template <class T>
void normal_blocks_narrow(T* out, int64_t n, float mean, float std, Generator& generator) {
  constexpr int64_t kChunk = 1024;
  alignas(64) float wide[kChunk];
  auto make = [&](T* to, int64_t count) {
    uniform_units(wide, count, generator);
    box_muller(wide, count / 16, mean, std);
    for (int64_t i = 0; i < count; i++) to[i] = T(wide[i]);
  };
  int64_t whole = n / 16 * 16;
  for (int64_t begin = 0; begin < whole; begin += kChunk) make(out + begin, std::min(kChunk, whole - begin));
  if (whole != n) make(out + n - 16, 16);
}

// word % range + base, as PyTorch does it: 32-bit words while the bias of the remainder stays small.
template <class T>
void integers(T* out, int64_t n, uint64_t range, int64_t base, Generator& generator) {
  auto value = [base](uint64_t remainder) { return convert<T>(int64_t(remainder + uint64_t(base))); };
  if (range == 0) {  // 2^64
    fill<uint64_t>(out, n, generator, [&](int64_t, uint64_t w) { return value(w); });
  } else if (range >= (uint64_t(1) << 28)) {
    fill<uint64_t>(out, n, generator, [&](int64_t, uint64_t w) { return value(w % range); });
  } else {
    // The remainder by two multiplications: D. Lemire, O. Kaser, N. Kurz, "Faster remainder by direct computation",
    // Softw. Pract. Exper. 49(6), 2019.
    uint64_t inverse = ~uint64_t(0) / range + 1;
    fill<uint32_t>(out, n, generator,
                   [&](int64_t, uint32_t w) { return value(uint64_t((__uint128_t(inverse * w) * range) >> 64)); });
  }
}

}  // namespace

void uniform(void* out, DType dtype, int64_t n, double from, double to, Generator& generator) {
  dispatch_floating(dtype, "uniform_", [&](auto tag) {
    using T = typename decltype(tag)::type;
    double limit = largest<T>();
    CHECK(from >= -limit && from <= limit, "uniform_: from is out of bounds for ", name_of(dtype), ": got ", from);
    CHECK(to >= -limit && to <= limit, "uniform_: to is out of bounds for ", name_of(dtype), ": got ", to);
    CHECK(from <= to, "uniform_ expects to return a [from, to) range, but found from=", from, " > to=", to);
    CHECK(to - from <= limit, "uniform_ expects to - from to be at most ", limit, " for ", name_of(dtype),
          ", but found to=", to, " and from=", from);
    Lock lock(generator.mutex);
    using Real = std::conditional_t<std::is_same_v<T, double>, double, float>;
    using Word = std::conditional_t<std::is_same_v<T, double>, uint64_t, uint32_t>;
    Real base = Real(from), scale = Real(to) - base;
    // Rounding may reach the open end; such numbers become the closed one.
    T first = convert<T>(base), end = convert<T>(Real(to));
    fill<Word>((T*)out, n, generator, [=](int64_t, Word w) {
      T x = convert<T>(fused(unit(w), scale, base));
      if constexpr (sizeof(T) == 2)
        return x.bits == end.bits ? first : x;
      else
        return x == end ? first : x;
    });
  });
}

void normal(void* out, DType dtype, int64_t n, double mean, double std, Generator& generator, bool contiguous) {
  CHECK(std >= 0, "normal expects std >= 0.0, but found std ", std);
  dispatch_floating(dtype, "normal_", [&](auto tag) {
    using T = typename decltype(tag)::type;
    T* to = (T*)out;
    Lock lock(generator.mutex);
    if (n < 16 || !contiguous) {
      for (int64_t i = 0; i < n; i++) to[i] = convert<T>(fused(next_normal(generator), std, mean));
    } else if constexpr (sizeof(T) == 2) {
      normal_blocks_narrow(to, n, float(mean), float(std), generator);
    } else {
      normal_blocks(to, n, T(mean), T(std), generator);
    }
  });
}

void random_from_to(void* out, DType dtype, int64_t n, int64_t from, std::optional<int64_t> to, Generator& generator) {
  bool all_bits = !to && from == std::numeric_limits<int64_t>::lowest();
  CHECK(!is_complex(dtype), "random_ expects an integral, floating or bool dtype, but got ", name_of(dtype));
  if (all_bits) {
    CHECK_KIND(NotImplemented, dtype != DType::Float16, "random_ over all 64 bits is not implemented for float16");
    CHECK(dtype == DType::Int64 || (is_floating(dtype) && dtype != DType::Float16),
          "random_ over all 64 bits handles only int64, float64, float32 and bfloat16, but got ", name_of(dtype));
  }
  CHECK(!to || from < *to, "random_ expects 'from' to be less than 'to', but got from=", from,
        " >= to=", to.value_or(0));
  dispatch_real(dtype, "random_", [&](auto tag) {
    using T = typename decltype(tag)::type;
    uint64_t range = 0;
    int64_t first = from;
    if (!all_bits) {
      int64_t last = to ? *to - 1 : largest_exact<T>();
      if constexpr (is_floating(dtype_of<T>)) {
        auto in_range = [](int64_t x) { return std::abs(double(x)) <= largest<T>(); };
        CHECK(in_range(first), "from is out of bounds for ", name_of(dtype), ": got ", from);
        CHECK(in_range(last), "to - 1 is out of bounds for ", name_of(dtype), ": got ", last);
        CHECK(first <= last, "random_ expects 'from' to be at most ", last, " for ", name_of(dtype), ", but got ",
              from);
        // Bounds that the dtype does not hold move inwards to ones it does.
        auto held = [](int64_t x) {
          double rounded = double(convert<T>(x));
          return rounded < 0x1p63 ? int64_t(rounded) : std::numeric_limits<int64_t>::lowest();
        };
        auto step = [](int64_t x) {
          uint64_t size = x < 0 ? 0 - uint64_t(x) : uint64_t(x);
          return int64_t(1) << std::max(0, 64 - __builtin_clzll(size | 1) - kDigits<T>);
        };
        if (held(from + 1) < from) first = held(from + 1) + step(from + 1);
        if (to && held(*to - 1) >= *to) last = held(*to - 1) - step(*to - 1) - 1;
        CHECK(first <= last, "random_ expects 'from' casted to ", name_of(dtype), " to be less than 'to' casted to ",
              name_of(dtype), ", but got from=", first, " >= to=", last + 1);
      } else {
        int64_t low = int64_t(std::numeric_limits<T>::lowest()), high = int64_t(std::numeric_limits<T>::max());
        CHECK(first >= low && first <= high, "from is out of bounds for ", name_of(dtype), ": got ", from,
              ", expected ", low, " to ", high);
        CHECK(last >= low && last <= high, "to - 1 is out of bounds for ", name_of(dtype), ": got ", last,
              ", expected ", low, " to ", high);
        CHECK(first <= last, "random_ expects 'from' to be at most ", last, " for ", name_of(dtype), ", but got ",
              from);
      }
      range = uint64_t(last) - uint64_t(first) + 1;
    }
    Lock lock(generator.mutex);
    integers((T*)out, n, range, all_bits ? 0 : first, generator);
  });
}

void random_full(void* out, DType dtype, int64_t n, Generator& generator) {
  dispatch_real(dtype, "random_", [&](auto tag) {
    using T = typename decltype(tag)::type;
    T* to = (T*)out;
    Lock lock(generator.mutex);
    if constexpr (std::is_same_v<T, double> || std::is_same_v<T, int64_t>) {
      constexpr uint64_t range = uint64_t(largest_exact<T>()) + 1;
      fill<uint64_t>(to, n, generator, [](int64_t, uint64_t w) { return T(int64_t(w % range)); });
    } else {
      constexpr uint32_t range = uint32_t(largest_exact<T>() + 1);
      fill<uint32_t>(to, n, generator, [](int64_t, uint32_t w) { return convert<T>(int64_t(w % range)); });
    }
  });
}

void randperm(void* out, DType dtype, int64_t n, Generator& generator) {
  CHECK(n >= 0, "Trying to create tensor with negative dimension ", n, ": [", n, "]; randperm expects n >= 0");
  CHECK_KIND(NotImplemented, dtype != DType::Bool, "randperm is not implemented for bool");
  dispatch_real(dtype, "randperm", [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (!std::is_same_v<T, bool>) {
      if constexpr (!std::is_same_v<T, BFloat16>)  // PyTorch lets bfloat16 repeat rounded numbers
        CHECK(n - 1 <= largest_exact<T>(), "n cannot be greater than ", uint64_t(largest_exact<T>()) + 1, " for ",
              name_of(dtype), ", whose largest exact integer is ", largest_exact<T>(), "; got n=", n);
      T* to = (T*)out;
      Lock lock(generator.mutex);
      constexpr int64_t kChunk = 1024, kSmall = std::numeric_limits<uint32_t>::max() / 20;
      if (n >= kSmall) {  // 32 bits would be too few for an even choice; PyTorch shuffles inside out here
        for (int64_t i = 0; i < n; i++) {
          int64_t j = int64_t(generator.random64() % uint64_t(i + 1));
          to[i] = to[j];
          to[j] = convert<T>(i);
        }
        return;
      }
      for (int64_t i = 0; i < n; i++) to[i] = convert<T>(i);
      uint32_t words[kChunk];
      for (int64_t begin = 0; begin < n - 1; begin += kChunk) {
        int64_t count = std::min(kChunk, n - 1 - begin);
        generator.engine.draw(words, count);
        for (int64_t j = 0; j < count; j++) {
          uint32_t i = uint32_t(begin + j);
          std::swap(to[i], to[i + words[j] % (uint32_t(n) - i)]);
        }
      }
    }
  });
}

void bernoulli(void* out, DType dtype, int64_t n, double p, Generator& generator) {
  CHECK(p >= 0 && p <= 1, "bernoulli_ expects p to be in [0, 1], but got p=", p);
  // unit(word) < p, compared as integers.
  uint64_t limit = uint64_t(std::ceil(p * 0x1p53));
  dispatch_real(dtype, "bernoulli_", [&](auto tag) {
    using T = typename decltype(tag)::type;
    Lock lock(generator.mutex);
    T one = convert<T>(1), zero = convert<T>(0);
    fill<uint64_t>((T*)out, n, generator,
                   [=](int64_t, uint64_t w) { return (w & 0x1fffffffffffffu) < limit ? one : zero; });
  });
}

void bernoulli(void* out, DType dtype, int64_t n, const void* p, DType p_dtype, Generator& generator) {
  dispatch_floating(p_dtype, "bernoulli with a tensor of probabilities", [&](auto p_tag) {
    using P = typename decltype(p_tag)::type;
    const P* chance = (const P*)p;
    using Real = std::conditional_t<std::is_same_v<P, double>, double, float>;
    using Word = std::conditional_t<std::is_same_v<P, double>, uint64_t, uint32_t>;
    for (int64_t i = 0; i < n; i++) {
      CHECK(Real(chance[i]) >= 0 && Real(chance[i]) <= 1,
            "bernoulli expects every probability to be in [0, 1], but p has ", double(chance[i]));
    }
    dispatch_real(dtype, "bernoulli", [&](auto tag) {
      using T = typename decltype(tag)::type;
      Lock lock(generator.mutex);
      T one = convert<T>(1), zero = convert<T>(0);
      fill<Word>((T*)out, n, generator, [=](int64_t i, Word w) { return unit(w) < Real(chance[i]) ? one : zero; });
    });
  });
}

void exponential(void* out, DType dtype, int64_t n, double lambda, Generator& generator) {
  CHECK(is_floating(dtype), "exponential_ draws real numbers and needs a floating dtype, but got ", name_of(dtype));
  CHECK(lambda > 0, "exponential_ expects lambda > 0.0, but found lambda=", lambda);
  dispatch_floating(dtype, "exponential_", [&](auto tag) {
    using T = typename decltype(tag)::type;
    Lock lock(generator.mutex);
    double scale = -1.0 / lambda;
    fill<uint64_t>((T*)out, n, generator,
                   [=](int64_t, uint64_t w) { return convert<T>(scale * std::log1p(-unit(w))); });
  });
}

void geometric(void* out, DType dtype, int64_t n, double p, Generator& generator) {
  CHECK(p > 0 && p < 1, "geometric_ expects p to be in (0, 1), but got p=", p);
  CHECK_KIND(NotImplemented, dtype != DType::Bool, "geometric_ is not implemented for bool");
  dispatch_real(dtype, "geometric_", [&](auto tag) {
    using T = typename decltype(tag)::type;
    Lock lock(generator.mutex);
    double divisor = std::log1p(-p);
    fill<uint64_t>((T*)out, n, generator,
                   [=](int64_t, uint64_t w) { return convert<T>(std::ceil(std::log(unit(w)) / divisor)); });
  });
}

void log_normal(void* out, DType dtype, int64_t n, double mean, double std, Generator& generator) {
  CHECK(std > 0, "log_normal_ expects std > 0.0, but found std=", std);
  dispatch_floating(dtype, "log_normal_", [&](auto tag) {
    using T = typename decltype(tag)::type;
    T* to = (T*)out;
    Lock lock(generator.mutex);
    for (int64_t i = 0; i < n; i++) to[i] = convert<T>(std::exp(fused(next_normal(generator), std, mean)));
  });
}

void cauchy(void* out, DType dtype, int64_t n, double median, double sigma, Generator& generator) {
  CHECK(is_floating(dtype), "cauchy_ draws real numbers and needs a floating dtype, but got ", name_of(dtype));
  CHECK(sigma > 0, "cauchy_ expects sigma > 0.0, but found sigma=", sigma);
  dispatch_floating(dtype, "cauchy_", [&](auto tag) {
    using T = typename decltype(tag)::type;
    Lock lock(generator.mutex);
    fill<uint64_t>((T*)out, n, generator, [=](int64_t, uint64_t w) {
      return convert<T>(fused(sigma, std::tan(std::numbers::pi * (unit(w) - 0.5)), median));
    });
  });
}

namespace {

template <class Real>
void check_weights(const Real* weights, int64_t rows, int64_t categories) {
  for (int64_t row = 0; row < rows; row++, weights += categories) {
    Real sum = 0;
    for (int64_t j = 0; j < categories; j++) {
      CHECK(weights[j] >= 0 && std::isfinite(weights[j]),
            "multinomial: probability tensor contains either `inf`, `nan` or element < 0: found ", weights[j],
            " in row ", row);
      sum += weights[j];
    }
    CHECK(sum > 0, "invalid multinomial distribution (sum of probabilities <= 0) in row ", row,
          "; give at least one category a positive weight");
  }
}

template <class Real>
void sample_replaced(int64_t* out, const Real* weights, int64_t categories, int64_t samples, Generator& generator) {
  std::vector<Real> cumulative(static_cast<size_t>(categories));
  Real sum = 0;
  for (int64_t j = 0; j < categories; j++) cumulative[j] = sum += weights[j];
  for (Real& c : cumulative) c /= sum;
  cumulative.back() = 1;
  fill<uint64_t>(out, samples, generator, [&](int64_t, uint64_t w) {
    double u = unit(w);
    auto slot = std::lower_bound(cumulative.begin(), cumulative.end(), u, [](Real c, double x) { return c < x; });
    return int64_t(slot - cumulative.begin());
  });
}

// The indices of the largest keys, in falling order. Which of equal keys comes first follows from the library's
// algorithms, chosen by size as PyTorch's topk chooses.
template <class Real>
void largest_keys(int64_t* out, std::vector<std::pair<Real, int64_t>>& keys, int64_t count) {
  auto before = [](const auto& x, const auto& y) {
    return (std::isnan(x.first) && !std::isnan(y.first)) || x.first > y.first;
  };
  if (count == 1) {
    out[0] =
        std::max_element(keys.begin(), keys.end(), [&](const auto& x, const auto& y) { return before(y, x); })->second;
    return;
  }
  if (count * 64 <= int64_t(keys.size())) {
    std::partial_sort(keys.begin(), keys.begin() + count, keys.end(), before);
  } else {
    std::nth_element(keys.begin(), keys.begin() + count - 1, keys.end(), before);
    std::sort(keys.begin(), keys.begin() + count - 1, before);
  }
  for (int64_t i = 0; i < count; i++) out[i] = keys[i].second;
}

}  // namespace

void multinomial(int64_t* out, const void* weights, DType dtype, int64_t rows, int64_t categories, int64_t samples,
                 bool replacement, Generator& generator, bool column_major) {
  CHECK(is_floating(dtype), "multinomial only supports floating-point dtypes for input, got: ", name_of(dtype));
  CHECK(samples > 0, "cannot sample n_sample <= 0 samples, got ", samples);
  CHECK(replacement || samples <= categories,
        "cannot sample n_sample > prob_dist.size(-1) samples without replacement: asked for ", samples, " of ",
        categories, "; pass replacement=True or ask for fewer");
  dispatch_floating(dtype, "multinomial", [&](auto tag) {
    using T = typename decltype(tag)::type;
    using Real = std::conditional_t<std::is_same_v<T, double>, double, float>;
    std::vector<Real> wide(static_cast<size_t>(rows * categories));
    for (size_t i = 0; i < wide.size(); i++) wide[i] = Real(((const T*)weights)[i]);
    check_weights(wide.data(), rows, categories);
    if (replacement && samples > 1) {
      Lock lock(generator.mutex);
      for (int64_t row = 0; row < rows; row++)
        sample_replaced(out + row * samples, &wide[row * categories], categories, samples, generator);
      return;
    }
    std::vector<T> noise(wide.size());
    exponential(noise.data(), dtype, int64_t(noise.size()), 1, generator);
    std::vector<std::pair<Real, int64_t>> keys(static_cast<size_t>(categories));
    for (int64_t row = 0; row < rows; row++) {
      for (int64_t j = 0; j < categories; j++) {
        T divisor = noise[size_t(column_major ? j * rows + row : row * categories + j)];
        keys[j] = {Real(convert<T>(wide[size_t(row * categories + j)] / Real(divisor))), j};
      }
      largest_keys(out + row * samples, keys, samples);
    }
  });
}

}  // namespace lampas::cpu
