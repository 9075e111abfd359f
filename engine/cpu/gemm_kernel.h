// Register-level kernels of the floating matrix product: vectors, tiles, panels. Used by gemm.cpp alone.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#if defined(__AVX2__) || defined(__AVX512F__)
#include <immintrin.h>
#endif

namespace lampas::cpu::gemm_detail {

#if defined(__AVX512F__)
inline constexpr int kVectorBytes = 64;
inline constexpr int kTileRows = 12, kTileVectors = 2;  // 24 of 32 registers accumulate
#else
inline constexpr int kVectorBytes = 32;
inline constexpr int kTileRows = 6, kTileVectors = 2;  // 12 of 16
#endif

template <class T>
struct VectorOf {
  typedef T type __attribute__((vector_size(kVectorBytes)));
};
template <class T>
using Vector = typename VectorOf<T>::type;
template <class T>
inline constexpr int kLanes = kVectorBytes / int(sizeof(T));
template <class T>
inline constexpr int kTileColumns = kTileVectors * kLanes<T>;

template <class T>
inline Vector<T> load(const T* p) {
  Vector<T> v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
template <class T>
inline void store(T* p, Vector<T> v) {
  std::memcpy(p, &v, sizeof v);
}
template <class T>
inline Vector<T> broadcast(T x) {
  return x - Vector<T>{};
}

// The first `n` lanes of a vector, 0 < n <= lanes; memory behind them is not touched.
template <class T>
class Lanes {
 public:
#if defined(__AVX512F__)
  explicit Lanes(int n) : mask_(uint16_t((1u << n) - 1)) {}
  Vector<T> load(const T* p) const {
    if constexpr (sizeof(T) == 4)
      return (Vector<T>)_mm512_maskz_loadu_ps(mask_, p);
    else
      return (Vector<T>)_mm512_maskz_loadu_pd(__mmask8(mask_), p);
  }
  void store(T* p, Vector<T> v) const {
    if constexpr (sizeof(T) == 4)
      _mm512_mask_storeu_ps(p, mask_, (__m512)v);
    else
      _mm512_mask_storeu_pd(p, __mmask8(mask_), (__m512d)v);
  }

 private:
  uint16_t mask_;
#elif defined(__AVX2__)
  explicit Lanes(int n) {
    static constexpr int32_t table[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};
    mask_ = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(table + 8 - n * int(sizeof(T) / 4)));
  }
  Vector<T> load(const T* p) const {
    if constexpr (sizeof(T) == 4)
      return (Vector<T>)_mm256_maskload_ps(p, mask_);
    else
      return (Vector<T>)_mm256_maskload_pd(p, mask_);
  }
  void store(T* p, Vector<T> v) const {
    if constexpr (sizeof(T) == 4)
      _mm256_maskstore_ps(p, mask_, (__m256)v);
    else
      _mm256_maskstore_pd(p, mask_, (__m256d)v);
  }

 private:
  __m256i mask_;
#else
  explicit Lanes(int n) : n_(n) {}
  Vector<T> load(const T* p) const {
    Vector<T> v{};
    std::memcpy(&v, p, n_ * sizeof(T));
    return v;
  }
  void store(T* p, Vector<T> v) const { std::memcpy(p, &v, n_ * sizeof(T)); }

 private:
  int n_;
#endif
};

// Operands of one tile. Packed panels have constant strides (rows: kTileRows apart per k, columns: kTileColumns) and
// zeros where the matrix ends; unpacked ones are read where they lie, the last vector of B under a mask.
template <class T>
struct Tile {
  int64_t k;
  const T* a;
  int64_t a_row, a_col;
  const T* b;
  int64_t b_row;
  T* c;
  int64_t ldc;
  T alpha, beta;
  const T* bias;
};

template <class T, int Rows, int Vectors, bool Packed>
void tile(const Tile<T>& t, int last_lanes) {
  constexpr int L = kLanes<T>;
  const Lanes<T> last(last_lanes);
  Vector<T> acc[Rows][Vectors] = {};
  const T* a = t.a;
  const T* b = t.b;
  const int64_t a_row = Packed ? 1 : t.a_row, a_col = Packed ? kTileRows : t.a_col;
  const int64_t b_row = Packed ? kTileColumns<T> : t.b_row;
  for (int64_t p = 0; p < t.k; p++) {
    Vector<T> bv[Vectors];
#pragma GCC unroll 2
    for (int j = 0; j < Vectors; j++) bv[j] = Packed || j + 1 < Vectors ? load(b + j * L) : last.load(b + j * L);
#pragma GCC unroll 12
    for (int i = 0; i < Rows; i++) {
      Vector<T> av = broadcast(a[i * a_row]);
#pragma GCC unroll 2
      for (int j = 0; j < Vectors; j++) acc[i][j] += av * bv[j];
    }
    a += a_col;
    b += b_row;
  }
  const Vector<T> alpha = broadcast(t.alpha), beta = broadcast(t.beta);
#pragma GCC unroll 2
  for (int j = 0; j < Vectors; j++) {
    const bool partial = j + 1 == Vectors;
    Vector<T> bias{};
    if (t.bias) bias = partial ? last.load(t.bias + j * L) : load(t.bias + j * L);
#pragma GCC unroll 12
    for (int i = 0; i < Rows; i++) {
      T* c = t.c + i * t.ldc + j * L;
      Vector<T> v = acc[i][j] * alpha;
      if (t.bias) v += bias;
      if (t.beta != T(0)) v += beta * (partial ? last.load(c) : load(c));
      if (partial)
        last.store(c, v);
      else
        store(c, v);
    }
  }
}

// tile<> with run-time extents: rows <= kTileRows, columns <= kTileColumns.
template <class T, bool Packed, int Rows = kTileRows>
inline void run_tile(const Tile<T>& t, int rows, int columns) {
  if constexpr (Rows > 1) {
    if (rows < Rows) return run_tile<T, Packed, Rows - 1>(t, rows, columns);
  }
  constexpr int L = kLanes<T>;
  if (columns > L)
    tile<T, Rows, 2, Packed>(t, columns - L);
  else
    tile<T, Rows, 1, Packed>(t, columns);
}

#if defined(__AVX2__)
// dst[c][r] = src[r][c] for an 8 x 8 block of floats or a 4 x 4 block of doubles.
inline constexpr int transpose_side(float*) { return 8; }
inline constexpr int transpose_side(double*) { return 4; }
inline void transpose_block(const float* src, int64_t ld_src, float* dst, int64_t ld_dst) {
  __m256 r[8], s[8];
  for (int i = 0; i < 8; i++) r[i] = _mm256_loadu_ps(src + i * ld_src);
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
    _mm256_storeu_ps(dst + i * ld_dst, _mm256_permute2f128_ps(r[i], r[i + 4], 0x20));
    _mm256_storeu_ps(dst + (i + 4) * ld_dst, _mm256_permute2f128_ps(r[i], r[i + 4], 0x31));
  }
}
inline void transpose_block(const double* src, int64_t ld_src, double* dst, int64_t ld_dst) {
  __m256d r[4], s[4];
  for (int i = 0; i < 4; i++) r[i] = _mm256_loadu_pd(src + i * ld_src);
  for (int i = 0; i < 4; i += 2) {
    s[i] = _mm256_unpacklo_pd(r[i], r[i + 1]);
    s[i + 1] = _mm256_unpackhi_pd(r[i], r[i + 1]);
  }
  for (int i = 0; i < 2; i++) {
    _mm256_storeu_pd(dst + i * ld_dst, _mm256_permute2f128_pd(s[i], s[i + 2], 0x20));
    _mm256_storeu_pd(dst + (i + 2) * ld_dst, _mm256_permute2f128_pd(s[i], s[i + 2], 0x31));
  }
}
#endif

// dst[c][r] = src[r][c] for rows x columns numbers.
template <class T>
void transpose(int64_t rows, int64_t columns, const T* src, int64_t ld_src, T* dst, int64_t ld_dst) {
  int64_t r = 0;
#if defined(__AVX2__)
  constexpr int side = transpose_side(static_cast<T*>(nullptr));
  for (; r + side <= rows; r += side) {
    int64_t c = 0;
    for (; c + side <= columns; c += side) transpose_block(src + r * ld_src + c, ld_src, dst + c * ld_dst + r, ld_dst);
    for (; c < columns; c++)
      for (int64_t i = r; i < r + side; i++) dst[c * ld_dst + i] = src[i * ld_src + c];
  }
#endif
  for (; r < rows; r++)
    for (int64_t c = 0; c < columns; c++) dst[c * ld_dst + r] = src[r * ld_src + c];
}

// Copies `width` <= Width lanes over k steps into dst[k][Width], padding with zeros; S converts to T on the way.
template <int Width, class T, class S>
void pack_panel(int64_t k, int width, const S* src, int64_t stride_lane, int64_t stride_k, T* dst) {
  if (width == Width && stride_lane == 1) {
    for (int64_t p = 0; p < k; p++, src += stride_k, dst += Width)
      for (int w = 0; w < Width; w++) dst[w] = T(src[w]);
    return;
  }
  int64_t p = 0;
#if defined(__AVX2__)
  if constexpr (std::is_same_v<T, S>) {
    constexpr int side = transpose_side(static_cast<T*>(nullptr));
    if (stride_k == 1 && width == Width && Width >= side) {
      for (; p + side <= k; p += side)
        for (int w = 0;;) {  // the last block overlaps its neighbour when Width is no multiple of the side
          transpose_block(src + w * stride_lane + p, stride_lane, dst + p * Width + w, Width);
          if (w + side == Width) break;
          w = w + 2 * side <= Width ? w + side : Width - side;
        }
    }
  }
#endif
  for (; p < k; p++) {
    const S* s = src + p * stride_k;
    T* d = dst + p * Width;
    for (int w = 0; w < width; w++) d[w] = T(s[w * stride_lane]);
    for (int w = width; w < Width; w++) d[w] = T(0);
  }
}

// All lanes joined, by halves; join() takes numbers and vectors alike. Halves cut from memory would keep the vector
// there in the loop that computes it.
template <class V, class F>
inline auto join_lanes(V v, F join) {
  using T = std::remove_cvref_t<decltype(v[0])>;
  constexpr int half = sizeof(V) / sizeof(T) / 2;
  if constexpr (half == 1)
    return T(join(T(v[0]), T(v[1])));
  else
    return [&]<int... I>(std::integer_sequence<int, I...>) {
      return join_lanes(join(__builtin_shufflevector(v, v, I...), __builtin_shufflevector(v, v, (I + half)...)), join);
    }(std::make_integer_sequence<int, half>{});
}

// out[i * ld_out + j] = dot(a_i, b_j) for Rows x Columns vectors of k contiguous elements.
template <class T, int Rows, int Columns>
void dot_tile(int64_t k, const T* a, int64_t lda, const T* b, int64_t ldb, T* out, int64_t ld_out) {
  constexpr int L = kLanes<T>;
  Vector<T> acc[Rows][Columns] = {};
  auto step = [&](auto&& get, int64_t p) {
    Vector<T> av[Rows];
#pragma GCC unroll 4
    for (int i = 0; i < Rows; i++) av[i] = get(a + i * lda + p);
#pragma GCC unroll 8
    for (int j = 0; j < Columns; j++) {
      Vector<T> bv = get(b + j * ldb + p);
#pragma GCC unroll 4
      for (int i = 0; i < Rows; i++) acc[i][j] += av[i] * bv;
    }
  };
  int64_t p = 0;
  for (; p + L <= k; p += L) step([](const T* q) { return load(q); }, p);
  if (p < k) {
    const Lanes<T> tail(int(k - p));
    step([&](const T* q) { return tail.load(q); }, p);
  }
  for (int i = 0; i < Rows; i++)
    for (int j = 0; j < Columns; j++) out[i * ld_out + j] = join_lanes(acc[i][j], [](auto a, auto b) { return a + b; });
}

}  // namespace lampas::cpu::gemm_detail
