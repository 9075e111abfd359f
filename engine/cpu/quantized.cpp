// Between real and quantized values, and the quantized ops that are a pass over their elements.
#include "cpu/quantized.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/threads.h"

namespace lampas::cpu {
namespace {

// Calls f(Type) for the integers a quantized tensor stores.
template <class F>
void with_integer(DType type, F&& f) {
  if (type == DType::UInt8)
    f(uint8_t());
  else if (type == DType::Int8)
    f(int8_t());
  else
    f(int32_t());
}

// Calls f(channel, begin, end) for rows of `inner` elements, over all threads. One channel is cut anywhere.
template <class F>
void over_rows(int64_t outer, int64_t channels, int64_t inner, F&& f) {
  if (channels == 1) return parallel_for(0, outer * inner, kGrain, [&](int64_t b, int64_t e) { f(0, b, e); });
  parallel_for(0, outer * channels, std::max<int64_t>(1, kGrain / std::max<int64_t>(1, inner)),
               [&](int64_t begin, int64_t end) {
                 for (int64_t r = begin; r < end; r++) f(r % channels, r * inner, (r + 1) * inner);
               });
}

// What a float must be clamped to so that the conversion to T is defined. The largest int32 is no float.
template <class T>
constexpr float kLowest = float(std::numeric_limits<T>::min());
template <class T>
constexpr float kHighest = sizeof(T) == 4 ? 2147483520.f : float(std::numeric_limits<T>::max());

// x in steps, to the nearest even integer of T. Held inside T first, where 2^23 and more of it is left: adding and
// taking off that much rounds, in vectors, as nearbyint does. NaN becomes the lowest.
template <class T>
inline T nearest(float steps, float zero_point) {
  if constexpr (sizeof(T) == 4) {
    const float q = std::nearbyint(steps) + zero_point;
    return T(std::min(std::max(q, kLowest<T>), kHighest<T>));
  } else {
    constexpr float shift = 12582912;  // 1.5 * 2^23
    const float low = kLowest<T> - zero_point, high = kHighest<T> - zero_point;
    const float held = std::min(high, std::max(low, steps));  // in this order NaN becomes low
    return T(int32_t(held + shift - shift + zero_point));
  }
}

template <class T>
void scalar_pair(const QuantizedPairCall& c, int64_t begin, int64_t end) {
  const auto* a = static_cast<const T*>(c.in_a);
  const auto* b = static_cast<const T*>(c.in_b);
  auto* y = static_cast<T*>(c.out);
  const float sa = c.a.scale, sb = c.b.scale, inverse = 1 / c.y.scale, zero = float(c.y.zero_point);
  const int32_t za = int32_t(c.a.zero_point), zb = int32_t(c.b.zero_point);
  const float floor = c.relu ? 0.f : -INFINITY;
  auto store = [=](int64_t i, float v) { y[i] = nearest<T>((v > floor ? v : floor) * inverse, zero); };
  if (c.multiply)
#pragma omp simd
    for (int64_t i = begin; i < end; i++) store(i, (float(a[i] - za) * sa) * (float(b[i] - zb) * sb));
  else
#pragma omp simd
    for (int64_t i = begin; i < end; i++) store(i, float(a[i] - za) * sa + float(b[i] - zb) * sb);
}

}  // namespace

void quantize(const QuantizeCall& c) {
  with_integer(c.type, [&]<class T>(T) {
    over_rows(c.outer, c.channels, c.inner, [&](int64_t channel, int64_t begin, int64_t end) {
      // Locals, because a byte written might otherwise be one of the pointers.
      const auto* x = static_cast<const float*>(c.in);
      auto* y = static_cast<T*>(c.out);
      const float inverse = 1 / c.scales[channel], zero = float(c.zero_points[channel]);
#pragma omp simd
      for (int64_t i = begin; i < end; i++) y[i] = nearest<T>(x[i] * inverse, zero);
    });
  });
}

void dequantize(const QuantizeCall& c) {
  with_integer(c.type, [&]<class T>(T) {
    over_rows(c.outer, c.channels, c.inner, [&](int64_t channel, int64_t begin, int64_t end) {
      const auto* x = static_cast<const T*>(c.in);
      auto* y = static_cast<float*>(c.out);
      using Wide = std::conditional_t<sizeof(T) == 4, int64_t, int32_t>;
      const float scale = c.scales[channel];
      const Wide zero = Wide(c.zero_points[channel]);
#pragma omp simd
      for (int64_t i = begin; i < end; i++) y[i] = float(Wide(x[i]) - zero) * scale;
    });
  });
}

void fake_quantize(const FakeQuantizeCall& c) {
  auto run = [&]<class T>(T) {
    over_rows(c.outer, c.channels, c.inner, [&](int64_t channel, int64_t begin, int64_t end) {
      const auto* x = static_cast<const T*>(c.in);
      auto* y = static_cast<T*>(c.out);
      bool* inside = c.inside;
      const float low = float(c.low), high = float(c.high);
      const float scale = c.scales[channel], inverse = 1 / scale, zero = c.zero_points[channel];
#pragma omp simd
      for (int64_t i = begin; i < end; i++) {
        const float q = std::nearbyint(float(x[i]) * inverse + zero);
        inside[i] = (q >= low) & (q <= high);
        y[i] = T(((q > low ? (q < high ? q : high) : low) - zero) * scale);
      }
    });
  };
  if (c.type == DType::Float64)
    run(double());
  else
    run(float());
}

void quantized_pair(const QuantizedPairCall& c) {
  parallel_for(0, c.n, kGrain, [&](int64_t begin, int64_t end) {
    if (c.type == DType::UInt8)
      scalar_pair<uint8_t>(c, begin, end);
    else
      scalar_pair<int8_t>(c, begin, end);
  });
}

void lookup_bytes(int64_t n, const uint8_t* in, const uint8_t* table, uint8_t* out) {
  parallel_for(0, n, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) out[i] = table[in[i]];
  });
}

void range_of(int64_t n, const float* in, float* low, float* high) {
  const int64_t parts = std::clamp<int64_t>(n / kGrain, 1, 64), step = (n + parts - 1) / parts;
  std::vector<float> lows(size_t(parts), in[0]), highs(size_t(parts), in[0]);
  std::vector<char> nan(size_t(parts), 0);
  parallel_for(0, parts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; p++) {
      float least = in[0], most = in[0];
      int32_t bad = 0;
      const int64_t stop = std::min(n, (p + 1) * step);
#pragma omp simd reduction(min : least) reduction(max : most) reduction(| : bad)
      for (int64_t i = p * step; i < stop; i++) {
        least = in[i] < least ? in[i] : least;
        most = in[i] > most ? in[i] : most;
        bad |= in[i] != in[i];
      }
      lows[size_t(p)] = least, highs[size_t(p)] = most, nan[size_t(p)] = bad != 0;
    }
  });
  const bool bad = std::ranges::find(nan, 1) != nan.end();
  *low = bad ? NAN : *std::ranges::min_element(lows);
  *high = bad ? NAN : *std::ranges::max_element(highs);
}

}  // namespace lampas::cpu
