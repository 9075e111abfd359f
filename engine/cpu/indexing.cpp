// Reading and writing elements at positions that are data. Positions have been checked; nothing here can go out of
// bounds.
//
// Writes to one place happen in the order of the positions, whatever the number of threads: threads share out the
// dimensions that are not indexed, never the positions.
#include "cpu/indexing.h"

#include <cstring>
#include <mutex>

#include "core/threads.h"

namespace lampas::cpu {

IndexRange index_range(const int64_t* index, int64_t n) {
  IndexRange all;
  if (n == 0) return all;
  all = {index[0], index[0]};
  std::mutex guard;
  parallel_for(0, n, 4 * kGrain, [&](int64_t b, int64_t e) {
    int64_t low = index[b], high = index[b];
    for (int64_t i = b; i < e; i++) {  // by value: std::min takes places, and no vectors
      const int64_t at = index[i];
      low = at < low ? at : low;
      high = at > high ? at : high;
    }
    std::lock_guard lock(guard);
    all = {std::min(all.low, low), std::max(all.high, high)};
  });
  return all;
}

void index_offsets(const IndexOffsetsCall& c) {
  parallel_for(0, c.n, kGrain, [&](int64_t b, int64_t e) {
    for (int k = 0; k < c.count; k++) {
      const int64_t* p = c.index[k];
      int64_t size = c.sizes[k], stride = c.strides[k];
      if (k == 0)
        for (int64_t i = b; i < e; i++) c.out[i] = (p[i] < 0 ? p[i] + size : p[i]) * stride;
      else
        for (int64_t i = b; i < e; i++) c.out[i] += (p[i] < 0 ? p[i] + size : p[i]) * stride;
    }
  });
}

namespace {

template <class T>
T add(T a, T b) {
  if constexpr (std::is_same_v<T, bool>)
    return a || b;
  else if constexpr (k16BitFloat<T>)
    return T(float(a) + float(b));
  else
    return T(a + b);
}
template <class T>
T multiply(T a, T b) {
  if constexpr (std::is_same_v<T, bool>)
    return a && b;
  else if constexpr (k16BitFloat<T>)
    return T(float(a) * float(b));
  else
    return T(a * b);
}
template <class T>
constexpr bool kOrdered = !std::is_same_v<T, complex64> && !std::is_same_v<T, complex128>;
template <class T>
bool is_nan(T v) {
  if constexpr (std::is_integral_v<T>)
    return false;
  else
    return float(v) != float(v);
}
template <class T>
T larger(T a, T b) {
  if constexpr (kOrdered<T>)
    return is_nan(a) ? a : is_nan(b) || b > a ? b : a;
  else
    return a;
}
template <class T>
T smaller(T a, T b) {
  if constexpr (kOrdered<T>)
    return is_nan(a) ? a : is_nan(b) || b < a ? b : a;
  else
    return a;
}

// What happens between an element of the indexed tensor and one of the other.
struct Reads {
  template <class T>
  static void run(T& indexed, T& other) {
    other = indexed;
  }
};
struct Writes {
  template <class T>
  static void run(T& indexed, T& other) {
    indexed = other;
  }
};
struct Adds {
  template <class T>
  static void run(T& indexed, T& other) {
    indexed = add(indexed, other);
  }
};
struct Multiplies {
  template <class T>
  static void run(T& indexed, T& other) {
    indexed = multiply(indexed, other);
  }
};
struct Maxes {
  template <class T>
  static void run(T& indexed, T& other) {
    indexed = larger(indexed, other);
  }
};
struct Mins {
  template <class T>
  static void run(T& indexed, T& other) {
    indexed = smaller(indexed, other);
  }
};

template <class T>
T& at(char* p, int64_t offset) {
  return *reinterpret_cast<T*>(p + offset);
}

constexpr int64_t kBlock = 256;

// n elements in a row on both sides.
template <class T, class F>
void along(char* indexed, int64_t indexed_step, char* other, int64_t other_step, int64_t n) {
  if (indexed_step == sizeof(T) && other_step == sizeof(T)) {
    if constexpr (std::is_same_v<F, Reads>) {
      std::memcpy(other, indexed, size_t(n) * sizeof(T));
    } else if constexpr (std::is_same_v<F, Writes>) {
      std::memcpy(indexed, other, size_t(n) * sizeof(T));
    } else {
      T* a = reinterpret_cast<T*>(indexed);
      T* b = reinterpret_cast<T*>(other);
#pragma GCC ivdep
      for (int64_t k = 0; k < n; k++) F::run(a[k], b[k]);
    }
    return;
  }
  if (!std::is_same_v<F, Reads> && indexed_step == sizeof(T)) {
    // Such as the gradient of a sum, one number seen everywhere.
    T block[kBlock];
    for (int64_t begin = 0; begin < n; begin += kBlock) {
      const int64_t m = std::min(kBlock, n - begin);
      if (other_step != 0)
        for (int64_t k = 0; k < m; k++) block[k] = at<T>(other, (begin + k) * other_step);
      else if (begin == 0)
        std::fill_n(block, m, at<T>(other, 0));
      along<T, F>(indexed + begin * int64_t(sizeof(T)), sizeof(T), reinterpret_cast<char*>(block), sizeof(T), m);
    }
    return;
  }
  for (int64_t k = 0; k < n; k++) F::run(at<T>(indexed, k * indexed_step), at<T>(other, k * other_step));
}

// Walks the flattened range [begin, end) of dimensions [first, ndim), in runs along `first`: f(index in `first`,
// length, offsets).
template <class F>
void for_runs(int ndim, const int64_t* sizes, const int64_t* const* strides, int operands, int first, int64_t begin,
              int64_t end, F&& f) {
  int64_t offset[3] = {};
  if (first >= ndim) {
    f(0, end - begin, offset);
    return;
  }
  for (int64_t pos = begin; pos < end;) {
    int64_t rest = pos / sizes[first], start = pos % sizes[first], length = std::min(sizes[first] - start, end - pos);
    for (int a = 0; a < operands; a++) offset[a] = start * strides[a][first];
    for (int d = first + 1; d < ndim; d++) {
      int64_t i = rest % sizes[d];
      rest /= sizes[d];
      for (int a = 0; a < operands; a++) offset[a] += i * strides[a][d];
    }
    f(start, length, offset);
    pos += length;
  }
}

template <class T, class F>
void run_index(const IndexCall& c) {
  int64_t others = 1;
  for (int d = 0; d < c.ndim; d++) others *= c.sizes[d];
  if (others == 0 || c.n == 0) return;
  const int64_t* strides[2] = {c.indexed_strides, c.other_strides};
  constexpr bool reads = std::is_same_v<F, Reads>;
  constexpr int64_t item = sizeof(T);
  const bool dense = c.ndim > 0 && c.indexed_strides[0] == item, both = dense && c.other_strides[0] == item;
  const bool rows = c.ndim > 0 && (both              ? c.sizes[0] >= 4 || c.sizes[0] >= c.n
                                   : dense && !reads ? c.sizes[0] >= 16
                                                     : c.n <= 4 && c.sizes[0] > 4 * c.n);
  int64_t row = c.ndim ? c.sizes[0] : 1;
  Unlocked unlocked(others * c.n);
  if (rows && reads && others / row * c.n >= 4) {
    // Whole rows, shared out over everything.
    parallel_for(0, others / row * c.n, std::max<int64_t>(1, kGrain / row), [&](int64_t begin, int64_t end) {
      for (int64_t at = begin; at < end;) {
        int64_t rest = at / c.n, i = at % c.n, stop = std::min(c.n, i + end - at);
        char *x = c.indexed, *y = c.other;
        for (int d = 1; d < c.ndim; d++) {
          x += rest % c.sizes[d] * c.indexed_strides[d];
          y += rest % c.sizes[d] * c.other_strides[d];
          rest /= c.sizes[d];
        }
        at += stop - i;
        for (; i < stop; i++)
          along<T, F>(x + c.offsets[i], c.indexed_strides[0], y + i * c.step, c.other_strides[0], row);
      }
    });
  } else if (rows) {
    // Rows cut lengthwise: every thread does all positions of its part.
    parallel_for(0, others, std::max<int64_t>(16, kGrain / c.n), [&](int64_t begin, int64_t end) {
      for_runs(c.ndim, c.sizes, strides, 2, 0, begin, end, [&](int64_t, int64_t length, const int64_t* o) {
        for (int64_t i = 0; i < c.n; i++)
          along<T, F>(c.indexed + o[0] + c.offsets[i], c.indexed_strides[0], c.other + o[1] + i * c.step,
                      c.other_strides[0], length);
      });
    });
  } else {
    auto positions = [&](const int64_t* o, int64_t from, int64_t to) {
      char *x = c.indexed + o[0], *y = c.other + o[1];
      if (c.step == item) {
        T* t = reinterpret_cast<T*>(y);
        const int64_t* offsets = c.offsets;
        for (int64_t i = from; i < to; i++) F::run(at<T>(x, offsets[i]), t[i]);
      } else {
        for (int64_t i = from; i < to; i++) F::run(at<T>(x, c.offsets[i]), at<T>(y, i * c.step));
      }
    };
    if (reads && others < 2 * num_threads()) {
      for (int64_t k = 0; k < others; k++)
        for_runs(c.ndim, c.sizes, strides, 2, 0, k, k + 1, [&](int64_t, int64_t, const int64_t* o) {
          parallel_for(0, c.n, kGrain, [&](int64_t b, int64_t e) { positions(o, b, e); });
        });
      return;
    }
    parallel_for(0, others, std::max<int64_t>(1, kGrain / c.n), [&](int64_t begin, int64_t end) {
      for_runs(c.ndim, c.sizes, strides, 2, 0, begin, end, [&](int64_t, int64_t length, const int64_t* o) {
        int64_t p[2] = {o[0], o[1]};
        for (int64_t k = 0; k < length; k++) {
          positions(p, 0, c.n);
          if (c.ndim) p[0] += c.indexed_strides[0], p[1] += c.other_strides[0];
        }
      });
    });
  }
}

template <class T, class F>
void run_gather(const GatherCall& c) {
  const int64_t* strides[3] = {c.index_strides, c.other_strides, c.indexed_strides};
  int64_t others = 1;
  for (int d = 1; d < c.ndim; d++) others *= c.sizes[d];
  int64_t n = c.sizes[0];
  if (others == 0 || n == 0) return;
  Unlocked unlocked(others * n);
  const char* index = reinterpret_cast<const char*>(c.index);
  // Dimension 0 is the one that is indexed; it goes innermost only where the index lies contiguous along it.
  bool inner = c.index_strides[0] == int64_t(sizeof(int64_t)) && n > 1;
  int64_t si = c.ndim > 1 ? c.index_strides[1] : 0, so = c.ndim > 1 ? c.other_strides[1] : 0,
          sx = c.ndim > 1 ? c.indexed_strides[1] : 0;
  int64_t di = c.index_strides[0], other_step = c.other_strides[0], step = c.indexed_strides[0];
  // count elements whose indices, partners and tables lie at constant distances
  auto line = [step](const char* i, int64_t i_step, char* y, int64_t y_step, char* x, int64_t x_step, int64_t count) {
    if (i_step == 8 && y_step == int64_t(sizeof(T)) && x_step == 0) {
      const int64_t* p = reinterpret_cast<const int64_t*>(i);
      T* out = reinterpret_cast<T*>(y);
      if (step == int64_t(sizeof(T))) {
        T* table = reinterpret_cast<T*>(x);
        for (int64_t k = 0; k < count; k++) F::run(table[p[k]], out[k]);
      } else {
        for (int64_t k = 0; k < count; k++) F::run(at<T>(x, p[k] * step), out[k]);
      }
      return;
    }
    for (int64_t k = 0; k < count; k++, i += i_step, y += y_step, x += x_step)
      F::run(at<T>(x, *reinterpret_cast<const int64_t*>(i) * step), at<T>(y, 0));
  };
  parallel_for(0, others, std::max<int64_t>(1, kGrain / n), [&](int64_t begin, int64_t end) {
    for_runs(c.ndim, c.sizes, strides, 3, 1, begin, end, [&](int64_t, int64_t length, const int64_t* o) {
      const char* i = index + o[0];
      char *y = c.other + o[1], *x = c.indexed + o[2];
      if (inner)
        for (int64_t k = 0; k < length; k++) line(i + k * si, di, y + k * so, other_step, x + k * sx, 0, n);
      else
        for (int64_t j = 0; j < n; j++) line(i + j * di, si, y + j * other_step, so, x, sx, length);
    });
  });
}

}  // namespace

void index(const IndexCall& c) {
  if (c.mode == IndexMode::Read || c.mode == IndexMode::Write)
    return dispatch_size(item_size(c.type), [&]<class T>(TypeTag<T>) {
      c.mode == IndexMode::Read ? run_index<T, Reads>(c) : run_index<T, Writes>(c);
    });
  dispatch(c.type, [&]<class T>(TypeTag<T>) { run_index<T, Adds>(c); });
}

void gather(const GatherCall& c) {
  if (c.mode == IndexMode::Read || c.mode == IndexMode::Write)
    return dispatch_size(item_size(c.type), [&]<class T>(TypeTag<T>) {
      c.mode == IndexMode::Read ? run_gather<T, Reads>(c) : run_gather<T, Writes>(c);
    });
  dispatch(c.type, [&]<class T>(TypeTag<T>) {
    switch (c.mode) {
      case IndexMode::Add:
        return run_gather<T, Adds>(c);
      case IndexMode::Multiply:
        return run_gather<T, Multiplies>(c);
      case IndexMode::Max:
        return run_gather<T, Maxes>(c);
      default:
        return run_gather<T, Mins>(c);
    }
  });
}

int64_t count_true(const bool* mask, int64_t n) {
  int64_t total = 0;
  std::mutex guard;
  Unlocked unlocked(n);
  parallel_for(0, n, 4 * kGrain, [&](int64_t b, int64_t e) {
    const uint8_t* p = reinterpret_cast<const uint8_t*>(mask);
    int64_t count = 0;
    for (int64_t i = b; i < e; i++) count += p[i];
    std::lock_guard lock(guard);
    total += count;
  });
  return total;
}

void true_positions(const TruePositionsCall& c) {
  Unlocked unlocked(c.n);
  // Positions in the flattened mask go into the last row, without a branch for each element; then they are taken apart.
  int64_t* flat = c.out + (c.ndim - 1) * c.count;
  for (int64_t i = 0, found = 0; found < c.count; i++) {
    uint64_t eight;
    while (i + 8 <= c.n && (std::memcpy(&eight, c.mask + i, 8), eight == 0)) i += 8;
    flat[found] = i;
    found += c.mask[i];
  }
  if (c.ndim == 1) return;
  parallel_for(0, c.count, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; k++) {
      uint64_t at = uint64_t(flat[k]);
      for (int d = c.ndim - 1; d >= 0; d--) {
        uint64_t size = uint64_t(c.sizes[d]);
        uint64_t above = at >> 32 ? at / size : uint32_t(at) / uint32_t(std::min<uint64_t>(size, UINT32_MAX));
        c.out[d * c.count + k] = int64_t(at - above * size);
        at = above;
      }
    }
  });
}

}  // namespace lampas::cpu
