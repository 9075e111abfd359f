// Copies between strided tensors: memory order, conversion, fill.
#include "cpu/copy.h"

#include "core/threads.h"
#include "cpu/gemm_kernel.h"
#include "cpu/loops.h"
#include "cpu/strided.h"

namespace lampas::cpu {

namespace {

template <size_t Size>
void move_block(char* const* p, const bool* single, int64_t n, const EwParams&) {
  if (!single[1]) {
    std::memmove(p[0], p[1], size_t(n) * Size);
    return;
  }
  dispatch_size(Size, [&]<class T>(TypeTag<T>) {
    T v;
    std::memcpy(&v, p[1], Size);
    std::fill_n(reinterpret_cast<T*>(p[0]), n, v);
  });
}

BlockFn move_of(size_t size) {
  switch (size) {
    case 1:
      return &move_block<1>;
    case 2:
      return &move_block<2>;
    case 4:
      return &move_block<4>;
    case 8:
      return &move_block<8>;
    default:
      return &move_block<16>;
  }
}

// to[c][r] = from[r][c]; the rows lie `from_row` and `to_row` bytes apart.
template <class T>
void transpose_tile(int64_t rows, int64_t columns, const T* from, int64_t from_row, T* to, int64_t to_row) {
  constexpr int64_t item = sizeof(T);
  if (1 < rows && rows <= kWoven && to_row == rows * item) return weave(rows, from, from_row / item, to, columns);
  if constexpr (item == 4 || item == 8) {
    using F = std::conditional_t<item == 4, float, double>;  // moved, not computed with
    gemm_detail::transpose<F>(rows, columns, reinterpret_cast<const F*>(from), from_row / item,
                              reinterpret_cast<F*>(to), to_row / item);
  } else {
    for (int64_t c = 0; c < columns; c++)
      for (int64_t r = 0; r < rows; r++)
        *reinterpret_cast<T*>(reinterpret_cast<char*>(to + r) + c * to_row) =
            *reinterpret_cast<const T*>(reinterpret_cast<const char*>(from + c) + r * from_row);
  }
}

// A copy whose result is contiguous along dimension 0 and whose source is dense along k, in square tiles that fit the
// first-level cache. Tiles of a few columns, as the colours of pixels, are long.
template <class T>
void transpose(const Loop& l, int k) {
  constexpr int64_t kTile = 32, kLong = 4096, item = sizeof(T);
  int64_t rows = l.sizes[k], columns = l.sizes[0];
  int64_t out_row = l.args[0].strides[k], in_column = l.args[1].strides[0], in_row = l.args[1].strides[k];
  const int64_t height = columns <= kWoven && in_row == item ? kLong : kTile;
  int64_t row_tiles = (rows + height - 1) / height, column_tiles = (columns + kTile - 1) / kTile;
  const int64_t outer = l.numel / (rows * columns), grain = std::max<int64_t>(1, kGrain / (height * columns));
  parallel_for(0, outer * row_tiles, grain, [&](int64_t begin, int64_t end) {
    for (int64_t at = begin; at < end; at++) {
      int64_t r0 = at % row_tiles * height, r1 = std::min(r0 + height, rows), rest = at / row_tiles, out = 0, in = 0;
      for (int d = 1; d < l.ndim; d++) {
        if (d == k) continue;
        out += rest % l.sizes[d] * l.args[0].strides[d];
        in += rest % l.sizes[d] * l.args[1].strides[d];
        rest /= l.sizes[d];
      }
      for (int64_t tile = 0; tile < column_tiles; tile++) {
        int64_t c0 = tile * kTile, c1 = std::min(c0 + kTile, columns);
        const char* from = l.args[1].data + in + c0 * in_column + r0 * in_row;
        T* to = reinterpret_cast<T*>(l.args[0].data + out + r0 * out_row) + c0;
        if (in_row == item) {
          transpose_tile(c1 - c0, r1 - r0, reinterpret_cast<const T*>(from), in_column, to, out_row);
        } else {
          T dense[kTile * kTile];
          for (int64_t c = c0; c < c1; c++)
            gather_run(from + (c - c0) * in_column, in_row, dense + (c - c0) * kTile, r1 - r0);
          transpose_tile(c1 - c0, r1 - r0, dense, kTile * item, to, out_row);
        }
      }
    }
  });
}

template <class T>
void move(const Loop& l) {
  Unlocked unlocked(l.numel);
  parallel_for(0, l.numel, kGrain, [&](int64_t begin, int64_t end) {
    int64_t index[Loop::kMaxDims] = {}, rest = begin, out = 0, in = 0;
    const int64_t out_row = l.ndim > 1 ? l.args[0].strides[1] : 0, in_row = l.ndim > 1 ? l.args[1].strides[1] : 0;
    for (int d = 0; d < l.ndim; d++) {
      index[d] = rest % l.sizes[d];
      rest /= l.sizes[d];
      out += index[d] * l.args[0].strides[d];
      in += index[d] * l.args[1].strides[d];
    }
    for (int64_t at = begin; at < end;) {
      const int64_t n = std::min(l.sizes[0] - index[0], end - at);
      const int64_t rows = l.ndim > 1 && n == l.sizes[0] ? std::min(l.sizes[1] - index[1], (end - at) / n) : 1;
      move_rows<T>(l.args[1].data + in, l.args[1].strides[0], in_row, l.args[0].data + out, l.args[0].strides[0],
                   out_row, n, rows);
      at += rows * n;
      out += (rows - 1) * out_row - index[0] * l.args[0].strides[0];
      in += (rows - 1) * in_row - index[0] * l.args[1].strides[0];
      index[0] = 0;
      index[1] += rows - 1;
      for (int d = 1; d < l.ndim; d++) {
        out += l.args[0].strides[d];
        in += l.args[1].strides[d];
        if (++index[d] < l.sizes[d]) break;
        out -= l.sizes[d] * l.args[0].strides[d];
        in -= l.sizes[d] * l.args[1].strides[d];
        index[d] = 0;
      }
    }
  });
}

// Elements so many places apart still share their cache lines.
constexpr int64_t kDense = 4;

}  // namespace

void copy(Loop& l) {
  size_t size = item_size(l.args[0].dtype);
  if (l.args[0].dtype == l.args[1].dtype && l.ndim > 1 && l.args[0].strides[0] == int64_t(size) &&
      l.args[1].strides[0] != int64_t(size)) {
    const auto dense = [&](int64_t step) {
      return step == int64_t(size) ||
             (0 < step && step <= kDense * int64_t(size) && step < std::abs(l.args[1].strides[0]));
    };
    for (int k = 1; k < l.ndim; k++)
      if (dense(l.args[1].strides[k]) && l.sizes[k] >= 4 &&
          (l.sizes[k] > kDense || l.args[1].strides[0] > kDense * int64_t(size))) {
        Unlocked unlocked(l.numel);
        dispatch_size(size, [&]<class T>(TypeTag<T>) { transpose<T>(l, k); });
        return;
      }
  }
  if (l.args[0].dtype == l.args[1].dtype && l.types[0] == l.args[0].dtype) {
    dispatch_size(size, [&]<class T>(TypeTag<T>) { move<T>(l); });
    return;
  }
  const int64_t from_size = int64_t(item_size(l.args[1].dtype));
  if (l.ndim == 1 && l.args[0].strides[0] == int64_t(size) && l.args[1].strides[0] == from_size) {
    const ConvertFn convert = converter(l.args[1].dtype, l.args[0].dtype);
    Unlocked unlocked(l.numel);
    parallel_for(0, l.numel, kGrain, [&](int64_t b, int64_t e) {
      convert(l.args[1].data + b * from_size, l.args[0].data + b * int64_t(size), e - b);
    });
    return;
  }
  run(l, move_of(size), {});
}

}  // namespace lampas::cpu
