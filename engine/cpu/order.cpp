#include "cpu/order.h"

#include <algorithm>
#include <cstring>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "core/dtype.h"
#include "core/threads.h"
#include "cpu/strided.h"

namespace lampas::cpu {
namespace {

template <class T>
struct Block {
  static constexpr int side = 8;
  static void run(const T* in, int64_t ld_in, T* out, int64_t ld_out) {
    for (int i = 0; i < side; i++)
      for (int j = 0; j < side; j++) out[j * ld_out + i] = in[i * ld_in + j];
  }
};

#if defined(__AVX2__)
template <>
struct Block<uint32_t> {
  static constexpr int side = 8;
  static void run(const uint32_t* in, int64_t ld_in, uint32_t* out, int64_t ld_out) {
    __m256 r[8], s[8];
    for (int i = 0; i < 8; i++) r[i] = _mm256_loadu_ps(reinterpret_cast<const float*>(in + i * ld_in));
    for (int i = 0; i < 8; i += 2) {
      s[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
      s[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
      r[i] = _mm256_shuffle_ps(s[i], s[i + 2], 0x44);
      r[i + 1] = _mm256_shuffle_ps(s[i], s[i + 2], 0xee);
      r[i + 2] = _mm256_shuffle_ps(s[i + 1], s[i + 3], 0x44);
      r[i + 3] = _mm256_shuffle_ps(s[i + 1], s[i + 3], 0xee);
    }
    for (int i = 0; i < 4; i++) {
      _mm256_storeu_ps(reinterpret_cast<float*>(out + i * ld_out), _mm256_permute2f128_ps(r[i], r[i + 4], 0x20));
      _mm256_storeu_ps(reinterpret_cast<float*>(out + (i + 4) * ld_out), _mm256_permute2f128_ps(r[i], r[i + 4], 0x31));
    }
  }
};

template <>
struct Block<uint16_t> {
  static constexpr int side = 8;
  static void run(const uint16_t* in, int64_t ld_in, uint16_t* out, int64_t ld_out) {
    __m128i r[8], s[8];
    for (int i = 0; i < 8; i++) r[i] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(in + i * ld_in));
    for (int i = 0; i < 8; i += 2) {
      s[i] = _mm_unpacklo_epi16(r[i], r[i + 1]);
      s[i + 1] = _mm_unpackhi_epi16(r[i], r[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
      r[i] = _mm_unpacklo_epi32(s[i], s[i + 2]);
      r[i + 1] = _mm_unpackhi_epi32(s[i], s[i + 2]);
      r[i + 2] = _mm_unpacklo_epi32(s[i + 1], s[i + 3]);
      r[i + 3] = _mm_unpackhi_epi32(s[i + 1], s[i + 3]);
    }
    for (int i = 0; i < 4; i++) {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(out + 2 * i * ld_out), _mm_unpacklo_epi64(r[i], r[i + 4]));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(out + (2 * i + 1) * ld_out), _mm_unpackhi_epi64(r[i], r[i + 4]));
    }
  }
};
#endif

// Few rows or columns, as the colours of an image; the many ones of all images are shared out end to end.
template <class T>
void transpose_few(int64_t batch, int64_t rows, int64_t columns, const T* in, T* out) {
  const int64_t few = std::min(rows, columns), many = std::max(rows, columns), step = few * int64_t(sizeof(T));
  parallel_for(0, batch * many, std::max<int64_t>(1, kGrain / few), [&](int64_t begin, int64_t end) {
    for (int64_t at = begin, count; at < end; at += count) {
      const int64_t j = at % many;
      count = std::min(end - at, many - j);
      const T* src = in + (at - j) * few;
      T* dst = out + (at - j) * few;
      if (rows == few)
        weave(few, src + j, many, dst + j * few, count);
      else
        for (int64_t i = 0; i < few; i++)
          gather_run(reinterpret_cast<const char*>(src + j * few + i), step, dst + i * many + j, count);
    }
  });
}

template <class T>
void transpose_typed(int64_t batch, int64_t rows, int64_t columns, const T* in, T* out) {
  constexpr int side = Block<T>::side;
  if (std::min(rows, columns) <= kWoven) return transpose_few(batch, rows, columns, in, out);
  // A strip of the result, `strip` of its rows, is written from all rows of the input; reads come a cache line at a
  // time.
  constexpr int64_t strip = 64 / int64_t(sizeof(T)) > side ? 64 / int64_t(sizeof(T)) : side;
  const int64_t strips = (columns + strip - 1) / strip;
  const int64_t grain = std::max<int64_t>(1, kGrain / (strip * std::max<int64_t>(1, rows)));
  parallel_for(0, batch * strips, grain, [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; item++) {
      const int64_t b = item / strips, j0 = item % strips * strip, j1 = std::min(columns, j0 + strip);
      const T* src = in + b * rows * columns;
      T* dst = out + b * rows * columns;
      int64_t i = 0;
      for (; i + side <= rows; i += side) {
        int64_t j = j0;
        for (; j + side <= j1; j += side) Block<T>::run(src + i * columns + j, columns, dst + j * rows + i, rows);
        for (; j < j1; j++)
          for (int64_t x = i; x < i + side; x++) dst[j * rows + x] = src[x * columns + j];
      }
      for (; i < rows; i++)
        for (int64_t j = j0; j < j1; j++) dst[j * rows + i] = src[i * columns + j];
    }
  });
}

}  // namespace

void transpose_batches(int64_t batch, int64_t rows, int64_t columns, int item_size, const void* in, void* out) {
  if (batch <= 0 || rows <= 0 || columns <= 0) return;
  if (rows == 1 || columns == 1) {
    const size_t bytes = size_t(rows * columns * item_size);
    parallel_for(0, batch, std::max<int64_t>(1, int64_t(4 * kGrain / bytes)), [&](int64_t b, int64_t e) {
      std::memcpy(static_cast<char*>(out) + b * bytes, static_cast<const char*>(in) + b * bytes, (e - b) * bytes);
    });
    return;
  }
  dispatch_size(size_t(item_size), [&](auto tag) {
    using T = typename decltype(tag)::type;
    transpose_typed(batch, rows, columns, static_cast<const T*>(in), static_cast<T*>(out));
  });
}

}  // namespace lampas::cpu
