// The floating matrix product. Which way it goes depends on the shape alone:
//   one or few rows of C         dot products or row updates, bound by the memory of B;
//   little work                  tiles straight from the operands, nothing packed but a badly strided B;
//   all else                     panels packed to fit the caches, tiles of registers, rows of blocks shared by threads.
#include "cpu/gemm.h"

#include <algorithm>
#include <vector>

#include "core/allocator.h"
#include "core/threads.h"
#include "cpu/gemm_kernel.h"
#include "cpu/gemm_onednn.h"

namespace lampas::cpu {
namespace {

using namespace gemm_detail;

constexpr int64_t kWorkPerThread = 1 << 19;  // multiply-adds worth waking a thread for
constexpr int64_t kSmallWork = 1 << 18;      // up to here packing costs more than it brings
constexpr int kThinRows = 4;

template <class T>
inline constexpr int64_t kDepth = sizeof(T) == 4 ? 256 : 192;  // k of a block: its B panel fits L1
constexpr int64_t kBlockRows = 240;                            // its A block fits L2
constexpr int64_t kBlockColumns = 4096;                        // its B block fits L3

constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

template <class S, class T>
struct Problem {
  int64_t m, n, k;
  const S* a;
  int64_t a_row, a_col;
  const S* b;
  int64_t b_row, b_col;
  T* c;
  int64_t ldc;
  T alpha, beta;
  const T* bias;
};

// C = beta * C + bias, reading C only when beta is not zero.
template <class T>
void scale_rows(int64_t m, int64_t n, T* c, int64_t ldc, T beta, const T* bias) {
  if (beta == T(1) && !bias) return;
  for (int64_t i = 0; i < m; i++, c += ldc) {
    if (beta == T(0)) {
      if (bias)
        std::copy(bias, bias + n, c);
      else
        std::fill(c, c + n, T(0));
    } else if (bias) {
      for (int64_t j = 0; j < n; j++) c[j] = beta * c[j] + bias[j];
    } else {
      for (int64_t j = 0; j < n; j++) c[j] *= beta;
    }
  }
}

// Runs body(thread, threads) on a team; the body may call wait(threads) as a barrier.
template <class F>
void team(int threads, F&& body) {
  if (threads <= 1) return body(0, 1);
#pragma omp parallel num_threads(threads)
  body(omp_get_thread_num(), omp_get_num_threads());
}
inline void wait(int threads) {
  if (threads > 1) {
#pragma omp barrier
  }
}

int team_size(int64_t m, int64_t n, int64_t k) {
  int64_t work = m * n * k;
  if (work < 2 * kWorkPerThread) return 1;
  int available = num_threads();
  if (available == 1 || omp_in_parallel()) return 1;
  return int(std::min<int64_t>(available, work / kWorkPerThread));
}

// ---- all else ------------------------------------------------------------------------------------------------------

template <class S, class T>
void blocked(const Problem<S, T>& g) {
  constexpr int R = kTileRows, C = kTileColumns<T>;
  const int threads = team_size(g.m, g.n, g.k);
  const int64_t tile_rows = ceil_div(g.m, R);
  int64_t row_blocks = ceil_div(g.m, kBlockRows), column_blocks = 1;
  if (tile_rows >= 4 * threads)
    row_blocks = ceil_div(row_blocks, threads) * threads;
  else
    column_blocks = threads;
  const int64_t block_rows = ceil_div(tile_rows, row_blocks) * R;
  const int64_t depth = std::min(g.k, kDepth<T>);
  const int64_t panels_max = ceil_div(std::min(g.n, kBlockColumns), C);
  Scratch a_memory(sizeof(T) * threads * block_rows * depth), b_memory(sizeof(T) * panels_max * C * depth);
  T* const b_pack = b_memory.as<T>();

  team(threads, [&](int thread, int count) {
    T* const a_pack = a_memory.as<T>() + thread * block_rows * depth;
    for (int64_t j0 = 0; j0 < g.n; j0 += kBlockColumns) {
      const int64_t nj = std::min(kBlockColumns, g.n - j0), panels = ceil_div(nj, C);
      for (int64_t k0 = 0; k0 < g.k; k0 += depth) {
        const int64_t nk = std::min(depth, g.k - k0);
        for (int64_t p = panels * thread / count; p < panels * (thread + 1) / count; p++)
          pack_panel<C>(nk, int(std::min<int64_t>(C, nj - p * C)), g.b + k0 * g.b_row + (j0 + p * C) * g.b_col, g.b_col,
                        g.b_row, b_pack + p * C * nk);
        wait(count);
        const T beta = k0 == 0 ? g.beta : T(1);
        const T* bias = k0 == 0 ? g.bias : nullptr;
        int64_t packed_block = -1;
        for (int64_t item = thread; item < row_blocks * column_blocks; item += count) {
          const int64_t i0 = (item / column_blocks) * block_rows, ni = std::min(block_rows, g.m - i0);
          if (ni <= 0) continue;
          if (packed_block != i0) {
            for (int64_t i = 0; i < ni; i += R)
              pack_panel<R>(nk, int(std::min<int64_t>(R, ni - i)), g.a + (i0 + i) * g.a_row + k0 * g.a_col, g.a_row,
                            g.a_col, a_pack + i * nk);
            packed_block = i0;
          }
          const int64_t part = item % column_blocks;
          for (int64_t p = panels * part / column_blocks; p < panels * (part + 1) / column_blocks; p++) {
            const int64_t j = j0 + p * C;
            const int columns = int(std::min<int64_t>(C, g.n - j));
            for (int64_t i = 0; i < ni; i += R)
              run_tile<T, true>({nk, a_pack + i * nk, 1, R, b_pack + p * C * nk, C, g.c + (i0 + i) * g.ldc + j, g.ldc,
                                 g.alpha, beta, bias ? bias + j : nullptr},
                                int(std::min<int64_t>(R, ni - i)), columns);
          }
        }
        wait(count);
      }
    }
  });
}

// ---- little work ---------------------------------------------------------------------------------------------------

template <class T>
void direct(const Problem<T, T>& g) {
  constexpr int R = kTileRows, C = kTileColumns<T>;
  auto sweep = [&](int64_t j0, int64_t j1, const T* b, int64_t b_row, int64_t b_panel) {
    for (int64_t j = j0; j < j1; j += C) {
      const int columns = int(std::min<int64_t>(C, g.n - j));
      for (int64_t i = 0; i < g.m; i += R)
        run_tile<T, false>({g.k, g.a + i * g.a_row, g.a_row, g.a_col, b + j / C * b_panel, b_row, g.c + i * g.ldc + j,
                            g.ldc, g.alpha, g.beta, g.bias ? g.bias + j : nullptr},
                           int(std::min<int64_t>(R, g.m - i)), columns);
    }
  };
  if (g.b_col == 1) {
    const int threads = team_size(g.m, g.n, g.k);
    const int64_t panels = ceil_div(g.n, C);
    team(threads, [&](int thread, int count) {
      sweep(panels * thread / count * C, std::min(g.n, panels * (thread + 1) / count * C), g.b, g.b_row, C);
    });
    return;
  }
  auto packed = [&](T* pack) {
    for (int64_t j = 0; j < g.n; j += C)
      pack_panel<C>(g.k, int(std::min<int64_t>(C, g.n - j)), g.b + j * g.b_col, g.b_col, g.b_row, pack + j * g.k);
    sweep(0, g.n, pack, C, C * g.k);
  };
  constexpr int64_t on_stack = 1024;
  const int64_t needed = ceil_div(g.n, C) * C * g.k;
  if (needed <= on_stack) {
    alignas(64) T pack[on_stack];
    packed(pack);
  } else {
    packed(Scratch(needed * sizeof(T)).template as<T>());
  }
}

// ---- one or few rows -----------------------------------------------------------------------------------------------

// Rows of A against rows of B^T, both contiguous along k.
template <class T>
void thin_dots(const Problem<T, T>& g) {
  auto columns = [&](int64_t j0, int64_t j1, const T* a, int64_t a_row) {
    constexpr int N = 4;
    T out[kThinRows * N];
    for (int64_t j = j0; j < j1;) {
      const int width = j + N <= j1 ? N : 1;
      const T* b = g.b + j * g.b_col;
      auto run = [&]<int Rows>() {
        if (width == N)
          dot_tile<T, Rows, N>(g.k, a, a_row, b, g.b_col, out, N);
        else
          dot_tile<T, Rows, 1>(g.k, a, a_row, b, g.b_col, out, N);
      };
      if (g.m == 1)
        run.template operator()<1>();
      else if (g.m == 2)
        run.template operator()<2>();
      else if (g.m == 3)
        run.template operator()<3>();
      else
        run.template operator()<4>();
      for (int64_t i = 0; i < g.m; i++)
        for (int x = 0; x < width; x++) {
          T* c = g.c + i * g.ldc + j + x;
          T v = g.alpha * out[i * N + x];
          if (g.bias) v += g.bias[j + x];
          *c = g.beta == T(0) ? v : v + g.beta * *c;
        }
      j += width;
    }
  };
  const int64_t grain = std::max<int64_t>(1, kWorkPerThread / 4 / (g.m * g.k));
  if (g.a_col == 1) {
    parallel_for(0, g.n, grain, [&](int64_t b, int64_t e) { columns(b, e, g.a, g.a_row); });
  } else {
    Scratch memory(g.m * g.k * sizeof(T));
    T* a = memory.as<T>();
    for (int64_t i = 0; i < g.m; i++)
      for (int64_t p = 0; p < g.k; p++) a[i * g.k + p] = g.a[i * g.a_row + p * g.a_col];
    parallel_for(0, g.n, grain, [&](int64_t b, int64_t e) { columns(b, e, a, g.k); });
  }
}

// A single long dot product, in pieces of a fixed length so that the sum does not depend on the threads.
template <class T>
void long_dot(const Problem<T, T>& g) {
  constexpr int64_t piece = 1 << 15;
  const int64_t pieces = ceil_div(g.k, piece);
  Scratch memory(pieces * sizeof(T));
  T* part = memory.as<T>();
  parallel_for(0, pieces, 4, [&](int64_t b, int64_t e) {
    for (int64_t i = b; i < e; i++)
      dot_tile<T, 1, 1>(std::min(piece, g.k - i * piece), g.a + i * piece, 0, g.b + i * piece, 0, part + i, 1);
  });
  T sum = 0;
  for (int64_t i = 0; i < pieces; i++) sum += part[i];
  const T v = g.alpha * sum + (g.bias ? *g.bias : T(0));
  *g.c = g.beta == T(0) ? v : v + g.beta * *g.c;
}

// C rows += a few rows of B at a time, so that B is read once and in order.
template <class T>
void thin_updates(const Problem<T, T>& g) {
  constexpr int64_t depth = 8;
  const int64_t grain = std::max<int64_t>(256, kWorkPerThread / 4 / (g.m * g.k));
  parallel_for(0, g.n, grain, [&](int64_t begin, int64_t end) {
    constexpr int L = kLanes<T>;
    constexpr int64_t chunk = 2048;
    for (int64_t j0 = begin; j0 < end; j0 += chunk) {
      const int64_t n = std::min(chunk, end - j0);
      scale_rows(g.m, n, g.c + j0, g.ldc, g.beta, g.bias ? g.bias + j0 : nullptr);
      for (int64_t p = 0; p < g.k; p += depth) {
        const int64_t nk = std::min(depth, g.k - p);
        const T* b = g.b + p * g.b_row + j0;
        auto update = [&]<int Rows>(auto full) {
          T a[Rows][depth];
          for (int i = 0; i < Rows; i++)
            for (int64_t q = 0; q < nk; q++) a[i][q] = g.alpha * g.a[i * g.a_row + (p + q) * g.a_col];
          const int64_t steps = decltype(full)::value ? depth : nk;
          int64_t j = 0;
          auto step = [&](auto&& get, auto&& put) {
            Vector<T> acc[Rows];
            for (int i = 0; i < Rows; i++) acc[i] = get(g.c + i * g.ldc + j0 + j);
            for (int64_t q = 0; q < steps; q++) {
              Vector<T> bv = get(b + q * g.b_row + j);
              for (int i = 0; i < Rows; i++) acc[i] += broadcast(a[i][q]) * bv;
            }
            for (int i = 0; i < Rows; i++) put(g.c + i * g.ldc + j0 + j, acc[i]);
          };
          for (; j + L <= n; j += L) step([](const T* q) { return load(q); }, [](T* q, Vector<T> v) { store(q, v); });
          if (j < n) {
            const Lanes<T> tail(int(n - j));
            step([&](const T* q) { return tail.load(q); }, [&](T* q, Vector<T> v) { tail.store(q, v); });
          }
        };
        auto rows = [&](auto full) {
          if (g.m == 1)
            update.template operator()<1>(full);
          else if (g.m == 2)
            update.template operator()<2>(full);
          else if (g.m == 3)
            update.template operator()<3>(full);
          else
            update.template operator()<4>(full);
        };
        if (nk == depth)
          rows(std::true_type{});
        else
          rows(std::false_type{});
      }
    }
  });
}

// A column so short that every preparation would take longer.
template <class T>
void short_column(const Problem<T, T>& g) {
  for (int64_t i = 0; i < g.m; i++) {
    T sum = 0;
    for (int64_t p = 0; p < g.k; p++) sum += g.a[i * g.a_row + p * g.a_col] * g.b[p * g.b_row];
    T v = g.alpha * sum, *c = g.c + i * g.ldc;
    if (g.bias) v += *g.bias;
    *c = g.beta == T(0) ? v : v + g.beta * *c;
  }
}

template <class T>
void product(Problem<T, T> g) {
  if (g.n == 1 && g.m * g.k <= 128) return short_column(g);
  if (g.n == 1 && g.m > 1) {  // a column: as a row, with the operands exchanged
    if (g.ldc != 1) {
      Scratch memory(g.m * sizeof(T));
      T* column = memory.as<T>();
      for (int64_t i = 0; i < g.m; i++) column[i] = g.beta == T(0) ? T(0) : g.c[i * g.ldc];
      T* c = g.c;
      const int64_t ldc = g.ldc;
      g.c = column, g.ldc = 1;
      product(g);
      for (int64_t i = 0; i < g.m; i++) c[i * ldc] = column[i];
      return;
    }
    if (g.bias) {
      for (int64_t i = 0; i < g.m; i++) g.c[i] = *g.bias + (g.beta == T(0) ? T(0) : g.beta * g.c[i]);
      g.beta = T(1), g.bias = nullptr;
    }
    g = {1, g.m, g.k, g.b, g.b_col, g.b_row, g.a, g.a_col, g.a_row, g.c, g.m, g.alpha, g.beta, nullptr};
  }
  if (g.m <= kThinRows && g.n * g.k > 256) {
    if (g.n == 1 && g.m == 1 && g.a_col == 1 && g.b_row == 1) return long_dot(g);
    if (g.b_row == 1 && g.k >= kLanes<T>) return thin_dots(g);
    if (g.b_col == 1 && g.n * g.k > 8192 && g.n > 64) return thin_updates(g);
  }
  const int64_t work = g.m * g.n * g.k;
  if (work <= kSmallWork || (g.m <= 2 * kTileRows && g.b_col == 1)) return direct(g);
  if constexpr (std::is_same_v<T, float>) {
    if (onednn_sgemm(g.m, g.n, g.k, g.a, g.a_row, g.a_col, g.b, g.b_row, g.b_col, g.c, g.ldc, g.alpha, g.beta, g.bias))
      return;
  }
  blocked(g);
}

// ---- 16-bit floats -------------------------------------------------------------------------------------------------

// A matrix in float32, contiguous along the axis it was contiguous along.
template <class T>
struct Widened {
  Widened(const T* x, int64_t rows, int64_t columns, int64_t row, int64_t column)
      : memory(rows * columns * sizeof(float)),
        data(memory.as<float>()),
        row(column == 1 || row != 1 ? columns : 1),
        column(column == 1 || row != 1 ? 1 : rows) {
    const bool by_row = this->column == 1;
    const int64_t outer = by_row ? rows : columns, inner = by_row ? columns : rows;
    const int64_t so = by_row ? row : column, si = by_row ? column : row;
    parallel_for(0, outer, std::max<int64_t>(1, kGrain / std::max<int64_t>(1, inner)), [&](int64_t b, int64_t e) {
      for (int64_t i = b; i < e; i++) {
        const T* s = x + i * so;
        float* d = data + i * inner;
        if (si == 1)
          for (int64_t j = 0; j < inner; j++) d[j] = float(s[j]);
        else
          for (int64_t j = 0; j < inner; j++) d[j] = float(s[j * si]);
      }
    });
  }
  Scratch memory;
  float* data;
  int64_t row, column;
};

template <class T>
void product16(const Gemm<T>& g) {
  if (onednn_matmul16(g)) return;
  Scratch memory(g.m * g.n * sizeof(float)), bias_memory(g.n * sizeof(float));
  float* c = memory.as<float>();
  float* bias = g.bias ? bias_memory.as<float>() : nullptr;
  for (int64_t j = 0; bias && j < g.n; j++) bias[j] = g.bias[j];
  if (g.beta != 0)
    for (int64_t i = 0; i < g.m; i++)
      for (int64_t j = 0; j < g.n; j++) c[i * g.n + j] = g.c[i * g.ldc + j];
  if (g.m * g.n * g.k <= kSmallWork || g.m <= kThinRows || g.n == 1) {
    Widened<T> a(g.a, g.m, g.k, g.a_row, g.a_col), b(g.b, g.k, g.n, g.b_row, g.b_col);
    product<float>({g.m, g.n, g.k, a.data, a.row, a.column, b.data, b.row, b.column, c, g.n, g.alpha, g.beta, bias});
  } else {
    blocked<T, float>({g.m, g.n, g.k, g.a, g.a_row, g.a_col, g.b, g.b_row, g.b_col, c, g.n, g.alpha, g.beta, bias});
  }
  parallel_for(0, g.m, std::max<int64_t>(1, kGrain / g.n), [&](int64_t b, int64_t e) {
    for (int64_t i = b; i < e; i++)
      for (int64_t j = 0; j < g.n; j++) g.c[i * g.ldc + j] = T(c[i * g.n + j]);
  });
}

// ---- integers and complex numbers ----------------------------------------------------------------------------------

template <class T>
inline void multiply_add(T& c, T a, T b) {
  if constexpr (std::is_integral_v<T>) {
    c = T(c + a * b);  // wraps, as PyTorch's do
  } else {  // componentwise: the library's operator repairs infinities with a slow call that BLAS does not make
    using R = typename T::value_type;
    c = T(R(c.real() + a.real() * b.real() - a.imag() * b.imag()),
          R(c.imag() + a.real() * b.imag() + a.imag() * b.real()));
  }
}

template <class T>
void product_exact(const Gemm<T>& g) {
  constexpr int64_t width = 256, depth = 64;
  const int64_t row_work = std::max<int64_t>(1, g.n * g.k);
  parallel_for(0, g.m, std::max<int64_t>(1, 2 * kGrain / row_work), [&](int64_t begin, int64_t end) {
    Scratch memory(width * depth * sizeof(T));
    T* pack = memory.as<T>();
    T sums[width];
    for (int64_t j0 = 0; j0 < g.n; j0 += width) {
      const int64_t nj = std::min(width, g.n - j0);
      for (int64_t k0 = 0; k0 < g.k; k0 += depth) {
        const int64_t nk = std::min(depth, g.k - k0);
        const T* b = g.b + k0 * g.b_row + j0 * g.b_col;
        int64_t ldb = g.b_row;
        if (g.b_col != 1) {
          for (int64_t j = 0; j < nj; j++)
            for (int64_t p = 0; p < nk; p++) pack[p * width + j] = b[p * g.b_row + j * g.b_col];
          b = pack, ldb = width;
        }
        for (int64_t i = begin; i < end; i++) {
          std::fill(sums, sums + nj, T(0));
          for (int64_t p = 0; p < nk; p++) {
            const T a = g.a[i * g.a_row + (k0 + p) * g.a_col];
            const T* row = b + p * ldb;
            for (int64_t j = 0; j < nj; j++) multiply_add(sums[j], a, row[j]);
          }
          T* c = g.c + i * g.ldc + j0;
          const bool first = k0 == 0;
          for (int64_t j = 0; j < nj; j++) {
            T v = T(0);
            if (!first)
              v = c[j];
            else if (g.beta != T(0))
              multiply_add(v, g.beta, c[j]);
            if (first && g.bias) v = T(v + g.bias[j0 + j]);
            multiply_add(v, g.alpha, sums[j]);
            c[j] = v;
          }
        }
      }
    }
  });
}

template <class T>
void no_depth(const Gemm<T>& g) {
  for (int64_t i = 0; i < g.m; i++)
    for (int64_t j = 0; j < g.n; j++) {
      T& c = g.c[i * g.ldc + j];
      T v = g.bias ? g.bias[j] : T(0);
      c = g.beta == Compute<T>(0) ? v : T(v + g.beta * c);
    }
}

}  // namespace

template <class T>
void gemm(const Gemm<T>& g) {
  if (g.m <= 0 || g.n <= 0) return;
  if (g.k <= 0) return no_depth(g);
  if constexpr (std::is_floating_point_v<T>)
    product<T>({g.m, g.n, g.k, g.a, g.a_row, g.a_col, g.b, g.b_row, g.b_col, g.c, g.ldc, g.alpha, g.beta, g.bias});
  else if constexpr (k16BitFloat<T>)
    product16(g);
  else
    product_exact(g);
}

template <class T>
void gemm_batched(const Gemm<T>& g, const GemmBatch& batch) {
  int64_t count = 1;
  for (int d = 0; d < batch.rank; d++) count *= batch.sizes[d];
  if (count <= 0 || g.m <= 0 || g.n <= 0) return;
  auto run = [&](int64_t begin, int64_t end) {
    Gemm<T> one = g;
    std::vector<int64_t> index(size_t(batch.rank));
    const auto move = [&](int d, int64_t steps) {
      index[size_t(d)] += steps;
      one.a += steps * batch.a_strides[d], one.b += steps * batch.b_strides[d], one.c += steps * batch.c_strides[d];
    };
    int64_t rest = begin;
    for (int d = batch.rank; d-- > 0; rest /= batch.sizes[d]) move(d, rest % batch.sizes[d]);
    for (int64_t i = begin; i < end; i++) {
      gemm(one);
      for (int d = batch.rank; d-- > 0;) {
        move(d, 1);
        if (index[size_t(d)] < batch.sizes[d]) break;
        move(d, -index[size_t(d)]);
      }
    }
  };
  const int64_t work = std::max<int64_t>(1, g.m * g.n * g.k);
  // Whole products per thread, unless there are so few and so large ones that each is better shared.
  if (count < 2 * num_threads() && count % num_threads() != 0 && work >= 8 * kWorkPerThread) return run(0, count);
  parallel_for(0, count, std::max<int64_t>(1, kWorkPerThread / 2 / work), run);
}

#define LAMPAS_GEMM(T)                   \
  template void gemm<T>(const Gemm<T>&); \
  template void gemm_batched<T>(const Gemm<T>&, const GemmBatch&);
LAMPAS_GEMM(float)
LAMPAS_GEMM(double)
LAMPAS_GEMM(BFloat16)
LAMPAS_GEMM(Half)
LAMPAS_GEMM(uint8_t)
LAMPAS_GEMM(int8_t)
LAMPAS_GEMM(int16_t)
LAMPAS_GEMM(int32_t)
LAMPAS_GEMM(int64_t)
LAMPAS_GEMM(complex64)
LAMPAS_GEMM(complex128)
#undef LAMPAS_GEMM

}  // namespace lampas::cpu
